"""A Merkle-Patricia trie of which only some nodes are known: proves reads, takes updates, computes the new root.

An answer is given only where the nodes at hand prove it; otherwise the node that is missing is named.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from .errors import EncodingError, WitnessInsufficientError
from .header import HASH_LENGTH, keccak256
from .model import Octets
from .rlp_encoding import encode_integer, encode_string
from .trie_node import (
    EMPTY_STRING,
    REFERENCE_LENGTH,
    Branch,
    Child,
    Extension,
    Leaf,
    Node,
    decode_node,
    nibbles_text,
    node_reference,
    to_nibbles,
)

EMPTY_ROOT = keccak256(EMPTY_STRING)
MAX_KEY_LENGTH = 64  # bytes; bounds the depth of recursion. Keys of Ethereum's tries have at most 32


class NodeSource(Protocol):
    """Nodes by hash: a mapping, or whatever else can be asked for one."""

    def get(self, hash_: bytes, /) -> Octets | None:
        """The RLP of the node with this keccak-256; None if it is not there."""


def nodes_by_hash(state: Iterable[Octets]) -> dict[bytes, Octets]:
    """The trie nodes of a witness under their keccak-256, as PartialTrie takes them. Nothing is decoded or copied."""
    return {keccak256(node): node for node in state}


def list_root(values: Sequence[Octets]) -> bytes:
    """The root of the trie that maps the RLP of each index to the value there: transactions, receipts, withdrawals.

    Source: yellow paper 4.3.2. The values must not be empty.
    """
    trie = PartialTrie(EMPTY_ROOT, {})
    trie.update({encode_string(encode_integer(index)): bytes(value) for index, value in enumerate(values)})
    return trie.root()


class PartialTrie:
    """The trie with the given root hash, over a set of nodes that need not be complete.

    root: 32 bytes. nodes: RLP of nodes under their keccak-256, which the caller has computed itself: it is not computed
    again here. Further nodes, of this or other tries, do no harm, and none is decoded before it is needed. Keys are
    used as they are: state and storage tries want keccak-256 of the address or slot.

    Every method raises WitnessInsufficientError where a node is missing (`where`: the path in nibbles that leads to
    it), and EncodingError, naming the hash, where the bytes under a hash are no well-formed node. Both say that the
    witness is at fault, nothing about the block. Not safe for concurrent use while it is updated.
    """

    def __init__(self, root: bytes, nodes: NodeSource) -> None:
        if len(root) != HASH_LENGTH:
            raise ValueError(f"root has {len(root)} bytes, {HASH_LENGTH} expected")
        self._nodes = nodes
        self._root: Node | bytes | None = None if root == EMPTY_ROOT else bytes(root)

    def get(self, key: bytes) -> bytes | None:
        """The value at `key`; None if its absence is proven."""
        path = _path(key)
        node, at = self._load_root(), 0
        while node is not None:
            if isinstance(node, Branch):
                if at == len(path):
                    return None if node.value is None else bytes(node.value)
                node = self._load_child(node, path[at], path[:at])
                at += 1
            elif isinstance(node, Leaf):
                return bytes(node.value) if node.path == path[at:] else None
            else:
                if not path.startswith(node.path, at):
                    return None
                at += len(node.path)
                node = self._load_extended(node, path[:at])
        return None

    def update(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Sets the value at each key, or deletes the key where the value is None or empty.

        Puts are done before deletes, whatever the mapping's order: a branch that loses one entry and gains another
        never collapses, so its sibling, which the witness need not hold, is not asked for. If this raises, the trie
        is unchanged.
        """
        if not changes:
            return
        root = self._load_root()
        deletions = []
        for key, value in changes.items():
            if value:
                root = self._put(root, _path(key), 0, bytes(value))
            else:
                deletions.append(_path(key))
        for path in deletions:
            root = None if root is None else self._delete(root, path, 0)
        self._root = root

    def root(self) -> bytes:
        """The root hash, 32 bytes. Only nodes changed since it was last asked for are hashed."""
        if self._root is None:
            return EMPTY_ROOT
        if isinstance(self._root, bytes):
            return self._root
        reference = node_reference(self._root)
        return reference[1:] if len(reference) == REFERENCE_LENGTH else keccak256(reference)

    def _load_root(self) -> Node | None:
        if isinstance(self._root, bytes):
            self._root = self._load(self._root, b"")
        return self._root

    def _load(self, hash_: bytes, path: bytes) -> Node:
        encoded = self._nodes.get(hash_)
        if encoded is None:
            where = f"path {nibbles_text(path)}" if path else "root"
            raise WitnessInsufficientError("node", hash_, where)
        try:
            if len(encoded) < HASH_LENGTH and path:
                raise EncodingError(f"{len(encoded)} bytes named by hash and not embedded")
            node = decode_node(encoded)
        except EncodingError as error:
            raise EncodingError(f"trie node 0x{hash_.hex()} is malformed: {error}") from None
        node.reference = b"\xa0" + hash_ if len(encoded) >= HASH_LENGTH else bytes(encoded)
        return node

    def _load_child(self, branch: Branch, index: int, path: bytes) -> Node | None:
        """The child at a nibble of the branch to which `path` leads, kept for the next time."""
        child = branch.children[index]
        if child is None or isinstance(child, Branch | Extension | Leaf):
            return child
        hash_ = child if isinstance(child, bytes) else branch.hash_at(child)
        node = self._load(hash_, path + bytes([index]))
        branch.children[index] = node
        return node

    def _load_extended(self, extension: Extension, path: bytes) -> Branch:
        """The branch behind an extension; `path` leads to that branch."""
        child = extension.child
        if isinstance(child, bytes):
            extension.child = self._load(child, path)
            if not isinstance(extension.child, Branch):
                extension.child = child
                raise EncodingError(f"trie node 0x{child.hex()} is malformed: no branch, behind an extension")
            child = extension.child
        assert isinstance(child, Branch)
        return child

    def _put(self, node: Node | None, path: bytes, at: int, value: bytes) -> Node:
        if node is None:
            return Leaf(path[at:], value)
        if isinstance(node, Branch):
            if at == len(path):
                return node if node.value == value else node.with_value(value)
            child = self._load_child(node, path[at], path[:at])
            changed = self._put(child, path, at + 1, value)
            return node if changed is child else node.with_child(path[at], changed)
        common = _common_length(node.path, path, at)
        if common == len(node.path):
            if isinstance(node, Extension):
                below = self._load_extended(node, path[: at + common])
                changed = self._put(below, path, at + common, value)
                return node if changed is below else Extension(node.path, changed)
            if at + common == len(path):
                return node if node.value == value else Leaf(node.path, value)
        branch = _split(node, common)
        put = self._put(branch, path, at + common, value)
        return Extension(node.path[:common], put) if common else put

    def _delete(self, node: Node, path: bytes, at: int) -> Node | None:
        if isinstance(node, Leaf):
            return None if node.path == path[at:] else node
        if isinstance(node, Extension):
            if not path.startswith(node.path, at):
                return node
            at += len(node.path)
            below = self._load_extended(node, path[:at])
            changed = self._delete(below, path, at)
            assert changed is not None  # a branch has two entries, so one is left
            return node if changed is below else _lengthened(node.path, changed)
        if at == len(path):
            return node if node.value is None else self._collapsed(node.with_value(None), path)
        child = self._load_child(node, path[at], path[:at])
        if child is None:
            return node
        changed = self._delete(child, path, at + 1)
        if changed is child:
            return node
        branch = node.with_child(path[at], changed)
        return branch if changed is not None else self._collapsed(branch, path[:at])

    def _collapsed(self, branch: Branch, path: bytes) -> Node:
        """The canonical form of a branch that has lost an entry."""
        left = [index for index, child in enumerate(branch.children) if child is not None]
        if len(left) + (branch.value is not None) > 1:
            return branch
        if branch.value is not None:
            return Leaf(b"", branch.value)
        child = self._load_child(branch, left[0], path)
        assert child is not None
        return _lengthened(bytes(left), child)


