"""Parameters of newPayload: the bundled blocks there and back, each version strict, any garbage an error of its own."""

import contextlib
import copy
from pathlib import Path
from typing import Any

import pytest
import rlp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.witness.formats.strategies import blocks
from verifier.services.conformance.loaders.rlp_chain import load_blocks
from witness.errors import WitnessFormatError
from witness.formats.engine_payload import (
    EnginePayload,
    blob_hashes,
    decode_engine_payload,
    engine_parameters,
    requests_hash,
)
from witness.header import FIELDS, decode_block_header, keccak256
from witness.rlp_encoding import Item, encode_integer, encode_item, encode_list
from witness.rlp_item import list_items

CHAIN = Path(__file__).parents[3] / "fixtures" / "chain" / "chain.rlp"
BLOCKS = list(load_blocks(CHAIN))
# A loaded machine must not fail a test that is about values.
FUZZ = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
HASH = b"\x11" * 32
REQUEST = b"\x01\x02\x03"
ACCESS_LIST = b"\xc0"
BLOB_HASH = b"\x01" + b"\x22" * 31


def blob_transaction(hashes: list[Item]) -> bytes:
    fields: list[Item] = [*[b""] * 9, b"\x01", hashes, b"", b"\x05", b"\x06"]
    return b"\x03" + encode_item(fields)


def parameters_of(version: int) -> list[Any]:
    """A call of every version, its blockHash filled in."""
    payload: dict[str, Any] = {
        **dict.fromkeys(("parentHash", "stateRoot", "receiptsRoot", "prevRandao", "blockHash"), "0x" + HASH.hex()),
        "feeRecipient": "0x" + "33" * 20,
        "logsBloom": "0x" + "00" * 256,
        "blockNumber": "0x7",
        "gasLimit": "0x1c9c380",
        "gasUsed": "0x0",
        "timestamp": "0x64",
        "extraData": "0x6869",
        "baseFeePerGas": "0x7",
        "transactions": ["0x02c0", "0x" + encode_item([b"\x01", b"\x02"]).hex()],
    }
    parameters: list[Any] = [payload]
    if version >= 2:
        payload["withdrawals"] = [
            {"index": "0x0", "validatorIndex": "0x2", "address": "0x" + "44" * 20, "amount": "0x9"}
        ]
    if version >= 3:
        payload |= {"blobGasUsed": "0x20000", "excessBlobGas": "0x0"}
        payload["transactions"].append("0x" + blob_transaction([BLOB_HASH]).hex())
        parameters += [["0x" + BLOB_HASH.hex()], "0x" + HASH.hex()]
    if version >= 4:
        parameters.append(["0x" + REQUEST.hex()])
    if version >= 5:
        payload |= {"blockAccessList": "0x" + ACCESS_LIST.hex(), "slotNumber": "0x8"}
    payload["blockHash"] = "0x" + decode_engine_payload(version, parameters).header.hash.hex()
    return parameters


def test_bundled_blocks_there_and_back() -> None:
    versions = []
    for block in BLOCKS:
        header = decode_block_header(block)
        if header.requests_hash not in (None, requests_hash(())):
            continue  # made by its transactions' execution: the block does not hold them
        version, parameters = engine_parameters(block)
        payload = decode_engine_payload(version, parameters)
        assert (payload.block, payload.header, payload.misfit) == (block, header, "")
        versions.append(version)
    assert set(versions) == {2, 3, 4}  # Shanghai to BPO1
    assert len(versions) > len(BLOCKS) // 2


def test_requests_that_are_not_known_are_left_out_and_all_else_is_checked() -> None:
    payload = decode_engine_payload(4, parameters_of(4))
    version, parameters = engine_parameters(payload.block, requests=None)
    assert (version, parameters[3]) == (4, [])
    assert parameters[:3] == parameters_of(4)[:3]
    (_, header_at, _, header_end), *_ = list_items(payload.block)
    body = encode_item([]) * 2 + encode_item([])  # no transactions, uncles, withdrawals
    other = payload.block[header_at:header_end] + body
    with pytest.raises(WitnessFormatError, match="not those that the header is of"):
        engine_parameters(encode_list(other), requests=None)


