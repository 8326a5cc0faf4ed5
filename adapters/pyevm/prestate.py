"""The prestate section in the place of the tries beneath py-evm's account database.

py-evm's journals above stay as they are: they hold what the block changes until it ends. No state root is computed.
"""

from collections.abc import Mapping
from typing import Any

import rlp
from eth.db.backends.base import BaseDB
from eth.db.cache import CacheDB
from eth.db.journal import JournalDB
from eth.db.storage import AccountStorageDB
from eth.db.witness import MetaWitness
from eth.rlp.accounts import Account
from eth.vm.interrupt import EVMMissingData
from eth_typing import Address, Hash32

from verifier.rpc.host.post_state import TouchedAccount
from verifier.rpc.v1 import executor_pb2 as pb
from witness.model import Octets, PreAccount, PreState
from witness.trie import EMPTY_ROOT

from .database import WitnessAccountDB, WitnessDatabase
from .misses import record

ABSENT = b""  # py-evm's encoding of an account that is not there, and of a slot that is zero
KEY_LENGTH = 32  # bytes


class UnlistedError(EVMMissingData):
    """An account or slot that the prestate section does not list; recorded as a miss."""

    def __init__(self, missing: pb.Missing) -> None:
        super().__init__(f"0x{missing.address.hex()} 0x{missing.key.hex()}")
        record(missing)


class PrestateDatabase(WitnessDatabase):
    """The block's own database: codes, the section's accounts, and those that the block left changed.

    written: RLP by address, ABSENT for a deleted one. stores: the storages that were used, by address.
    """

    def __init__(self, prestate: PreState, codes: Mapping[bytes, Octets]) -> None:
        super().__init__({}, codes)
        self.prestate = prestate
        self.written: dict[bytes, bytes] = {}
        self.stores: dict[bytes, SectionStorage] = {}

    def touched(self) -> dict[bytes, TouchedAccount | None]:
        """What the host's `post_accounts` wants to know. Only after the block."""
        addresses = {*self.written, *(address for address, store in self.stores.items() if store.is_changed())}
        return {address: self._touched_account(address) for address in addresses}

    def _touched_account(self, address: bytes) -> TouchedAccount | None:
        encoded = SectionAccounts(self)[address]
        store = self.stores.get(address)
        slots = {} if store is None else store.values_after()
        if not encoded and not any(slots.values()):
            return None
        account = rlp.decode(encoded, sedes=Account) if encoded else Account()
        emptied = store is not None and store.is_emptied()
        return TouchedAccount(account.nonce, account.balance, account.code_hash, slots, emptied)


class SectionAccounts(BaseDB):
    """Accounts by address, as py-evm encodes them: those written by an earlier database of this block come first."""

    def __init__(self, database: PrestateDatabase) -> None:
        self._written = database.written
        self._prestate = database.prestate

    def __getitem__(self, address: bytes) -> bytes:
        written = self._written.get(address)
        if written is not None:
            return written
        try:
            account = self._prestate[address]
        except KeyError:
            raise UnlistedError(pb.Missing(kind=pb.Missing.KIND_ACCOUNT, address=address)) from None
        return ABSENT if account is None else _encoded(account)

    def __setitem__(self, address: bytes, encoded: bytes) -> None:
        self._written[address] = encoded

    def __delitem__(self, address: bytes) -> None:
        self._written[address] = ABSENT

    def _exists(self, address: bytes) -> bool:
        self[address]  # an absent account can be deleted, an unlisted one cannot
        return True


class SectionSlots(BaseDB):
    """One account's slots by py-evm's key (the slot without leading zeros), in the place of py-evm's StorageLookup."""

    has_changed_root = False

    def __init__(self, address: bytes, account: PreAccount | None) -> None:
        self._address = address
        self._slots: Mapping[bytes, int] = {} if account is None else account.slots
        self._is_empty = account is None or account.storage_root == EMPTY_ROOT
        self.cleared = 0  # how often all storage was deleted

    def __getitem__(self, key: bytes) -> bytes:
        if self.cleared:
            return ABSENT
        padded = key.rjust(KEY_LENGTH, b"\0")
        value = self._slots.get(padded, 0 if self._is_empty else None)
        if value is None:
            raise UnlistedError(pb.Missing(kind=pb.Missing.KIND_SLOT, address=self._address, key=padded))
        return rlp.encode(value) if value else ABSENT

    def __setitem__(self, key: bytes, value: bytes) -> None:
        raise NotImplementedError("changes stay in the journal")

    def __delitem__(self, key: bytes) -> None:
        raise NotImplementedError("changes stay in the journal")

    def _exists(self, key: bytes) -> bool:
        return self[key] != ABSENT

    def new_trie(self) -> int:
        """Empties the storage; how often that was done."""
        self.cleared += 1
        return self.cleared

    def rollback_trie(self, cleared: int) -> None:
        """Undoes emptyings, down to this many."""
        self.cleared = cleared


class SectionStorage(AccountStorageDB):
    """py-evm's storage of one account, over the section's slots."""

    def __init__(self, db: Any, address: bytes, account: PreAccount | None) -> None:
        super().__init__(db, Hash32(EMPTY_ROOT), Address(address))
        self._lookup = SectionSlots(address, account)
        self._storage_lookup: Any = self._lookup
        self._storage_cache = CacheDB(self._storage_lookup)
        self._locked_changes = JournalDB(self._storage_cache)
        self._journal_storage = JournalDB(self._locked_changes)

    def is_emptied(self) -> bool:
        """Whether all of it was deleted in this block."""
        return self._lookup.cleared > 0

    def is_changed(self) -> bool:
        """Whether anything was written or all of it deleted. Only after the block."""
        return self.is_emptied() or bool(self._changed_keys())

    def values_after(self) -> dict[bytes, int]:
        """The slots that were written, by key. Only after the block."""
        return {key.rjust(KEY_LENGTH, b"\0"): self.get(int.from_bytes(key, "big")) for key in self._changed_keys()}

    def _changed_keys(self) -> set[bytes]:
        self.lock_changes()
        difference = self._locked_changes.diff()
        return {*difference.pending_keys(), *difference.deleted_keys()}


class PrestateAccountDB(WitnessAccountDB):
    """py-evm's account database over the section. `persist` hands the accounts to the block's database."""

    def __init__(self, db: PrestateDatabase, state_root: Hash32) -> None:
        super().__init__(db, state_root)
        self._database = db
        self._accounts = SectionAccounts(db)
        self._trie_cache: Any = self._accounts
        self._journaltrie = JournalDB(self._accounts)

    def make_state_root(self) -> Hash32:
        """The root before the block: there is no other."""
        return self.state_root

    def persist(self) -> MetaWitness:
        """Writes the accounts down; nothing about roots and nodes."""
        self._journaltrie.persist()
        self._account_cache.clear()
        return MetaWitness(set(), {})

    def _get_address_store(self, address: Address) -> Any:
        store = self._account_stores.get(address)
        if store is None:
            # Also of an account that this block has changed or created: its storage is that of before the block.
            if address not in self._database.prestate:
                raise UnlistedError(pb.Missing(kind=pb.Missing.KIND_ACCOUNT, address=address))
            account = self._database.prestate[address]
            store = self._account_stores[address] = SectionStorage(self._raw_store_db, address, account)
            self._database.stores[address] = store
        return store


def _encoded(account: PreAccount) -> bytes:
    encoded: bytes = rlp.encode([account.nonce, account.balance, account.storage_root, account.code_hash])
    return encoded
