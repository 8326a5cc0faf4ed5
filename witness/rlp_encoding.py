"""RLP out of byte strings and lists (yellow paper, appendix B). `rlp_item` is the way back."""

from typing import TypeAlias

from .model import Octets

Item: TypeAlias = "Octets | list[Item]"


def _prefixed(payload: bytes, short: int, long: int) -> bytes:
    """`payload` behind its RLP prefix: 0x80 and 0xb7 for strings, 0xc0 and 0xf7 for lists."""
    if len(payload) < 56:
        return bytes([short + len(payload)]) + payload
    length = len(payload).to_bytes((len(payload).bit_length() + 7) // 8, "big")
    return bytes([long + len(length)]) + length + payload


def encode_string(value: Octets) -> bytes:
    """The RLP of a byte string."""
    octets = bytes(value)
    return octets if len(octets) == 1 and octets[0] < 0x80 else _prefixed(octets, 0x80, 0xB7)


def encode_list(payload: bytes) -> bytes:
    """The RLP of a list whose items' encodings, end to end, are `payload`."""
    return _prefixed(payload, 0xC0, 0xF7)


def encode_integer(value: int) -> bytes:
    """The big-endian bytes of a non-negative integer without leading zeros, as RLP wants it: a string, not yet RLP."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def encode_item(item: Item) -> bytes:
    """The RLP of byte strings in nested lists."""
    if isinstance(item, bytes | memoryview):
        return encode_string(item)
    return encode_list(b"".join([encode_item(element) for element in item]))