@pytest.mark.parametrize("version", range(1, 6))
def test_every_version_there_and_back(version: int) -> None:
    parameters = parameters_of(version)
    payload = decode_engine_payload(version, parameters)
    assert payload.misfit == ""
    assert payload.header.uncles_hash == keccak256(b"\xc0")
    assert (payload.header.slot_number, payload.header.unknown_fields) == (8 if version == 5 else None, 0)
    requests = (REQUEST,) if version >= 4 else ()
    assert engine_parameters(memoryview(payload.block), requests, ACCESS_LIST) == (version, parameters)
    header_fields = len(list_items(payload.block[list_items(payload.block)[0][1] : list_items(payload.block)[0][3]]))
    assert header_fields == {1: 16, 2: 17, 3: 20, 4: 21, 5: len(FIELDS)}[version]


@pytest.mark.parametrize("version", range(1, 6))
def test_every_field_is_bound_by_the_hash(version: int) -> None:
    """Whatever is changed, the call is refused or no longer fits the hash that it states: nothing is passed over."""
    parameters = parameters_of(version)
    for name, value in parameters[0].items():
        if name == "blockHash":
            continue
        changed = copy.deepcopy(parameters)
        if isinstance(value, list):
            changed[0][name] = value[:-1]
        elif len(value) % 2 or len(value) < 40:
            changed[0][name] = value[:-1] + "5"
        else:
            changed[0][name] = value[:-2] + "55"
        with contextlib.suppress(WitnessFormatError):
            assert decode_engine_payload(version, changed).misfit, name
    for position, value in enumerate(parameters[1:], 1):
        changed = copy.deepcopy(parameters)
        changed[position] = [] if isinstance(value, list) else "0x" + "55" * 32
        assert decode_engine_payload(version, changed).misfit


def test_misfits() -> None:
    parameters = parameters_of(4)
    parameters[0]["blockHash"] = "0x" + HASH.hex()
    assert "blockHash is not the payload's" in decode_engine_payload(4, parameters).misfit
    parameters = parameters_of(4)
    parameters[1] = ["0x" + HASH.hex()]
    payload = decode_engine_payload(4, parameters)
    assert not payload.blob_hashes_agree
    assert "expectedBlobVersionedHashes" in payload.misfit


def test_paris_payload_by_the_second_version() -> None:
    for withdrawals in ({}, {"withdrawals": None}):
        payload = {**parameters_of(1)[0], **withdrawals}
        assert decode_engine_payload(2, [payload]).misfit == ""


def test_slot_number_may_be_absent() -> None:
    parameters = parameters_of(5)
    del parameters[0]["slotNumber"]
    payload = decode_engine_payload(5, parameters)
    assert (payload.header.slot_number, payload.header.block_access_list_hash) == (None, keccak256(ACCESS_LIST))


@pytest.mark.parametrize(
    ("version", "field", "value", "reason"),
    [
        (1, "withdrawals", [], "no such field"),
        (2, "blobGasUsed", "0x0", "no such field"),
        (3, "withdrawals", None, "withdrawals is missing"),
        (3, "excessBlobGas", None, "excessBlobGas is missing"),
        (4, "blockAccessList", "0xc0", "no such field"),
        (4, "slotNumber", "0x1", "no such field"),
        (5, "blockAccessList", None, "blockAccessList is missing"),
        (4, "gasUsed", 1, "not a 0x"),
        (4, "gasUsed", "0x" + "f" * 17, "more than 64 bits"),
        (4, "baseFeePerGas", "0x" + "f" * 65, "not a quantity"),
        (4, "stateRoot", "0x11", "32 expected"),
        (4, "stateRoot", None, "stateRoot"),
        (4, "transactions", None, "transactions is missing"),
        (4, "transactions", ["0x"], "is empty"),
        (4, "transactions", ["0xc0c0"], "after its end"),
        (4, "transactions", ["0xc1"], "truncated"),
        (4, "withdrawals", [[]], "not a JSON object"),
        (4, "withdrawals", [{"index": "0x1"}], "validatorIndex"),
    ],
)
def test_refused(version: int, field: str, value: Any, reason: str) -> None:
    parameters = parameters_of(version)
    parameters[0][field] = value
    with pytest.raises(WitnessFormatError, match=reason):
        decode_engine_payload(version, parameters)


@pytest.mark.parametrize("version", range(1, 6))
def test_number_of_parameters(version: int) -> None:
    parameters = parameters_of(version)
    cases: list[Any] = [[], parameters[:-1], [*parameters, []], None, {}, "0x"]
    for wrong in cases:
        with pytest.raises(WitnessFormatError):
            decode_engine_payload(version, wrong)
    for unknown in (0, 6, -1):
        with pytest.raises(WitnessFormatError, match="not known"):
            decode_engine_payload(unknown, parameters)


