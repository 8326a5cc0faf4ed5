"""py-evm's account database, telling the overlay what kind of thing it reads and what it misses."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import rlp
from eth.constants import BLANK_ROOT_HASH, EMPTY_SHA3
from eth.db.account import AccountDB
from eth.rlp.accounts import Account
from eth.vm.interrupt import EVMMissingData, MissingBytecode
from eth_typing import Address, Hash32
from trie.exceptions import MissingTrieNode
from trie.hexary import HexaryTrie

from witness.header import keccak256

from .overlay import Overlay, Scratch
from .touched import Touched

SLOT_LENGTH = 32


class RecordingAccountDB(AccountDB):
    """An AccountDB whose lowest layer is an Overlay (within py-evm's AtomicDB).

    Every missing node or code is noted in the overlay where it occurs, as py-evm itself may take it for an invalid
    transaction, or drop it (EIP-7702 authorizations).
    """

    def __init__(self, db: Any, state_root: Hash32 = BLANK_ROOT_HASH) -> None:
        super().__init__(db, state_root)
        self._overlay: Overlay = db.wrapped_db
        self.touched: Touched = self._overlay.touched
        self._code_reads: dict[Address, bytes] = {}
        self._cleared_slots: dict[Address, set[bytes]] = {}

    @contextmanager
    def _noting_misses(self) -> Iterator[None]:
        try:
            yield
        except MissingBytecode as error:
            self._overlay.missing.append(error.missing_code_hash)
            raise
        except MissingTrieNode as error:
            self._overlay.missing.append(error.missing_node_hash)
            raise

    def get_code(self, address: Address) -> bytes:
        """As AccountDB.get_code; the code read from beneath is recorded as a code."""
        code_hash = self.get_code_hash(address)
        if code_hash == EMPTY_SHA3:
            return b""
        self._code_reads.setdefault(address, code_hash)
        with self._noting_misses(), self._overlay.reading_code():
            try:
                return self._journaldb[code_hash]
            except KeyError:
                raise MissingBytecode(code_hash) from None

    def get_storage(self, address: Address, slot: int, from_journal: bool = True) -> int:
        """As AccountDB.get_storage."""
        self.touched.add_slot(address, slot)
        with self._noting_misses():
            return super().get_storage(address, slot, from_journal)

    def set_storage(self, address: Address, slot: int, value: int) -> None:
        """As AccountDB.set_storage."""
        self.touched.add_slot(address, slot)
        with self._noting_misses():
            super().set_storage(address, slot, value)

    def _get_encoded_account(self, address: Address, from_journal: bool = True) -> bytes:
        self.touched.accounts.add(address)
        with self._noting_misses():
            return super()._get_encoded_account(address, from_journal)

    def make_state_root(self) -> Hash32:
        """As AccountDB.make_state_root; notes which slots are cleared."""
        with self._noting_misses():
            for address, store in self._dirty_account_stores():
                store.lock_changes()
                cleared = cast(Any, store)._locked_changes.diff().deleted_keys()
                if cleared:
                    hashed = (keccak256(key.rjust(SLOT_LENGTH, b"\0")) for key in cleared)
                    self._cleared_slots.setdefault(address, set()).update(hashed)
            return super().make_state_root()

    def record_remainder(self, state_root: bytes) -> None:
        """Records what other clients read of the state before the block, with root `state_root`, and py-evm did not.

        - A code that an account had before the block, where py-evm found the same code among the block's own.
        - The siblings that clearing slots asks for when nothing is added first: of all orders in which the changes
          can be applied to a trie, clearing before adding reads most. (Accounts are applied in that order by py-evm.)
        """
        scratch = Scratch(self._overlay)
        accounts = HexaryTrie(scratch, root_hash=state_root)
        with self._noting_misses():
            for address, code_hash in self._code_reads.items():
                if code_hash in self._overlay.codes:
                    continue
                if self._account_before(accounts, address).code_hash == code_hash:
                    with self._overlay.reading_code():
                        self._overlay.beneath(code_hash)
            for address, slots in self._cleared_slots.items():
                before = self._account_before(accounts, address)
                storage: Any = HexaryTrie(scratch, root_hash=before.storage_root)
                for slot in sorted(slots):
                    if slot in storage:
                        del storage[slot]

    @staticmethod
    def _account_before(accounts: HexaryTrie, address: Address) -> Account:
        encoded = accounts.get(keccak256(address))
        return rlp.decode(encoded, sedes=Account) if encoded else Account()


MissingData = (EVMMissingData, MissingTrieNode)
"""What py-evm raises where the database lacks something."""
