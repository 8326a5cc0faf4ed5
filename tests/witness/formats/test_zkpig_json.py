"""zkpig's document, both ways."""

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.witness.examples import block_witness
from tests.witness.formats.strategies import contents, damaged, without_producer
from tests.witness.real_data import PRAGUE_BLOCK, ZKPIG, needs_real_data
from witness.errors import WitnessError, WitnessFormatError
from witness.formats import load
from witness.formats.assembly import assemble
from witness.formats.json_field import as_octets, hex_octets
from witness.formats.loading import read_document
from witness.formats.zkpig_json import document_of, parts_from_json
from witness.header import keccak256
from witness.model import BlockWitness, PostAccount, PreAccount
from witness.prestate import decode_poststate, decode_prestate


@given(contents())
@settings(deadline=None)
def test_round_trip(content: BlockWitness) -> None:
    document = json.loads(json.dumps(document_of(content)))
    assert without_producer(assemble(parts_from_json(document))) == without_producer(content)


@needs_real_data
def test_the_real_document() -> None:
    """The same block and witness as in block JSON; what we write of it is what zkpig wrote, but for `extra`."""
    (content,), (other,) = load(ZKPIG), load(PRAGUE_BLOCK)
    assert (content.hash, content.block, content.witness) == (other.hash, other.block, other.witness)
    document = json.loads(read_document(ZKPIG))
    written = document_of(content)
    assert sorted(written["witness"]["state"]) == sorted(document["witness"]["state"])
    assert sorted(written["witness"]["codes"]) == sorted(document["witness"]["codes"])
    assert written["witness"]["ancestors"] == document["witness"]["ancestors"]
    assert written["chainConfig"] == document["chainConfig"]
    (ours,), (theirs,) = written["blocks"], document["blocks"]
    assert (ours["header"], ours["uncles"], ours["withdrawals"]) == tuple(
        theirs[name] for name in ("header", "uncles", "withdrawals")
    )
    for transaction, original in zip(ours["transaction"], theirs["transaction"], strict=True):
        # zkpig repeats the parity as v, and gives a legacy transaction's chain id.
        assert {name: original.get(name) for name in transaction} == transaction
        assert {name for name in original if original[name] is not None} - transaction.keys() <= {"v", "chainId"}


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("blocks",), [], "0 blocks"),
        (("blocks",), None, "0 blocks"),
        (("blocks", 0), "0x", "blocks\\[0\\] is not a JSON object"),
        (("blocks", 0, "header"), None, "blocks\\[0\\].header is not"),
        (("blocks", 0, "transaction"), [], "transactions root"),
        (("witness",), [], "witness is not a JSON object"),
        (("witness", "state"), [7], "witness.state\\[0\\]"),
        (("witness", "ancestors"), [None], "witness.ancestors\\[0\\]"),
        (("chainConfig",), None, "chainConfig is not a JSON object"),
    ],
)
def test_wrong_documents_are_refused(path: tuple[Any, ...], value: Any, reason: str) -> None:
    document = copy.deepcopy(document_of(block_witness(9)))
    *containers, last = path
    place: Any = document
    for key in containers:
        place = place[key]
    place[last] = value
    with pytest.raises(WitnessFormatError, match=reason):
        assemble(parts_from_json(document))


def test_two_blocks_are_refused() -> None:
    document = document_of(block_witness(9))
    document["blocks"] *= 2
    with pytest.raises(WitnessFormatError, match="2 blocks"):
        parts_from_json(document)


