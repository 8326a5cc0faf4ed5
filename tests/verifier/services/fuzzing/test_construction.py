"""Blocks of drafts: valid ones, those with a transaction that may not be included, and changed headers."""

from dataclasses import replace

import pytest

from verifier.domain.conformance import Expected, ReasonClass
from verifier.services.fuzzing.construction import FAULTY, REFUSED, Built, Constructor, classes_of_word
from verifier.services.fuzzing.draft import AuthorizationDraft, Draft, HeaderFault, TransactionDraft
from verifier.services.fuzzing.headers import FAULTS, faults
from verifier.services.fuzzing.mutations.faults import faulty
from verifier.services.fuzzing.signatures import TAMPERINGS
from verifier.services.fuzzing.wallets import CONTRACTS
from witness.errors import EncodingError
from witness.header import decode_block_header
from witness.rlp_item import list_items

PLAIN = TransactionDraft(to=CONTRACTS[0], value=1)


@pytest.fixture(scope="module")
def constructor() -> Constructor:
    return Constructor()


def count(built: Built) -> int:
    _, (_, begin, _, end), *_ = list_items(built.block)
    return len(list_items(built.block[begin:end]))


def test_a_block_of_transactions_of_one_sender(constructor: Constructor) -> None:
    built = constructor.build(Draft("prague", transactions=(PLAIN, PLAIN)), "name")
    assert built.expected is Expected.VALID
    assert built.included == (0, 1)
    assert count(built) == 2
    assert {"fork:prague", "type:2"} <= built.features


def test_what_may_not_be_included_is_left_out(constructor: Constructor) -> None:
    late = replace(PLAIN, nonce_offset=1)
    built = constructor.build(Draft("cancun", transactions=(PLAIN, late, PLAIN)), "name")
    assert built.expected is Expected.VALID
    assert built.included == (0, 2)
    assert [each.index for each in built.refused] == [1]
    assert count(built) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce_offset": 1},
        {"gas": 20_999},
        {"price": 1},
        {"priority": 10**12},
        {"value": 1 << 255},
        {"value": 1 << 256},
        {"chain": 2},
        {"tampering": "high_s"},
        {"tampering": "zero_r"},
        {"to": b"\1" * 19},
        {"kind": 3, "blob_hashes": ()},
        {"kind": 4},
        {"kind": 5},
        {"sender": 6},
    ],
)
def test_what_may_not_be_included_is_put_in_to_be_refused_for_itself(
    constructor: Constructor, wrong: dict[str, object]
) -> None:
    refusable = replace(PLAIN, **wrong)  # type: ignore[arg-type]
    built = constructor.build(Draft("osaka", transactions=(PLAIN, refusable, PLAIN), with_refused=True), "name")
    (block,) = built.case.blocks
    assert block.expected is Expected.INVALID
    assert block.exception == REFUSED
    assert built.label.startswith("transaction-")
    assert count(built) == 3
    assert ReasonClass.TRANSACTION in classes_of_word(block.exception)
    assert ReasonClass.RESULT not in classes_of_word(block.exception)


@pytest.mark.parametrize("tampering", sorted(TAMPERINGS))
def test_authorizations_that_are_tampered_with_are_passed_over(constructor: Constructor, tampering: str) -> None:
    authorization = AuthorizationDraft(6, CONTRACTS[0], tampering=tampering)
    built = constructor.build(
        Draft("prague", transactions=(replace(PLAIN, kind=4, authorizations=(authorization,)),)), "name"
    )
    assert built.expected is Expected.VALID
    assert not built.refused


def test_every_header_fault_is_made_and_judged_by_the_builder(constructor: Constructor) -> None:
    plain = constructor.build(Draft("prague", transactions=(PLAIN,)), "name")
    valid = set()
    for name in faults("prague"):
        for amount in FAULTS[name][1]:
            built = constructor.build(Draft("prague", transactions=(PLAIN,), fault=HeaderFault(name, amount)), "name")
            (block,) = built.case.blocks
            if block.expected is Expected.VALID:
                valid.add(name if block.encoded != plain.block else "")  # what is 0 cannot be less
            else:
                assert block.exception == FAULTY
                assert block.encoded != plain.block
                assert classes_of_word(FAULTY) == frozenset()
    # What is within bounds, or was so before; and the randomness that no transaction reads.
    assert valid == {"", "extra-data", "gas-limit-by-parent", "mix-hash"}


def test_a_gas_limit_above_the_largest_is_made(constructor: Constructor) -> None:
    above, largest = (
        constructor.build(faulty(Draft("shanghai"), HeaderFault(name)), "name")
        for name in ("gas-limit-above-2p63m1", "gas-limit-2p63m1")
    )
    assert decode_block_header(above.block).gas_limit == 1 << 63
    assert above.expected is Expected.INVALID
    assert above.case.name.test == "name-header-gas-limit-above-2p63m1"
    assert largest.expected is Expected.VALID


def test_a_header_with_a_leading_zero_is_none_any_more(constructor: Constructor) -> None:
    built = constructor.build(Draft("cancun", fault=HeaderFault("leading-zero")), "name")
    with pytest.raises(EncodingError):
        decode_block_header(built.block)
