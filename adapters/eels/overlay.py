"""The state of one block: a journaled overlay over its source, with the functions of the specification's `state`.

The specification copies all tries at every call frame. Here writes go to dictionaries, a journal undoes them, and the
source is only asked for what is read: a partial trie (`trie_overlay`) or a prestate section (`prestate_overlay`).
Nothing is read as absent or zero unless the source says so.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from ethereum_types.bytes import Bytes32
from ethereum_types.numeric import U256, Uint

from witness.errors import WitnessInsufficientError
from witness.model import Octets
from witness.trie import EMPTY_ROOT, PartialTrie

from .account import EMPTY_CODE_HASH, MissingCode, load_code

ZERO = U256(0)


class Storage:
    """One account's storage. `values` holds what was read or written; `changed` the keys not yet in the trie.

    root: before this block, or the empty one where all was deleted in it; the trie overlay moves it on. trie: the trie
    overlay's own.
    """

    __slots__ = ("changed", "root", "trie", "values")

    def __init__(self, root: bytes) -> None:
        self.root = root
        self.trie: PartialTrie | None = None
        self.values: dict[bytes, U256] = {}
        self.changed: set[bytes] = set()


class OverlayState(ABC):
    """The accounts and storages of one block. Not reused for another.

    codes: by keccak-256. account_class: the fork's `Account`. Everything that is missing is raised as
    WitnessInsufficientError and kept in `misses`.
    """

    def __init__(self, codes: Mapping[bytes, Octets], account_class: Any) -> None:
        self.created_accounts: set[bytes] = set()
        self.misses: list[WitnessInsufficientError] = []
        self._codes = codes
        self._code_objects: dict[bytes, Any] = {}
        self._account_class = account_class
        self._accounts: dict[bytes, Any] = {}
        self._changed: set[bytes] = set()
        self._storages: dict[bytes, Storage] = {}
        self._journal: list[Callable[[], None]] = []
        self._marks: list[int] = []
        self._originals: dict[tuple[bytes, bytes], U256] = {}

    # The source

    @abstractmethod
    def read_account(self, address: bytes) -> tuple[Uint, U256, bytes, bytes] | None:
        """Nonce, balance (wei), storage root and code hash before the block; None if there certainly is none.

        Raises WitnessInsufficientError, reported.
        """

    @abstractmethod
    def read_value(self, storage: Storage, address: bytes, key: bytes) -> U256:
        """The slot's value in a storage whose root is not the empty one, 0 where that is certain.

        Raises WitnessInsufficientError, reported.
        """

    @abstractmethod
    def has_storage(self, address: bytes) -> bool:
        """Whether any slot is not 0. Raises WitnessInsufficientError, reported."""

    @abstractmethod
    def root(self) -> bytes:
        """The state root with everything written so far; zeros where the source has none. Only outside of frames."""

    # Transactions in the specification's sense: nested, all but the outermost are call frames.

    def begin(self) -> None:
        """Opens a frame."""
        if not self._marks:
            self._originals.clear()
        self._marks.append(len(self._journal))

    def commit(self) -> None:
        """Keeps the innermost frame's writes."""
        self._marks.pop()
        if not self._marks:
            self._journal.clear()
            self.created_accounts.clear()

    def rollback(self) -> None:
        """Undoes the innermost frame's writes."""
        mark = self._marks.pop()
        while len(self._journal) > mark:
            self._journal.pop()()
        if not self._marks:
            self.created_accounts.clear()

    # Accounts

    def account(self, address: bytes) -> Any:
        """The account, or None where it is proven that there is none."""
        try:
            return self._accounts[address]
        except KeyError:
            return self._load_account(address)

    def set_account(self, address: bytes, account: Any) -> None:
        """Sets or (None) deletes an account; its storage stays as it is."""
        old = self.account(address)
        self._changed.add(address)
        if self._marks:
            self._journal.append(lambda: self._accounts.__setitem__(address, old))
        self._accounts[address] = account

    def _load_account(self, address: bytes) -> Any:
        found = self.read_account(address)
        account, root = None, EMPTY_ROOT
        if found is not None:
            nonce, balance, root, code_hash = found
            account = self._account_class(nonce=nonce, balance=balance, code=self._code(code_hash, address))
        self._accounts[address] = account
        self._storages.setdefault(address, Storage(root))
        return account

    def _code(self, hash_: bytes, address: bytes) -> Any:
        if hash_ == EMPTY_CODE_HASH:
            return b""
        code = self._code_objects.get(hash_)
        if code is None:
            code = load_code(self._codes, hash_)
            if code is None:
                return MissingCode(hash_, address, self.report)
            self._code_objects[hash_] = code
        return code

    # Storage

    def _storage(self, address: bytes) -> Storage:
        if address not in self._storages:
            self._load_account(address)
        return self._storages[address]

    def value(self, address: bytes, key: bytes) -> U256:
        """The value in a slot, 0 where it is proven to be absent."""
        storage = self._storage(address)
        value = storage.values.get(key)
        if value is None:
            value = self._load_value(storage, address, key)
        return value

    def set_value(self, address: bytes, key: bytes, value: U256) -> None:
        """Sets a slot; 0 deletes it."""
        storage = self._storage(address)
        old = storage.values.get(key)
        if old is None:
            old = self._load_value(storage, address, key)
        if self._marks:
            self._originals.setdefault((address, key), old)
            self._journal.append(lambda: storage.values.__setitem__(key, old))
        storage.values[key] = value
        storage.changed.add(key)
        self._changed.add(address)

    def original_value(self, address: bytes, key: bytes) -> U256:
        """The value before the outermost frame was opened; 0 for an account created since."""
        if address in self.created_accounts:
            return ZERO
        original = self._originals.get((address, key))
        return self.value(address, key) if original is None else original

    def destroy_storage(self, address: bytes) -> None:
        """Empties an account's storage."""
        old = self._storage(address)
        if old.root == EMPTY_ROOT and not old.values:
            return
        if self._marks:
            # What the slots held before the outermost frame is still asked for after a nested creation and rollback.
            for key, value in old.values.items():
                self._originals.setdefault((address, key), value)
            self._journal.append(lambda: self._storages.__setitem__(address, old))
        self._storages[address] = Storage(EMPTY_ROOT)
        self._changed.add(address)

    def _load_value(self, storage: Storage, address: bytes, key: bytes) -> U256:
        value = ZERO if storage.root == EMPTY_ROOT else self.read_value(storage, address, key)
        storage.values[key] = value
        return value

    def report(self, error: WitnessInsufficientError) -> WitnessInsufficientError:
        """Keeps the miss, and gives it back to be raised."""
        self.misses.append(error)
        return error


