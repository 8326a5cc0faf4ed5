"""The state of one block over a partial trie: proves what is read, and computes the new root."""

from collections.abc import Mapping
from copy import copy
from typing import Any

from ethereum_types.numeric import U256, Uint

from witness.errors import EncodingError, WitnessInsufficientError
from witness.header import keccak256
from witness.model import Octets
from witness.rlp_encoding import encode_string
from witness.trie import EMPTY_ROOT, PartialTrie

from .account import decode_account, encode_account
from .overlay import ZERO, OverlayState, Storage

HASH_TEXT = 64  # hex digits of a hash


class TrieOverlay(OverlayState):
    """The overlay in proof mode. root: 32 bytes. nodes: RLP by keccak-256. The others as of OverlayState."""

    def __init__(
        self, root: bytes, nodes: Mapping[bytes, Octets], codes: Mapping[bytes, Octets], account_class: Any
    ) -> None:
        super().__init__(codes, account_class)
        self._nodes = nodes
        self._trie = PartialTrie(root, nodes)
        self._root = root
        self._hashes: dict[bytes, bytes] = {}

    def read_account(self, address: bytes) -> tuple[Uint, U256, bytes, bytes] | None:
        """See OverlayState."""
        leaf = self._read(self._trie, address, f"account 0x{address.hex()}")
        if leaf is None:
            return None
        try:
            return decode_account(leaf)
        except EncodingError as error:
            where = f"account 0x{address.hex()}: {error}"
            raise self.report(WitnessInsufficientError("node", self._root, where)) from None

    def read_value(self, storage: Storage, address: bytes, key: bytes) -> U256:
        """See OverlayState."""
        if storage.trie is None:
            storage.trie = PartialTrie(storage.root, self._nodes)
        where = f"storage of account 0x{address.hex()}, slot 0x{key.hex()}"
        leaf = self._read(storage.trie, key, where)
        return ZERO if leaf is None else self._decode_value(leaf, storage.root, where)

    def has_storage(self, address: bytes) -> bool:
        """See OverlayState."""
        storage = self._storage(address)
        if any(storage.values.values()):
            return True
        if storage.root == EMPTY_ROOT:
            return False
        zeroed = [key for key in storage.changed if not storage.values[key]]
        if not zeroed:
            return True
        remaining = copy(storage.trie) if storage.trie is not None else PartialTrie(storage.root, self._nodes)
        self._update(remaining, {self._hash(key): None for key in zeroed}, f"storage of account 0x{address.hex()}")
        return remaining.root() != EMPTY_ROOT

    def _decode_value(self, leaf: bytes, root: bytes, where: str) -> U256:
        payload = leaf if len(leaf) == 1 and leaf[0] < 0x80 else leaf[1:]
        if not payload or payload[0] == 0 or len(payload) > 32 or encode_string(payload) != leaf:
            raise self.report(WitnessInsufficientError("node", root, f"{where}: no integer"))
        return U256(int.from_bytes(payload, "big"))

    def root(self) -> bytes:
        """See OverlayState."""
        assert not self._marks
        changes: dict[bytes, bytes | None] = {}
        for address in self._changed:
            account = self.account(address)
            if account is None:
                changes[self._hash(address)] = None
            else:
                changes[self._hash(address)] = encode_account(account, self._storage_root(address))
        self._update(self._trie, changes, "accounts")
        self._changed.clear()
        return self._trie.root()

    def _storage_root(self, address: bytes) -> bytes:
        storage = self._storages[address]
        if storage.changed:
            if storage.trie is None:
                storage.trie = PartialTrie(storage.root, self._nodes)
            changes = {
                self._hash(key): encode_string(value.to_be_bytes()) if (value := storage.values[key]) else None
                for key in storage.changed
            }
            self._update(storage.trie, changes, f"storage of account 0x{address.hex()}")
            storage.root = storage.trie.root()
            storage.changed.clear()
        return storage.root

    def _hash(self, key: bytes) -> bytes:
        hash_ = self._hashes.get(key)
        if hash_ is None:
            hash_ = self._hashes[key] = keccak256(key)
        return hash_

    def _read(self, trie: PartialTrie, key: bytes, where: str) -> bytes | None:
        try:
            return trie.get(self._hash(key))
        except (WitnessInsufficientError, EncodingError) as error:
            raise self.report(_located(error, where)) from None

    def _update(self, trie: PartialTrie, changes: Mapping[bytes, bytes | None], where: str) -> None:
        try:
            trie.update(changes)
        except (WitnessInsufficientError, EncodingError) as error:
            raise self.report(_located(error, where)) from None


def _located(error: WitnessInsufficientError | EncodingError, where: str) -> WitnessInsufficientError:
    """The miss with its place; a malformed node is as good as a missing one."""
    if isinstance(error, WitnessInsufficientError):
        return WitnessInsufficientError(error.kind, error.hash, f"{where}, {error.where}")
    text = str(error)  # "trie node 0x… is malformed: …"
    start = text.find("0x") + 2
    return WitnessInsufficientError("node", bytes.fromhex(text[start : start + HASH_TEXT]), f"{where}: {text}")
