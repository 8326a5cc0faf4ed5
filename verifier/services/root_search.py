"""What a side's state root stands for where all values are equal: for these values, or for all but one of them."""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace

from verifier.domain.localization import StateDifference
from verifier.domain.sides import state_differences
from witness.errors import EncodingError, WitnessInsufficientError
from witness.header import keccak256
from witness.model import PostAccount, PostState, PreAccount
from witness.proven_state import ProvenState
from witness.rlp_encoding import encode_integer, encode_item, encode_string
from witness.trie import EMPTY_ROOT, NodeSource, PartialTrie

NO_CODE = keccak256(b"")


@dataclass(frozen=True, slots=True)
class _Account:
    """One that the block changed: before it, None if there was none; after it; and its storage after it."""

    address: bytes
    before: PreAccount | None
    after: PostAccount
    storage: PartialTrie

    @property
    def leaf(self) -> bytes:
        return _leaf(self.after, self.storage.root())

    def storage_with(self, key: bytes, value: int) -> bytes | None:
        """The root of the storage with another value in one slot; None where the witness does not tell."""
        trie = copy(self.storage)
        try:
            trie.update({keccak256(key): _slot(value)})
        except (WitnessInsufficientError, EncodingError):
            return None
        return trie.root()


@dataclass(frozen=True, slots=True)
class _Lost:
    """An account with a change lost. after: without that; kept: with it; leaf: the latter's in the state trie."""

    address: bytes
    after: PostAccount | None
    kept: PostAccount | None
    leaf: bytes | None


class RootSearch:
    """The state after a block, over the witness's nodes, and those that differ from it by one lost change.

    root: before the block, 32 bytes. state: what it changed. Takes time: not for the event loop. Of an account that was
    destroyed and made again, slots that are not listed are taken to be still there: where there are any, the root is
    nobody's. Raises WitnessInsufficientError and EncodingError as PartialTrie does.
    """

    def __init__(self, root: bytes, nodes: NodeSource, state: PostState) -> None:
        self._proven = ProvenState(root, nodes)
        self._trie = PartialTrie(root, nodes)
        self._before = {address: self._proven.account(address) for address in state}
        self._changed = [
            self._account(address, account, nodes) for address, account in state.items() if account is not None
        ]
        self._deleted = [address for address, account in state.items() if account is None]
        leaves: dict[bytes, bytes | None] = {keccak256(each.address): each.leaf for each in self._changed}
        self._trie.update({**leaves, **{keccak256(address): None for address in self._deleted}})
        self.root = self._trie.root()

    def lost_change(self, root: bytes) -> tuple[PostState, PostState] | None:
        """The state that `root` stands for if that is the one after the block with a single change lost.

        Of that account alone: as it is after the block, and as `root` has it.
        """
        for each in self._candidates():
            if self._root_with(each) == root:
                return {each.address: each.after}, {each.address: each.kept}
        return None

    def _candidates(self) -> Iterator["_Lost"]:
        """One slot or number of an account first, then all slots of one, then the whole account."""
        for account in self._changed:
            yield from self._of_changed(account)
        for address in self._deleted:
            before = self._before[address]
            if before is not None:
                kept = _without_slots(before)
                yield _Lost(address, None, kept, _leaf(kept, before.storage_root))

    def _of_changed(self, account: _Account) -> Iterator["_Lost"]:
        address, after, storage = account.address, account.after, account.storage.root()
        before = account.before or PreAccount(0, 0, EMPTY_ROOT, NO_CODE)
        for field in ("nonce", "balance", "code_hash"):
            if getattr(after, field) != getattr(before, field):
                kept = replace(after, **{field: getattr(before, field)})
                yield _Lost(address, after, kept, _leaf(kept, storage))
        old = {key: self._proven.slot(before.storage_root, key) for key in after.slots}
        for key, value in old.items():
            storage_root = account.storage_with(key, value) if value != after.slots[key] else None
            if storage_root is not None:
                kept = replace(after, slots={**after.slots, key: value})
                yield _Lost(address, after, kept, _leaf(kept, storage_root))
        if old:
            kept = replace(after, slots=old)
            yield _Lost(address, after, kept, _leaf(kept, before.storage_root))
        if account.before is None:
            yield _Lost(address, after, None, None)
        else:
            kept = replace(_without_slots(before), slots=old)
            yield _Lost(address, after, kept, _leaf(kept, before.storage_root))

    def _root_with(self, lost: "_Lost") -> bytes | None:
        """None where the witness does not tell: putting back may want nodes that the block's own changes do not."""
        trie = copy(self._trie)
        try:
            trie.update({keccak256(lost.address): lost.leaf})
        except (WitnessInsufficientError, EncodingError):
            return None
        return trie.root()

    def _account(self, address: bytes, after: PostAccount, nodes: NodeSource) -> _Account:
        before = self._before[address]
        storage = PartialTrie(EMPTY_ROOT if before is None else before.storage_root, nodes)
        storage.update({keccak256(key): _slot(value) for key, value in after.slots.items()})
        return _Account(address, before, after, storage)


def explained(search: RootSearch, roots: Sequence[bytes | None]) -> tuple[StateDifference, ...]:
    """What the sides' roots (32 bytes; None: not told) stand for, where lost changes account for each that is wrong.

    () where none is wrong, or one is in another way.
    """
    right: dict[bytes, PostAccount | None] = {}
    kept: dict[int, PostState] = {}
    for at, root in enumerate(roots):
        if root is not None and root != search.root:
            lost = search.lost_change(root)
            if lost is None:
                return ()
            after, kept[at] = lost
            right.update(after)
    return state_differences([None if root is None else {**right, **kept.get(at, {})} for at, root in enumerate(roots)])


def _without_slots(account: PreAccount) -> PostAccount:
    return PostAccount(account.nonce, account.balance, account.code_hash)


def _leaf(account: PostAccount, storage_root: bytes) -> bytes:
    numbers = [encode_integer(account.nonce), encode_integer(account.balance)]
    return encode_item([*numbers, storage_root, account.code_hash])


def _slot(value: int) -> bytes | None:
    return encode_string(encode_integer(value)) if value else None
