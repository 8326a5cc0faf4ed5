"""StatelessInput: there and back, against bytes laid out by hand, and any garbage an error of its own."""

import contextlib
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.witness.formats.test_engine_payload import parameters_of
from witness.errors import WitnessFormatError
from witness.file import encode_witness
from witness.formats.engine_payload import AMSTERDAM, decode_engine_payload
from witness.formats.stateless_ssz import decode_stateless_input, encode_stateless_input
from witness.model import Witness

WITNESS = Witness(state=[b"\x80", b"\xc1\x01"], codes=[b"\x00"], headers=[b"\xc2\x01\x02", b"\xc0"])
KEYS = [b"\x04" + b"\x09" * 64]
DEPOSIT = b"\x07" * 192


def parameters(*requests: bytes) -> list[Any]:
    found = parameters_of(AMSTERDAM)
    found[3] = [f"0x{each.hex()}" for each in requests]
    found[0]["blockHash"] = f"0x{decode_engine_payload(AMSTERDAM, found).header.hash.hex()}"
    return found


SAMPLE = encode_stateless_input(parameters(b"\x00" + DEPOSIT, b"\x04" + b"\x01" * 68), WITNESS, 5, KEYS)


def test_there_and_back() -> None:
    given_ = parameters(b"\x00" + DEPOSIT, b"\x04" + b"\x01" * 68)
    decoded = decode_stateless_input(SAMPLE)
    assert decoded.payload == decode_engine_payload(AMSTERDAM, given_)
    assert not decoded.payload.misfit
    assert decoded.chain_id == 5
    assert list(decoded.public_keys) == KEYS
    assert encode_witness(decoded.witness) == encode_witness(WITNESS)


def test_the_layout_of_the_specification() -> None:
    """Offsets and places as the container's definition gives them, written down here once more."""
    assert SAMPLE[:2] == b"\x15\x01"
    body = SAMPLE[2:]
    request, witness, chain_id, keys = struct.unpack_from("<IIQI", body)
    assert (request, chain_id) == (20, 5)
    assert body[witness:keys] == encode_witness(WITNESS)
    assert body[keys:] == KEYS[0]
    payload, hashes = struct.unpack_from("<II", body, request)
    assert payload == 44
    assert hashes > payload
    start = request + payload
    assert body[start : start + 32] == b"\x11" * 32  # parent_hash
    assert body[start + 52 : start + 84] == b"\x11" * 32  # state_root
    number, gas_limit, gas_used, timestamp, extra = struct.unpack_from("<QQQQI", body, start + 404)
    assert (number, gas_limit, gas_used, timestamp) == (7, 30_000_000, 0, 100)
    assert extra == 540  # the fixed part of a payload of Amsterdam
    assert body[start + 540 : start + 542] == b"hi"
    assert DEPOSIT in body


def test_the_earlier_container_for_the_chain() -> None:
    body = SAMPLE[2:]
    request, witness, chain_id, keys = struct.unpack_from("<IIQI", body)
    chain = struct.pack("<QI", chain_id, 12) + b"\x00" * 4
    offsets = struct.pack("<IIII", request - 4, witness - 4, keys - 4, keys - 4 + len(chain))
    earlier = b"\x15\x01" + offsets + body[20:keys] + chain + body[keys:]
    assert decode_stateless_input(earlier) == decode_stateless_input(SAMPLE)


@pytest.mark.parametrize("schema", [b"", b"\x15", b"\x00\x01", b"\x15\x02", b"\x16\x01"])
def test_other_schemas(schema: bytes) -> None:
    with pytest.raises(WitnessFormatError, match="schema"):
        decode_stateless_input(schema + (SAMPLE[2:] if len(schema) == 2 else b""))


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    for each in (data, b"\x15\x01" + data):
        with contextlib.suppress(WitnessFormatError):
            decode_stateless_input(each)


@given(data=st.data())
def test_any_damage(data: st.DataObject) -> None:
    damaged = bytearray(SAMPLE)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    for each in (bytes(damaged), bytes(damaged[:cut])):
        with contextlib.suppress(WitnessFormatError):
            decode_stateless_input(each)
