"""Where a block stands with all its ancestors: what the gates ask before anything is let out about it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from .status import BlockStatus, ExecutorStatus, TrackedBlock


class Standing(StrEnum):
    """VERIFIED: it and every ancestor down to an anchor. INVALID: it or an ancestor. UNKNOWN: never heard of it."""

    VERIFIED = "verified"
    UNDECIDED = "undecided"
    INVALID = "invalid"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class StandingReport:
    """A block's standing, and the block that decides it. decisive: 32 bytes, the block itself or an ancestor.

    why: one line for people. own: the block's own status, None if it is not known. disputed: it or an ancestor is.
    """

    standing: Standing
    decisive: bytes
    why: str
    own: BlockStatus | None = None
    disputed: bool = False

    @property
    def decided(self) -> bool:
        """Whether waiting cannot change what the gates answer, short of a later contradiction."""
        return self.standing in (Standing.VERIFIED, Standing.INVALID)


def standing(blocks: Mapping[bytes, TrackedBlock], block_hash: bytes) -> StandingReport:
    """The standing of a block among `blocks` (hash → block).

    An ancestor that is not known, with no anchor above it, leaves a block undecided: nothing binds it to a trusted
    state. An INVALID ancestor decides, whatever lies between.
    """
    report = unknown(block_hash)
    parent: TrackedBlock | None = None
    for at in reversed(tuple(ancestors(blocks, block_hash))):
        report = standing_on(at, parent, report)
        parent = at
    return report


def unknown(block_hash: bytes) -> StandingReport:
    """The standing of a block that was never seen."""
    return StandingReport(Standing.UNKNOWN, block_hash, "not seen by this verifier")


def standing_on(own: TrackedBlock, parent: TrackedBlock | None, below: StandingReport) -> StandingReport:
    """The standing of a block on its parent, None if that is not known (`parent_of`). below: where the parent stands.

    Nothing but this decides how one follows from the other, so that standings can be remembered block by block. The
    lowest undecided ancestor is the decisive one: the others wait for it; but a disputed one above it is, the lowest of
    these, for that is what has to be ended. Of invalid ones it is the nearest.
    """
    status = own.status
    if status is BlockStatus.INVALID:
        return StandingReport(Standing.INVALID, own.block.hash, own.why, status)
    if own.anchor and status is BlockStatus.VERIFIED:
        return StandingReport(Standing.VERIFIED, own.block.hash, own.why, status)
    disputed = status is BlockStatus.DISPUTED
    if parent is None:
        hash_ = own.parent_hash
        why = f"its ancestor 0x{hash_.hex()[:8]}… is not known, and no anchor above it"
        return StandingReport(Standing.UNDECIDED, hash_, why, status, disputed)
    contested, disputed = disputed and not below.disputed, disputed or below.disputed
    named = below.decisive == parent.block.hash
    if below.standing is Standing.INVALID:
        why = f"ancestor {parent.block} is invalid: {below.why}" if named else below.why
        return StandingReport(Standing.INVALID, below.decisive, why, status, disputed)
    if below.standing is not Standing.VERIFIED and not contested:
        why = f"ancestor {parent.block}: {below.why}" if named else below.why
        return StandingReport(Standing.UNDECIDED, below.decisive, why, status, disputed)
    if status is BlockStatus.VERIFIED:
        return StandingReport(Standing.VERIFIED, own.block.hash, own.why, status)
    why = f"{status}: {own.why}" if own.why else str(status)
    return StandingReport(Standing.UNDECIDED, own.block.hash, why, status, disputed)


def parent_of(blocks: Mapping[bytes, TrackedBlock], child: TrackedBlock) -> TrackedBlock | None:
    """The parent, if it is known and has the number before the child's.

    A header can claim any number. One that does not fit its parent's is in no chain, and no walk can go in circles,
    whatever was read from a disk.
    """
    parent = blocks.get(child.parent_hash)
    return parent if parent is not None and parent.block.number + 1 == child.block.number else None


def ancestors(blocks: Mapping[bytes, TrackedBlock], block_hash: bytes) -> Iterator[TrackedBlock]:
    """The block and what is known of its ancestors, the block first, down to an anchor that stands."""
    at = blocks.get(block_hash)
    while at is not None:
        yield at
        if at.anchor and at.status is BlockStatus.VERIFIED:
            return
        at = parent_of(blocks, at)


def latest_valid_ancestor(
    blocks: Mapping[bytes, TrackedBlock], block_hash: bytes, stands: Callable[[bytes], bool]
) -> bytes | None:
    """The `latestValidHash` to answer with an INVALID block: the parent of the lowest invalid one, where that stands.

    A block counts as invalid here also where only the executor says so. None if the parent is not known or does not
    stand: consensus clients take the hash, with all its ancestors, as VALID. Source: Engine API, paris, "Payload
    validation"; consensus-specs, sync/optimistic.md, "Helpers".
    """
    lowest: TrackedBlock | None = None
    for at in ancestors(blocks, block_hash):
        if at.status is BlockStatus.INVALID or at.executor is ExecutorStatus.INVALID:
            lowest = at
    if lowest is None or not stands(lowest.parent_hash):
        return None
    return lowest.parent_hash
