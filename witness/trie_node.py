"""Nodes of a Merkle-Patricia trie: decoded once, references to other nodes followed only on demand.

A path is `bytes` with one nibble (0 to 15) a byte. Source: yellow paper, appendix D. Strict: whatever no honest trie
contains is refused (a branch with fewer than two entries, an extension of nothing, an embedded node of 32 bytes).
"""

from typing import TypeAlias, Union

from .errors import EncodingError
from .header import HASH_LENGTH, keccak256
from .model import Octets
from .rlp_encoding import encode_list, encode_string
from .rlp_item import item_span

EMPTY_STRING = b"\x80"  # the RLP of the empty string: an absent child or value
HASH_PREFIX = 0xA0  # the RLP prefix of a string of 32 bytes
REFERENCE_LENGTH = 1 + HASH_LENGTH  # the RLP of a hash, in bytes
WIDTH = 16  # children of a branch
TERMINATOR = 2  # flag of the hex-prefix encoding: the path ends in a value
ODD = 1  # flag of the hex-prefix encoding: the first nibble stands in the flag's byte

_DIGITS = b"0123456789abcdef"
_TO_NIBBLES = bytes.maketrans(_DIGITS, bytes(range(16)))
_TO_DIGITS = bytes.maketrans(bytes(range(16)), _DIGITS)

Node: TypeAlias = Union["Branch", "Extension", "Leaf"]
Child: TypeAlias = Node | bytes | int | None
"""What a branch holds for a nibble: a node; its hash; the position of its hash's RLP in `Branch.encoded`; nothing."""


class Branch:
    """`children`: 16 entries. `reference`: the RLP by which a parent names this node; None until computed."""

    __slots__ = ("children", "encoded", "reference", "value")

    def __init__(
        self, children: list[Child], value: Octets | None, encoded: Octets = b"", reference: bytes | None = None
    ) -> None:
        self.children = children
        self.value = value
        self.encoded = encoded
        self.reference = reference

    def with_child(self, index: int, child: Child) -> "Branch":
        """A copy with another child at `index`."""
        children = self.children.copy()
        children[index] = child
        return Branch(children, self.value, self.encoded)

    def with_value(self, value: Octets | None) -> "Branch":
        """A copy with another value, which belongs to the key that ends here."""
        return Branch(self.children.copy(), value, self.encoded)

    def hash_at(self, position: int) -> bytes:
        """The hash whose RLP stands at `position` of the encoding."""
        return bytes(self.encoded[position + 1 : position + REFERENCE_LENGTH])


class Extension:
    """`path`, at least one nibble, leads to `child`, a branch or its hash."""

    __slots__ = ("child", "path", "reference")

    def __init__(self, path: bytes, child: Node | bytes, reference: bytes | None = None) -> None:
        self.path = path
        self.child = child
        self.reference = reference


class Leaf:
    """`path`, the rest of the key, leads to `value`, which is not empty."""

    __slots__ = ("path", "reference", "value")

    def __init__(self, path: bytes, value: Octets, reference: bytes | None = None) -> None:
        self.path = path
        self.value = value
        self.reference = reference


def to_nibbles(key: Octets) -> bytes:
    """The nibbles of `key`, one a byte, high half first."""
    return key.hex().encode().translate(_TO_NIBBLES)


def nibbles_text(path: bytes) -> str:
    """The nibbles of `path` as hexadecimal digits."""
    return path.translate(_TO_DIGITS).decode()


def _decode_path(prefixed: Octets) -> tuple[bytes, bool]:
    """The path in its hex-prefix encoding, and whether it ends in a value."""
    nibbles = to_nibbles(prefixed)
    if not nibbles or nibbles[0] > (TERMINATOR | ODD):
        raise EncodingError("path has a wrong hex-prefix flag")
    flag = nibbles[0]
    if flag & ODD:
        return nibbles[1:], bool(flag & TERMINATOR)
    if nibbles[1]:
        raise EncodingError("path has wrong hex-prefix padding")
    return nibbles[2:], bool(flag & TERMINATOR)


def _encode_path(path: bytes, *, terminated: bool) -> bytes:
    flag = TERMINATOR if terminated else 0
    prefix = bytes([flag | ODD]) if len(path) % 2 else bytes([flag, 0])
    return bytes.fromhex(nibbles_text(prefix + path))


