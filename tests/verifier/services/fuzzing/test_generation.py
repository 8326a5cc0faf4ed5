"""The same seed gives the same drafts and blocks, whatever else the process does; and they are of every kind."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.verifier.services.fuzzing.examples import FORKS
from verifier.domain.conformance import Expected
from verifier.errors import ExecutorError
from verifier.executors.stateful.genesis import GenesisAccount
from verifier.services.fuzzing.construction import Built, Constructor
from verifier.services.fuzzing.draft import Draft, Environment
from verifier.services.fuzzing.generation import Generator, Origin
from verifier.services.fuzzing.material import bundled_material
from verifier.services.fuzzing.wallets import CONTRACTS, DELEGATION, wallets
from verifier.services.fuzzing.world import genesis_of
from witness.header import decode_block_header, keccak256
from witness.rlp_item import list_items

BLOCKS = 60
DIGEST = """
from tests.verifier.services.fuzzing.test_generation import drafts
from hashlib import sha256
print(sha256(repr(list(drafts("a seed", 40))).encode()).hexdigest())
"""


def drafts(seed: str, count: int) -> Iterator[Draft]:
    """Drafts of which every third led somewhere new."""
    generator = Generator(seed, FORKS, bundled_material())
    corpus: dict[int, Draft] = {}
    for number in range(count):
        origin = generator.choose(number, list(corpus))
        draft = generator.draft(origin, [corpus[each] for each in origin.parents])
        if number % 3 == 0:
            corpus[number] = draft
        yield draft


@pytest.fixture(scope="module")
def built() -> list[Built]:
    constructor, blocks = Constructor(), []
    for number, draft in enumerate(drafts("blocks", BLOCKS)):
        blocks.append(constructor.build(draft, str(number)))
    return blocks


def test_the_same_seed_gives_the_same_blocks_byte_for_byte(built: list[Built]) -> None:
    again = [Constructor().build(draft, "again") for draft in drafts("blocks", BLOCKS)]
    assert [each.block for each in again] == [each.block for each in built]
    assert [each.features for each in again] == [each.features for each in built]


def test_the_same_seed_gives_the_same_drafts_in_another_process() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", DIGEST], env={"PYTHONHASHSEED": salt}, capture_output=True, text=True, check=True
        ).stdout
        for salt in ("1", "2")
    }
    assert len(digests) == 1


def test_another_seed_gives_other_drafts() -> None:
    assert list(drafts("one", 10)) != list(drafts("two", 10))


def test_every_block_stands_on_its_genesis_and_decodes(built: list[Built]) -> None:
    for each in built:
        if not each.label.startswith("header"):
            header = decode_block_header(each.block)
            assert header.number == 1
            assert header.gas_used <= header.gas_limit
            _, transactions, *_ = list_items(each.block)
            listed = list_items(each.block[transactions[1] : transactions[3]])
            assert len(listed) == len(each.included) + each.label.startswith("transaction")


def test_the_builder_accepts_what_it_built(built: list[Built]) -> None:
    valid = [each for each in built if each.expected is Expected.VALID]
    assert len(valid) > BLOCKS // 2
    assert all(each.label == "" or each.label.startswith("header") for each in valid)


def test_blocks_come_with_every_type_of_transaction_and_fork(built: list[Built]) -> None:
    features = frozenset().union(*(each.features for each in built))
    assert {f"type:{kind}" for kind in range(5)} <= features
    assert {f"fork:{fork}" for fork in FORKS} <= features
    assert sum(each.startswith("op:") for each in features) > 60
    assert sum(each.startswith("precompile:") for each in features) > 5


def test_no_account_of_a_pre_state_is_empty() -> None:
    for draft in drafts("accounts", 20):
        accounts = genesis_of(draft).accounts
        assert all(each.balance or each.nonce or each.code for each in accounts.values())
        assert all(each.code or each.nonce for each in accounts.values() if each.storage)


def test_a_draft_is_made_of_its_parents_alone() -> None:
    generator = Generator("seed", FORKS, bundled_material())
    parent = generator.draft(Origin(0), ())
    origin = Origin(5, (0,))
    assert generator.draft(origin, [parent]) == generator.draft(origin, [parent])
    assert generator.choose(9, [0, 3]) == generator.choose(9, [0, 3])


def test_wallets_sign_for_themselves() -> None:
    assert len({wallet.address for wallet in wallets()}) == len(wallets())
    assert all(keccak256(wallet.secret) for wallet in wallets())


def test_what_py_evm_cannot_build_is_an_error_of_its_own(built: list[Built]) -> None:
    constructor = Constructor()
    draft = next(drafts("blocks", 1))
    amount = ((0, bytes(20), 1 << 64),)  # gwei: one more than fits
    with pytest.raises(ExecutorError):
        constructor.build(Draft(draft.fork, environment=Environment(withdrawals=amount)), "no block")
    assert constructor.build(draft, "0").block == built[0].block


def test_nothing_delegates_before_it_can() -> None:
    """A draft may be moved to an earlier fork; no chain has such an account there, and clients differ about it."""
    delegating = {CONTRACTS[0]: GenesisAccount(nonce=1, code=DELEGATION + CONTRACTS[1])}
    for fork, expected in (("cancun", 0), ("prague", 2)):  # that one, and the wallet that always does
        accounts = genesis_of(Draft(fork, accounts=delegating)).accounts
        assert sum(each.code.startswith(DELEGATION) for each in accounts.values()) == expected
        assert all(each.nonce or each.balance or each.code for each in accounts.values())
