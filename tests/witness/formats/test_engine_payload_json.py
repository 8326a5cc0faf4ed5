"""Blocks as payloads: every field of the header and the body is in it."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.witness.examples import header_rlp
from tests.witness.formats.strategies import blocks, encoded_transaction, transactions, typed
from witness.errors import WitnessFormatError
from witness.formats.engine_payload_json import payload_parameters, requests_hash
from witness.header import FIELDS, decode_block_header, decode_header, keccak256
from witness.model import Header
from witness.rlp_encoding import Item, encode_integer, encode_item, encode_list
from witness.rlp_item import list_items

HASH = b"\x21" * 32
WITHDRAWAL: list[Item] = [b"\x01", b"\x02", b"\x44" * 20, b""]
ACCESS_LIST = b"\xc0"
LEGACY_FIELDS = 15


def header(fields: int, **values: bytes | int) -> bytes:
    """The RLP of a header with the first `fields` fields; further ones after the Shanghai ones are HASH or 9."""
    items = [bytes(decoded) for decoded in _strings(header_rlp(**values))][:fields]
    for name, length in FIELDS[len(items) : fields]:
        value = values.get(name, HASH if length == 32 else 9)
        items.append(encode_integer(value) if isinstance(value, int) else value)
    items += [encode_integer(77)] * (fields - len(items))  # EIP-7843's slot number
    return encode_item(list(items))


def _strings(encoded: bytes) -> list[bytes]:
    return [encoded[start:stop] for _, _, start, stop in list_items(encoded)]


def block(encoded_header: bytes, body: list[Item], withdrawals: list[Item] | None) -> bytes:
    parts: list[Item] = [body, []] if withdrawals is None else [body, [], withdrawals]
    return encode_list(encoded_header + b"".join(encode_item(part) for part in parts))


def header_of(payload: dict[str, Any], further: tuple[Any, ...]) -> dict[str, Any]:
    """The header's fields that a payload states, by their names here."""
    names = {
        "parentHash": "parent_hash", "feeRecipient": "coinbase", "stateRoot": "state_root",
        "receiptsRoot": "receipts_root", "logsBloom": "logs_bloom", "prevRandao": "mix_hash",
        "blockNumber": "number", "gasLimit": "gas_limit", "gasUsed": "gas_used", "timestamp": "timestamp",
        "extraData": "extra_data", "baseFeePerGas": "base_fee", "blockHash": "hash",
        "blobGasUsed": "blob_gas_used", "excessBlobGas": "excess_blob_gas",
    }  # fmt: skip
    stated = {names[name]: value for name, value in payload.items() if name in names}
    if len(further) > 1:
        stated["parent_beacon_block_root"] = further[1]
    return stated


def as_json(value: bytes | int | None) -> str:
    assert value is not None
    return hex(value) if isinstance(value, int) else f"0x{value.hex()}"


@given(
    st.sampled_from([16, 17, 20, 21]),
    st.lists(transactions, max_size=4),
    st.binary(max_size=32),
    st.integers(0, 2**64 - 1),
)
def test_every_field_is_in_it(fields: int, body: list[Item], extra: bytes, gas_used: int) -> None:
    encoded = header(fields, number=3, extra_data=extra, gas_used=gas_used, state_root=b"\x31" * 32)
    withdrawals: list[Item] | None = [WITHDRAWAL] if fields > 16 else None
    parameters = payload_parameters(block(encoded, body, withdrawals))
    decoded: Header = decode_header(encoded)
    assert parameters.version == {16: 1, 17: 2, 20: 3, 21: 4}[fields]
    assert len(parameters.further) == {16: 0, 17: 0, 20: 2, 21: 3}[fields]
    for name, value in header_of(parameters.payload, parameters.further).items():
        assert value == as_json(getattr(decoded, name)), name
    assert parameters.payload["transactions"] == [as_json(encoded_transaction(item)) for item in body]
    if withdrawals:
        expected = {"index": "0x1", "validatorIndex": "0x2", "address": "0x" + "44" * 20, "amount": "0x0"}
        assert parameters.payload["withdrawals"] == [expected]
    else:
        assert "withdrawals" not in parameters.payload


@given(st.lists(typed[3], max_size=3))
def test_blob_hashes_stand_beside_the_payload_in_order(blob_transactions: list[list[Item]]) -> None:
    body: list[Item] = [b"\x03" + encode_item(items) for items in blob_transactions]
    hashes = [as_json(each) for items in blob_transactions for each in items[10]]  # type: ignore[arg-type]
    assert payload_parameters(block(header(20), body, [])).further[0] == hashes


def test_requests_must_be_those_of_the_header() -> None:
    requests = [b"\x00deposit", b"\x01"]  # the second has no data: it does not count
    digest = hashlib.sha256(hashlib.sha256(b"\x00deposit").digest()).digest()
    assert requests_hash(requests) == digest
    encoded = block(header(21, requests_hash=digest), [], [])
    assert payload_parameters(encoded, requests).further[2] == ["0x00" + b"deposit".hex()]
    assert payload_parameters(encoded).further[2] == []  # not known
    with pytest.raises(WitnessFormatError, match="requests hash"):
        payload_parameters(encoded, [])


def test_amsterdam_needs_its_access_list() -> None:
    encoded = block(header(23, block_access_list_hash=keccak256(ACCESS_LIST)), [], [])
    parameters = payload_parameters(encoded, access_list=ACCESS_LIST)
    assert parameters.version == 5
    assert (parameters.payload["blockAccessList"], parameters.payload["slotNumber"]) == ("0xc0", hex(77))
    with pytest.raises(WitnessFormatError, match="needs the block access list"):
        payload_parameters(encoded)
    with pytest.raises(WitnessFormatError, match="header's hash"):
        payload_parameters(encoded, access_list=b"\xc1\x01")
    without_slot = block(header(22, block_access_list_hash=keccak256(ACCESS_LIST)), [], [])
    with pytest.raises(WitnessFormatError, match="no slot number"):
        payload_parameters(without_slot, access_list=ACCESS_LIST)


@given(blocks())
def test_a_block_before_paris_is_none(encoded: bytes) -> None:
    decoded = decode_block_header(encoded)
    if decoded.difficulty or decoded.uncles_hash != keccak256(b"\xc0"):
        with pytest.raises(WitnessFormatError, match="before Paris"):
            payload_parameters(encoded)
    else:
        assert payload_parameters(encoded).version == 2


@given(blocks(), st.data())
def test_damage_is_an_error_or_another_block(encoded: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(encoded) - 1))
    damaged = encoded[:at] + bytes([data.draw(st.integers(0, 255))]) + encoded[at + 1 :]
    for each in (damaged, encoded[:at]):
        try:
            parameters = payload_parameters(each)
        except WitnessFormatError:
            continue
        assert parameters.payload["blockHash"] == as_json(decode_block_header(each).hash)