def state_functions(state_module: Any) -> dict[str, Any]:
    """The functions that take the place of those in a fork's `state` module, as far as it has them."""
    functions: dict[str, Any] = {
        "State": OverlayState,
        "close_state": lambda state: None,  # noqa: ARG005 - the specification's signature
        "get_account_optional": OverlayState.account,
        "set_account": OverlayState.set_account,
        "destroy_storage": OverlayState.destroy_storage,
        "mark_account_created": lambda state, address: state.created_accounts.add(address),
        "get_storage": OverlayState.value,
        "set_storage": OverlayState.set_value,
        "get_storage_original": OverlayState.original_value,
        "account_has_storage": lambda state, address: state.has_storage(address),
        "state_root": lambda state: Bytes32(state.root()),
        "begin_transaction": OverlayState.begin,
        "commit_transaction": OverlayState.commit,
        "rollback_transaction": OverlayState.rollback,
    }
    if hasattr(state_module, "TransientStorage"):
        functions |= _with_transient_storage(state_module.copy_trie)
    return {name: function for name, function in functions.items() if hasattr(state_module, name)}


def _with_transient_storage(copy_trie: Callable[[Any], Any]) -> dict[str, Any]:
    """From Cancun on a frame also is one of the transient storage (EIP-1153), which stays the specification's."""

    def begin_transaction(state: OverlayState, transient: Any) -> None:
        state.begin()
        transient._snapshots.append({address: copy_trie(trie) for address, trie in transient._tries.items()})

    def commit_transaction(state: OverlayState, transient: Any) -> None:
        state.commit()
        transient._snapshots.pop()

    def rollback_transaction(state: OverlayState, transient: Any) -> None:
        state.rollback()
        transient._tries = transient._snapshots.pop()

    return {
        "begin_transaction": begin_transaction,
        "commit_transaction": commit_transaction,
        "rollback_transaction": rollback_transaction,
    }
