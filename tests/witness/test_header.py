"""Headers against the `rlp` package, which decodes them with a description of its own."""

from pathlib import Path

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from tests.witness.examples import LEGACY, block_rlp, header_rlp
from tests.witness.real_data import real_blocks
from witness.errors import EncodingError
from witness.formats import load
from witness.header import FIELDS, QUANTITY, block_header_rlp, decode_block_header, decode_header, keccak256
from witness.rlp_encoding import encode_integer, encode_item, encode_list, encode_string
from witness.rlp_item import item_span, list_items

SEDES = [rlp.sedes.big_endian_int if length == QUANTITY else rlp.sedes.binary for _, length in FIELDS]

nested = st.recursive(st.binary(max_size=70), lambda children: st.lists(children, max_size=6), max_leaves=30)


@st.composite
def headers(draw: st.DrawFn) -> list[bytes]:
    """The fields of a header of any fork, as byte strings."""
    count = draw(st.integers(15, len(FIELDS) + 2))
    fields = []
    for index in range(count):
        length = FIELDS[index][1] if index < len(FIELDS) else -1
        if length == QUANTITY:
            fields.append(encode_integer(draw(st.integers(0, 2**256 - 1))))
        else:
            fields.append(draw(st.binary(max_size=40) if length < 0 else st.binary(min_size=length, max_size=length)))
    return fields


@given(headers())
def test_decodes_like_the_rlp_package(fields: list[bytes]) -> None:
    encoded = rlp.encode(fields)
    header = decode_header(memoryview(encoded))
    known = min(len(fields), len(FIELDS))
    expected = rlp.decode(rlp.encode(fields[:known]), rlp.sedes.List(SEDES[:known]))
    assert [getattr(header, name) for name, _ in FIELDS[:known]] == list(expected)
    assert all(getattr(header, name) is None for name, _ in FIELDS[known:])
    assert header.unknown_fields == max(0, len(fields) - len(FIELDS))
    assert header.hash == keccak256(encoded)


@given(headers(), st.data())
def test_a_field_of_the_wrong_length_is_refused_and_named(fields: list[bytes], data: st.DataObject) -> None:
    fixed = [index for index, (_, length) in enumerate(FIELDS[: len(fields)]) if length > 0]
    index = data.draw(st.sampled_from(fixed))
    fields[index] = data.draw(st.binary(max_size=300).filter(lambda value: len(value) != FIELDS[index][1]))
    with pytest.raises(EncodingError, match=FIELDS[index][0]):
        decode_header(rlp.encode(fields))


@given(headers(), st.data())
def test_a_quantity_with_leading_zeros_is_refused(fields: list[bytes], data: st.DataObject) -> None:
    quantities = [index for index, (_, length) in enumerate(FIELDS[: len(fields)]) if length == QUANTITY]
    index = data.draw(st.sampled_from(quantities))
    fields[index] = b"\0" + fields[index]
    with pytest.raises(EncodingError, match=f"{FIELDS[index][0]} has leading zeros"):
        decode_header(rlp.encode(fields))


def test_a_list_in_the_place_of_a_field_and_missing_fields_are_refused() -> None:
    items = rlp.decode(header_rlp())
    for index in range(len(items)):
        with pytest.raises(EncodingError, match="is a list"):
            decode_header(rlp.encode([*items[:index], [], *items[index + 1 :]]))
    for count in range(15):
        with pytest.raises(EncodingError, match=f"{count} fields"):
            decode_header(rlp.encode(items[:count]))


def test_the_header_within_a_block() -> None:
    header = header_rlp(number=5)
    block = block_rlp(header, [LEGACY])
    assert block_header_rlp(block) == header
    assert decode_block_header(memoryview(block)).number == 5
    for wrong in (b"", b"\x80", b"\xc0", b"\xc1\x80", block + b"\0", block[:-1]):
        with pytest.raises(EncodingError):
            decode_block_header(wrong)


@pytest.mark.parametrize("path", real_blocks(), ids=lambda path: path.name)
def test_real_headers(path: Path) -> None:
    for content in load(path):
        header = decode_block_header(content.block)
        fields = rlp.decode(bytes(content.block))[0]
        assert header.hash == content.hash == keccak256(rlp.encode(fields))
        assert header.state_root == fields[3]
        assert header.timestamp == int.from_bytes(fields[11], "big")


# The codec under the headers.


@given(nested)
def test_encodes_like_the_rlp_package(item: list[object] | bytes) -> None:
    assert encode_item(item) == rlp.encode(item)  # type: ignore[arg-type]


@pytest.mark.parametrize("length", [0, 1, 2, 55, 56, 57, 255, 256, 65535, 65536])
def test_lengths_at_their_bounds(length: int) -> None:
    payload = b"\x7f" * length
    assert encode_string(payload) == rlp.encode(payload)
    assert encode_list(payload) == rlp.encode([b"\x7f"] * length)
    assert item_span(encode_string(payload), 0, len(encode_string(payload)))[1:][1] == len(encode_string(payload))


@given(st.integers(0, 2**300))
def test_integers(value: int) -> None:
    assert encode_string(encode_integer(value)) == rlp.encode(value)


def spans(data: bytes) -> list[object]:
    return [
        spans(data[at:stop]) if is_list else bytes(data[start:stop]) for is_list, at, start, stop in list_items(data)
    ]


@given(st.one_of(st.binary(max_size=80), nested.map(rlp.encode)), st.data())
def test_reads_and_refuses_what_the_rlp_package_does(data: bytes, draw: st.DataObject) -> None:
    """Also when a byte is changed: strictness is the same."""
    if data and draw.draw(st.booleans()):
        at = draw.draw(st.integers(0, len(data) - 1))
        data = data[:at] + bytes([draw.draw(st.integers(0, 255))]) + data[at + 1 :]
    try:
        expected = rlp.decode(data)
    except rlp.DecodingError:
        expected = None
    try:
        found: object = spans(data)
    except EncodingError:
        found = None
    assert found == (expected if isinstance(expected, list) else None)


@pytest.mark.parametrize(
    "data",
    [
        b"\xc2\x81\x05",  # a byte below 0x80 with a prefix
        b"\xc3\xb8\x01\x80",  # a long form for a short string
        b"\xf8\x37" + b"\x80" * 55,  # a long form for a short list
        b"\xf9\x00\x38" + b"\x80" * 56,  # a length with a leading zero
        encode_list(b"\xb9\x00\x38" + b"\x80" * 56),
        b"\xc2\x80",  # truncated
        b"\xc1\x80\x80",  # something after it
        b"\xf8",  # a length that is not there
        b"\xc1\xb8",
    ],
)
def test_what_is_not_canonical_is_refused_as_the_rlp_package_does(data: bytes) -> None:
    with pytest.raises(EncodingError):
        spans(data)
    with pytest.raises(rlp.DecodingError):
        rlp.decode(data)