@given(st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_damaged_document_is_refused_or_still_of_its_block(data: st.DataObject) -> None:
    content = block_witness(9)
    try:
        loaded = assemble(parts_from_json(data.draw(damaged(document_of(content)))))
    except WitnessError:
        return
    # Without a stated hash the header is what it says; everything else hangs on the roots in it.
    if loaded.hash == content.hash:
        assert loaded.block == content.block


A, B = "0x" + "0a" * 20, "0x" + "0b" * 20
WORD, OTHER_WORD = "0x" + "00" * 31 + "01", "0x" + "00" * 31 + "02"
STATE: dict[str, Any] = {
    "nonce": "0x1",
    "balance": "0xde0b6b3a7640000",
    "codeHash": hex_octets(keccak256(b"\x60\x00")),
    "storageHash": "0x" + "11" * 32,
}
EXTRA: dict[str, Any] = {
    "preState": {A: {**STATE, "code": "0x6000", "storage": {WORD: OTHER_WORD}}, B: None},
    "stateDiffs": [
        {
            "address": A,
            "preAccount": STATE,
            "postAccount": {**STATE, "nonce": "0x2", "storageHash": "0x" + "22" * 32},
            "storage": [
                {"storageKey": WORD, "preValue": OTHER_WORD, "postValue": "0x" + "00" * 32},
                {"storageKey": OTHER_WORD, "preValue": WORD, "postValue": WORD},
            ],
        },
        {"address": B, "postAccount": {**STATE, "codeHash": hex_octets(keccak256(b""))}},
    ],
}


NO_CODES = replace(block_witness(9).witness, codes=[])


def with_extra(extra: object) -> BlockWitness:
    return assemble(parts_from_json({**document_of(replace(block_witness(9), witness=NO_CODES)), "extra": extra}))


def test_pre_state_and_differences_become_the_sections() -> None:
    content = with_extra(EXTRA)
    code_hash = keccak256(b"\x60\x00")
    key = as_octets(WORD, "")
    assert content.prestate is not None
    assert content.poststate is not None
    assert decode_prestate(content.prestate) == {
        as_octets(A, ""): PreAccount(1, 10**18, b"\x11" * 32, code_hash, {key: 2}),
        as_octets(B, ""): None,
    }
    assert decode_poststate(content.poststate) == {
        as_octets(A, ""): PostAccount(2, 10**18, code_hash, {key: 0}),
        as_octets(B, ""): PostAccount(1, 10**18, keccak256(b"")),
    }
    assert content.witness.codes == [b"\x60\x00"]


def test_no_extra_no_sections() -> None:
    for extra in (None, {}, {"preState": None, "stateDiffs": None}):
        content = with_extra(extra)
        assert (content.prestate, content.poststate) == (None, None)
    deleted = with_extra({"stateDiffs": [{"address": A, "preAccount": STATE}, {"address": B}]})
    assert deleted.poststate is not None
    assert decode_poststate(deleted.poststate) == {as_octets(A, ""): None}
    unchanged = with_extra({"stateDiffs": [{"address": A, "preAccount": STATE, "postAccount": STATE}]})
    assert unchanged.poststate == b"\xc0"


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ((), [], "extra is not a JSON object"),
        (("preState",), [], "extra.preState is not a JSON object"),
        (("preState", A), [], f"extra.preState.{A} is not a JSON object"),
        (("preState", "0x00"), None, "extra.preState.0x00 has 1 bytes, 20 expected"),
        (("preState", A.upper().replace("X", "x")), None, "is there twice"),
        (("preState", A, "nonce"), None, "nonce is not a quantity"),
        (("preState", A, "nonce"), hex(2**64), "nonce is too large"),
        (("preState", A, "balance"), hex(2**256), "balance is not a quantity"),
        (("preState", A, "storageHash"), None, "storageHash is not a 0x"),
        (("preState", A, "codeHash"), "0x11", "codeHash has 1 bytes"),
        (("preState", A, "code"), "0x6001", "code has not the hash"),
        (("preState", A, "storage"), [], "storage is not a JSON object"),
        (("preState", A, "storage", "0x01"), WORD, "storage has 1 bytes, 32 expected"),
        (("preState", A, "storage", WORD), "0x01", f"storage.{WORD} has 1 bytes, 32 expected"),
        (("stateDiffs",), {}, "extra.stateDiffs is not a JSON list"),
        (("stateDiffs", 0), None, "stateDiffs\\[0\\] is not a JSON object"),
        (("stateDiffs", 0, "address"), None, "stateDiffs\\[0\\].address is not a 0x"),
        (("stateDiffs", 1, "address"), A, "stateDiffs\\[1\\]: 0x0a.* is there twice"),
        (("stateDiffs", 0, "postAccount"), "0x", "stateDiffs\\[0\\].postAccount is not a JSON object"),
        (("stateDiffs", 0, "postAccount", "balance"), "0xz", "balance is not a quantity"),
        (("stateDiffs", 0, "storage"), {}, "storage is not a JSON list"),
        (("stateDiffs", 0, "storage", 0), 1, "storage\\[0\\] is not a JSON object"),
        (("stateDiffs", 0, "storage", 0, "preValue"), "0x1", "preValue is not hexadecimal bytes"),
        (("stateDiffs", 0, "storage", 1, "storageKey"), WORD, "storage\\[1\\]: 0x0.* is there twice"),
    ],
)
def test_a_wrong_extra_is_refused(path: tuple[Any, ...], value: Any, reason: str) -> None:
    extra: Any = copy.deepcopy(EXTRA)
    place: Any = {"": extra}
    for key, following in zip(("", *path), (*path, None), strict=True):
        if following is None:
            place[key] = value
        else:
            place = place[key]
    with pytest.raises(WitnessFormatError, match=reason):
        with_extra(value if not path else extra)


@given(st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_damaged_extra_is_refused_or_sections_that_can_be_read(data: st.DataObject) -> None:
    try:
        content = with_extra(data.draw(damaged(EXTRA)))
    except WitnessError:
        return
    if content.prestate is not None:
        decode_prestate(content.prestate)
    if content.poststate is not None:
        decode_poststate(content.poststate)
