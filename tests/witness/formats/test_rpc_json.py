"""`debug_executionWitness` documents and the RPC objects in them, both ways."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.witness.examples import LEGACY, WITHDRAWAL, block_rlp, block_witness, chain, header_rlp
from tests.witness.formats.strategies import (
    blocks,
    contents,
    damaged,
    encoded_transaction,
    transactions,
    without_producer,
)
from witness.errors import WitnessError, WitnessFormatError
from witness.formats.assembly import assemble
from witness.formats.geth_rlp import encode_witness_rlp
from witness.formats.json_field import hex_octets
from witness.formats.rpc_block import (
    block_from_json,
    block_to_objects,
    encode_block,
    transaction_from_object,
    transaction_to_object,
)
from witness.formats.rpc_header import header_from_object, header_to_object
from witness.formats.rpc_json import document_of, parts_from_json, unwrapped, witness_from_json
from witness.header import keccak256
from witness.model import BlockWitness
from witness.rlp_encoding import Item


def reread(document: Any) -> BlockWitness:
    return assemble(parts_from_json(json.loads(json.dumps(document))))


@given(contents(), st.sampled_from(["objects", "rlp"]))
@settings(deadline=None)
def test_round_trip_in_both_shapes(content: BlockWitness, shape: Any) -> None:
    document = document_of(content, headers=shape)
    assert all(isinstance(each, dict) == (shape == "objects") for each in document["witness"]["headers"])
    assert without_producer(reread(document)) == without_producer(content)


@given(contents())
@settings(deadline=None)
def test_the_block_as_an_object_and_the_witness_as_geths_rlp(content: BlockWitness) -> None:
    header, body, uncles, withdrawals = block_to_objects(content.block)
    block = {**header, "transactions": body, "uncles": uncles, "withdrawals": withdrawals}
    document = {
        **document_of(content),
        "block": {"jsonrpc": "2.0", "id": 1, "result": block},
        "witness": hex_octets(encode_witness_rlp(content.witness)),
    }
    assert without_producer(reread(document)) == without_producer(content)


@given(blocks())
@settings(deadline=None)
def test_blocks_become_objects_and_back(block: bytes) -> None:
    header, body, uncles, withdrawals = json.loads(json.dumps(block_to_objects(block)))
    assert encode_block(header, body, uncles, withdrawals) == block


@given(transactions)
def test_transactions_become_objects_and_back(item: Item) -> None:
    document = json.loads(json.dumps(transaction_to_object(item)))
    assert transaction_from_object(document) == item
    assert document["hash"] == hex_octets(keccak256(encoded_transaction(item)))
    other_names = {("data" if name == "input" else name): value for name, value in document.items()}
    other_names["v"] = document.get("yParity", document.get("v"))
    other_names.pop("yParity", None)
    assert transaction_from_object(other_names) == item


@given(transactions)
def test_a_transaction_may_be_given_as_its_bytes(item: Item) -> None:
    encoded = encoded_transaction(item)
    if len(encoded) != 32:
        assert transaction_from_object(hex_octets(encoded)) == item


@given(transactions, st.data())
def test_a_transaction_that_states_another_hash_is_refused(item: Item, data: st.DataObject) -> None:
    document = transaction_to_object(item)
    name = data.draw(st.sampled_from(sorted(document)))
    original = transaction_to_object(item)
    if name in ("nonce", "value", "r", "s"):
        document[name] = hex(int(document[name], 16) ^ 1)
        with pytest.raises(WitnessFormatError, match="states hash"):
            transaction_from_object(document)
    document = {**original, "hash": hex_octets(bytes(32))}
    with pytest.raises(WitnessFormatError, match="states hash"):
        transaction_from_object(document)


def test_header_objects_of_every_fork() -> None:
    full = header_to_object(chain(1)[0])
    optional = ["baseFeePerGas", "withdrawalsRoot"]
    later = {
        "blobGasUsed": "0x1",
        "excessBlobGas": "0x2",
        "parentBeaconBlockRoot": hex_octets(b"b" * 32),
        "requestsHash": hex_octets(b"r" * 32),
        "blockAccessListHash": hex_octets(b"a" * 32),
    }
    document = {name: value for name, value in full.items() if name not in (*optional, "hash")}
    for name, value in [(name, full[name]) for name in optional] + list(later.items()):
        encoded = header_from_object(document)
        assert {**header_to_object(encoded), "hash": None} == {**document, "hash": None}
        with_null = {**document, name: None}
        assert header_from_object(with_null) == encoded
        document[name] = value
    assert header_to_object(header_from_object(document))["blockAccessListHash"] == later["blockAccessListHash"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"stateRoot": None}, "stateRoot is missing"),
        ({"stateRoot": "0x00"}, "has 1 bytes"),
        ({"baseFeePerGas": None}, "baseFeePerGas is missing, but header.withdrawalsRoot is there"),
        ({"gasUsed": "5"}, "gasUsed is not a quantity"),
        ({"gasUsed": -1}, "gasUsed is not a quantity"),
        ({"gasUsed": True}, "gasUsed is not a quantity"),
        ({"gasUsed": "0x_1"}, "gasUsed is not a quantity"),
        ({"gasUsed": hex(2**256)}, "gasUsed is not a quantity"),
        ({"gasUsed": "0x1"}, "states hash"),
        ({"extraData": "0x0 0"}, "not hexadecimal"),
        ({"extraData": "0x000"}, "not hexadecimal"),
        ({"extraData": ["0x"]}, "not a 0x"),
    ],
)
def test_wrong_header_objects_are_refused(change: dict[str, Any], reason: str) -> None:
    document = {**header_to_object(chain(1)[0]), **change}
    with pytest.raises(WitnessFormatError, match=reason):
        header_from_object(document)


def test_an_rlp_header_that_is_no_object_is_refused() -> None:
    for wrong in (b"", b"\xc0", b"\xc1\xc0", chain(1)[0] + b"\0"):
        with pytest.raises(WitnessFormatError):
            header_to_object(wrong)


def block_object() -> dict[str, Any]:
    header, body, _, withdrawals = block_to_objects(block_witness(9).block)
    return {**header, "transactions": body, "uncles": [], "withdrawals": withdrawals}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"transactions": [hex_octets(bytes(32))]}, "only a hash"),
        ({"transactions": []}, "transactions root"),
        ({"transactions": None}, "transactions root"),
        ({"transactions": [7]}, "not a JSON object"),
        ({"transactions": [{"type": "0x5"}]}, "type 5"),
        ({"transactions": [{"type": "0x2"}]}, "chainId is missing"),
        ({"transactions": ["0x"]}, "transactions root"),
        ({"transactions": ["0xc1"]}, "not a list in RLP"),
        ({"transactions": {}}, "not a JSON list"),
        ({"uncles": [hex_octets(bytes(32))]}, "only a hash"),
        ({"uncles": [hex_octets(chain(1)[0])]}, "uncles hash"),
        ({"withdrawals": None}, "withdrawals root"),
        ({"withdrawals": [{}]}, "index is missing"),
    ],
)
def test_blocks_whose_body_is_not_the_headers_are_refused(change: dict[str, Any], reason: str) -> None:
    assert block_from_json(block_object()) == block_witness(9).block
    with pytest.raises(WitnessFormatError, match=reason):
        block_from_json({**block_object(), **change})


def test_a_block_that_cannot_be_written_as_objects() -> None:
    header = header_rlp()
    for wrong in (
        b"\xc0",
        b"\x80",
        block_rlp(header, [b""]),
        block_rlp(header, [b"\x05\xc0"]),
        block_rlp(header, [b"\x02\xc0"]),
        block_rlp(header, [LEGACY[:-1]]),
        block_rlp(header, [[*LEGACY[:-1], []]]),
        block_rlp(header, [], [WITHDRAWAL[:-1]]),
        block_rlp(b"\xc0"),
    ):
        with pytest.raises(WitnessFormatError):
            block_to_objects(wrong)


def test_responses_are_unwrapped_and_errors_told() -> None:
    assert unwrapped({"jsonrpc": "2.0", "result": {"state": []}}) == {"state": []}
    assert unwrapped({"state": []}) == {"state": []}
    with pytest.raises(WitnessFormatError, match="no such method"):
        unwrapped({"jsonrpc": "2.0", "error": {"message": "no such method"}})
    with pytest.raises(WitnessFormatError, match="not a JSON object"):
        witness_from_json({"jsonrpc": "2.0", "result": None})


def test_only_state_is_required_of_a_witness() -> None:
    assert witness_from_json({"state": []}).headers == []
    with pytest.raises(WitnessFormatError, match="state is missing"):
        witness_from_json({"codes": []})


@given(st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_damaged_document_is_refused_or_still_of_its_block(data: st.DataObject) -> None:
    content = block_witness(9)
    document = {**document_of(content, headers="objects"), "block": block_object()}
    document["witness"]["keys"] = ["0x00"]
    try:
        loaded = reread(data.draw(damaged(document)))
    except WitnessError:
        return
    assert bytes(loaded.block) == content.block
    assert loaded.hash == content.hash
    assert set(loaded.witness.headers) <= set(content.witness.headers)