def _path(key: bytes) -> bytes:
    if len(key) > MAX_KEY_LENGTH:
        raise ValueError(f"key of {len(key)} bytes, at most {MAX_KEY_LENGTH} are supported")
    return to_nibbles(key)


def _common_length(path: bytes, other: bytes, at: int) -> int:
    length = min(len(path), len(other) - at)
    for index in range(length):
        if path[index] != other[at + index]:
            return index
    return length


def _split(node: Extension | Leaf, at: int) -> Branch:
    """A branch with the one entry that `node` holds beyond `at` nibbles of its path; it is about to gain another."""
    children: list[Child] = [None] * 16
    rest = node.path[at:]
    if isinstance(node, Leaf):
        if not rest:
            return Branch(children, node.value)
        children[rest[0]] = Leaf(rest[1:], node.value)
    else:
        children[rest[0]] = Extension(rest[1:], node.child) if len(rest) > 1 else node.child
    return Branch(children, None)


def _lengthened(prefix: bytes, node: Node) -> Node:
    """`node` reached by a path longer by `prefix`, without two extensions or an extension and a leaf in a row."""
    if isinstance(node, Leaf):
        return Leaf(prefix + node.path, node.value)
    if isinstance(node, Extension):
        return Extension(prefix + node.path, node.child)
    return Extension(prefix, node)