def decode_node(encoded: Octets) -> Node:
    """The node whose RLP is `encoded`; embedded nodes are decoded with it, hashes stay hashes.

    Raises EncodingError if it is not the canonical encoding of a node.
    """
    is_list, at, end = item_span(encoded, 0, len(encoded))
    if not is_list or end != len(encoded):
        raise EncodingError("node is not exactly one RLP list")
    starts = []
    while at < end:
        starts.append(at)
        prefix = encoded[at]
        if prefix == HASH_PREFIX:
            at += REFERENCE_LENGTH
        elif prefix == 0x80:
            at += 1
        else:
            at = item_span(encoded, at, end)[2]
    if at != end:
        raise EncodingError("node ends within a hash")
    if len(starts) == WIDTH + 1:
        return _decode_branch(encoded, starts)
    if len(starts) == 2:
        return _decode_short(encoded, starts[1])
    raise EncodingError(f"node has {len(starts)} items, 2 or {WIDTH + 1} expected")


def _decode_branch(encoded: Octets, starts: list[int]) -> Branch:
    children: list[Child] = []
    occupied = 0
    for index in range(WIDTH):
        start = starts[index]
        prefix = encoded[start]
        if prefix == 0x80:
            children.append(None)
            continue
        occupied += 1
        children.append(start if prefix == HASH_PREFIX else _decode_embedded(encoded[start : starts[index + 1]]))
    nested, start, stop = item_span(encoded, starts[WIDTH], len(encoded))
    if nested:
        raise EncodingError("value of a branch is a list")
    value = encoded[start:stop] if stop > start else None
    if occupied + (value is not None) < 2:
        raise EncodingError("branch has fewer than two entries")
    return Branch(children, value, encoded)


def _decode_embedded(encoded: Octets) -> Node:
    if encoded[0] < 0xC0:
        raise EncodingError("child is neither empty, a hash nor an embedded node")
    if len(encoded) >= HASH_LENGTH:
        raise EncodingError(f"embedded node has {len(encoded)} bytes, fewer than {HASH_LENGTH} expected")
    node = decode_node(encoded)
    node.reference = bytes(encoded)
    return node


def _decode_short(encoded: Octets, second: int) -> Extension | Leaf:
    _, first, _ = item_span(encoded, 0, len(encoded))
    nested, start, stop = item_span(encoded, first, second)
    if nested:
        raise EncodingError("path is a list")
    path, terminated = _decode_path(encoded[start:stop])
    nested, start, stop = item_span(encoded, second, len(encoded))
    if terminated:
        if nested or start == stop:
            raise EncodingError("value of a leaf is a list or empty")
        return Leaf(path, encoded[start:stop])
    if not path:
        raise EncodingError("extension has an empty path")
    if encoded[second] == HASH_PREFIX:
        return Extension(path, bytes(encoded[start:stop]))
    child = _decode_embedded(encoded[second:])
    if not isinstance(child, Branch):
        raise EncodingError("extension leads to something else than a branch")
    return Extension(path, child)


def _encode_child(branch: Branch, child: Child) -> Octets:
    if child is None:
        return EMPTY_STRING
    if isinstance(child, int):
        return branch.encoded[child : child + REFERENCE_LENGTH]
    if isinstance(child, bytes):
        return bytes([HASH_PREFIX]) + child
    return node_reference(child)


def _encode_node(node: Node) -> bytes:
    if isinstance(node, Branch):
        items = [_encode_child(node, child) for child in node.children]
        items.append(EMPTY_STRING if node.value is None else encode_string(node.value))
        return encode_list(b"".join(items))
    if isinstance(node, Leaf):
        return encode_list(encode_string(_encode_path(node.path, terminated=True)) + encode_string(node.value))
    child = bytes([HASH_PREFIX]) + node.child if isinstance(node.child, bytes) else node_reference(node.child)
    return encode_list(encode_string(_encode_path(node.path, terminated=False)) + child)


def node_reference(node: Node) -> bytes:
    """The RLP by which a parent names `node`: the node itself if shorter than 32 bytes, else that of its hash."""
    if node.reference is None:
        encoded = _encode_node(node)
        short = len(encoded) < HASH_LENGTH
        node.reference = encoded if short else bytes([HASH_PREFIX]) + keccak256(encoded)
    return node.reference