def test_blocks_that_cannot_be_written() -> None:
    header, transactions, *_ = rlp.decode(BLOCKS[0])
    short = rlp.encode([header, transactions])
    for block in (b"", b"\xc0", b"\x80", BLOCKS[0][:-1], BLOCKS[0] + b"\x00", short):
        with pytest.raises(WitnessFormatError):
            engine_parameters(block)
    prague = decode_engine_payload(4, parameters_of(4)).block
    with pytest.raises(WitnessFormatError, match="requests"):
        engine_parameters(prague)


def test_requests_that_are_not_known() -> None:
    parameters = parameters_of(4)
    prague = decode_engine_payload(4, parameters).block
    assert engine_parameters(prague, requests=None) == (4, [*parameters[:3], []])
    body = prague.replace(encode_item([b"\x01", b"\x02"]), encode_item([b"\x01", b"\x03"]))
    assert body != prague
    with pytest.raises(WitnessFormatError, match="not those that the header is of"):
        engine_parameters(body, requests=None)


def test_amsterdam_needs_its_access_list() -> None:
    block = decode_engine_payload(5, parameters_of(5)).block
    with pytest.raises(WitnessFormatError, match="needs the block access list"):
        engine_parameters(block, [REQUEST])
    with pytest.raises(WitnessFormatError, match="not those that the header is of"):
        engine_parameters(block, [REQUEST], b"\xc1\x01")


@given(blocks())
def test_a_block_before_paris_has_none(block: bytes) -> None:
    header = decode_block_header(block)
    if header.difficulty or header.base_fee is None:
        with pytest.raises(WitnessFormatError, match="before Paris"):
            engine_parameters(block)
    elif header.uncles_hash != keccak256(b"\xc0") or any(header.nonce):
        with pytest.raises(WitnessFormatError, match="not those that the header is of"):
            engine_parameters(block)


def test_hashes_of_blobs() -> None:
    assert blob_hashes(blob_transaction([BLOB_HASH, HASH])) == [BLOB_HASH, HASH]
    for other in (b"", b"\x03", b"\x03\xc0", b"\x02" + blob_transaction([BLOB_HASH])[1:], b"\x03" + b"\xff" * 9):
        assert blob_hashes(other) == []


def test_hash_of_no_requests() -> None:
    """The constant of EIP-7685."""
    assert requests_hash(()).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert encode_integer(0) == b""


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["0x", "0x01", "0xzz", "0xc0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)


def decoded(version: int, parameters: Any) -> EnginePayload | None:
    with contextlib.suppress(WitnessFormatError):
        return decode_engine_payload(version, parameters)
    return None


@FUZZ
@given(version=st.integers(0, 7), parameters=json_values)
def test_any_parameters_give_a_block_or_an_error(version: int, parameters: Any) -> None:
    decoded(version, parameters)
    decoded(version, [parameters] * 4)


def same_value(value: Any, before: Any) -> bool:
    """Whether both mean the same: 0x7 is 0x07."""
    if isinstance(value, str) and isinstance(before, str) and value.startswith("0x"):
        return value[2:].lower().lstrip("0") == before[2:].lower().lstrip("0")
    return bool(value == before)


@FUZZ
@given(data=st.data(), version=st.integers(1, 5))
def test_damaged_calls_give_an_error_or_do_not_fit(data: st.DataObject, version: int) -> None:
    parameters = parameters_of(version)
    place: Any = parameters
    while isinstance(place, list | dict) and place:
        keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], list | dict) or data.draw(st.booleans()):
            before, place[key] = place[key], data.draw(json_values)
            payload = decoded(version, parameters)
            assert (
                payload is None or payload.misfit or place[key] == before or payload.stated_hash == payload.header.hash
            )
            return
        place = place[key]


def flipped(at: int, by: int) -> bytes:
    changed = bytearray(BLOCKS[3])
    changed[at % len(changed)] ^= by
    return bytes(changed)


@FUZZ
@given(block=st.binary(max_size=80) | st.builds(flipped, st.integers(0), st.integers(1, 255)))
def test_any_block_is_written_or_refused(block: bytes) -> None:
    with contextlib.suppress(WitnessFormatError):
        version, parameters = engine_parameters(block)
        assert decode_engine_payload(version, parameters).header == decode_block_header(block)
