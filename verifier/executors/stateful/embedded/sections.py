"""The witness file's sections prestate and poststate, out of the states before and after a block."""

from collections.abc import Mapping
from dataclasses import replace

from witness.errors import EncodingError, WitnessInsufficientError
from witness.model import Octets, PostAccount, PreAccount
from witness.proven_state import ProvenState
from witness.trie import EMPTY_ROOT, NodeSource

from .touched import Touched


class Layers:
    """Nodes by hash: what a block wrote, above what was there before it."""

    def __init__(self, written: Mapping[bytes, bytes], beneath: NodeSource) -> None:
        self._written = written
        self._beneath = beneath

    def get(self, hash_: bytes, /) -> Octets | None:
        """The RLP of a node, or None."""
        node = self._written.get(hash_)
        return self._beneath.get(hash_) if node is None else node


def prestate_of(touched: Touched, before: ProvenState) -> dict[bytes, PreAccount | None]:
    """The touched accounts with their touched slots, as they are before the block.

    Left out is what the nodes do not prove, and the slots of storages that are empty (they need not be listed).
    """
    accounts: dict[bytes, PreAccount | None] = {}
    for address in touched.addresses():
        try:
            account = before.account(address)
        except (WitnessInsufficientError, EncodingError):
            continue
        if account is not None and account.storage_root != EMPTY_ROOT:
            slots: dict[bytes, int] = {}
            for key in touched.keys_of(address):
                try:
                    slots[key] = before.slot(account.storage_root, key)
                except (WitnessInsufficientError, EncodingError):
                    continue
            account = replace(account, slots=slots)
        accounts[address] = account
    return accounts


def poststate_of(
    touched: Touched, prestate: Mapping[bytes, PreAccount | None], after: ProvenState
) -> dict[bytes, PostAccount | None]:
    """What the block changed, by the definition in adapters/CONTRACT.md.

    Of an account that was destroyed and made again, those slots that the prestate lists or the block wrote; what is not
    listed counts as zero before. Raises WitnessInsufficientError and EncodingError as ProvenState does.
    """
    changed: dict[bytes, PostAccount | None] = {}
    for address, old in prestate.items():
        new = after.account(address)
        if new is None:
            if old is not None:
                changed[address] = None
            continue
        slots = _changed_slots(touched.keys_of(address), old, new.storage_root, after)
        if old is None or slots or _fields(old) != _fields(new):
            changed[address] = PostAccount(new.nonce, new.balance, new.code_hash, slots)
    return changed


def _fields(account: PreAccount) -> tuple[int, int, bytes]:
    return account.nonce, account.balance, account.code_hash


def _changed_slots(keys: list[bytes], old: PreAccount | None, root: bytes, after: ProvenState) -> dict[bytes, int]:
    before: Mapping[bytes, int] = {} if old is None else old.slots
    is_same = old is not None and old.storage_root == root
    slots: dict[bytes, int] = {}
    for key in keys:
        if key in before:
            value = before[key] if is_same else after.slot(root, key)
        else:
            # Zero before: in a storage that was empty, or that was destroyed in the block before anybody asked.
            try:
                value = after.slot(root, key)
            except (WitnessInsufficientError, EncodingError):
                continue  # only named, and neither read nor written: as unknown as it was
        if value != before.get(key, 0):
            slots[key] = value
    return slots
