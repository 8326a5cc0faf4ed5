"""What a side's state root stands for where all values are equal: for these values, or for all but one of them."""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, replace

from verifier.domain.localization import StateDifference
from verifier.domain.sides import state_differences
from witness.errors import EncodingError, WitnessInsufficientError
from witness.header import keccak256
from witness.model import Octets, PostAccount, PostState, PreAccount
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


class RootSearch:
    """The state after a block, over the witness's nodes, and those that differ from it by one lost change.

    root: before the block, 32 bytes. state: what it changed. Takes time: not for the event loop. Of an account that was
    destroyed and made again, slots that are not listed are taken to be still there, so that the root is nobody's. Raises
    WitnessInsufficientError and EncodingError as PartialTrie does.
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
        for address, after, root_has in self._candidates():
            if self._root_with(address, root_has[1]) == root:
                return {address: after}, {address: root_has[0]}
        return None

    def _candidates(self) -> Iterator[tuple[bytes, PostAccount | None, tuple[PostAccount | None, bytes | None]]]:
        """Address, the account after the block; and with a change lost, with its leaf in the state trie."""
        for address in self._deleted:
            before = self._before[address]
            if before is not None:
                yield address, None, (_without_slots(before), _leaf(_without_slots(before), before.storage_root))
        for each in self._changed:
            yield from ((each.address, *told) for told in self._of_changed(each))

    def _of_changed(
        self, each: _Account
    ) -> Iterator[tuple[PostAccount | None, tuple[PostAccount | None, bytes | None]]]:
        after, storage = each.after, each.storage.root()
        before = each.before or PreAccount(0, 0, EMPTY_ROOT, NO_CODE)
        old = {key: self._proven.slot(before.storage_root, key) for key in after.slots}
        if each.before is None:
            yield after, (None, None)
        else:
            unchanged = replace(_without_slots(before), slots=old)
            yield after, (unchanged, _leaf(unchanged, before.storage_root))
        yield after, (kept := replace(after, slots=old), _leaf(kept, before.storage_root))
        for field in ("nonce", "balance", "code_hash"):
            if getattr(after, field) != getattr(before, field):
                kept = replace(after, **{field: getattr(before, field)})
                yield after, (kept, _leaf(kept, storage))
        for key, value in old.items():
            if value != after.slots[key]:
                trie = copy(each.storage)
                trie.update({keccak256(key): _slot(value)})
                kept = replace(after, slots={**after.slots, key: value})
                yield after, (kept, _leaf(kept, trie.root()))

    def _root_with(self, address: bytes, leaf: bytes | None) -> bytes | None:
        """None where the witness does not tell: putting back may want nodes that the block's own changes do not."""
        trie = copy(self._trie)
        try:
            trie.update({keccak256(address): leaf})
        except (WitnessInsufficientError, EncodingError):
            return None
        return trie.root()

    def _account(self, address: bytes, after: PostAccount, nodes: NodeSource) -> _Account:
        before = self._before[address]
        storage = PartialTrie(EMPTY_ROOT if before is None else before.storage_root, nodes)
        storage.update({keccak256(key): _slot(value) for key, value in after.slots.items()})
        return _Account(address, before, after, storage)


def explained(search: RootSearch, roots: list[bytes | None]) -> tuple[StateDifference, ...]:
    """What the sides' roots (32 bytes; None: not told) differ in, where lost changes account for each that is wrong.

    () where none is, or one is wrong in another way.
    """
    found: dict[int, tuple[PostState, PostState]] = {}
    for at, root in enumerate(roots):
        if root is not None and root != search.root:
            lost = search.lost_change(root)
            if lost is None:
                return ()
            found[at] = lost
    right: dict[bytes, PostAccount | None] = {}
    for after, _ in found.values():
        right.update(after)
    states = [None if root is None else {**right, **found.get(at, ({}, {}))[1]} for at, root in enumerate(roots)]
    return state_differences(states) if found else ()


def _without_slots(account: PreAccount) -> PostAccount:
    return PostAccount(account.nonce, account.balance, account.code_hash)


def _leaf(account: PostAccount, storage_root: bytes) -> bytes:
    numbers: list[Octets] = [encode_integer(account.nonce), encode_integer(account.balance)]
    return encode_item([*map(bytes, numbers), storage_root, account.code_hash])


def _slot(value: int) -> bytes | None:
    return encode_string(encode_integer(value)) if value else None
