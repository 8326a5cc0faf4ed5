"""Where a block stands with all its ancestors: what the gates ask before anything is let out about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from .status import BlockStatus, TrackedBlock


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
    own = blocks.get(block_hash)
    if own is None:
        return StandingReport(Standing.UNKNOWN, block_hash, "not seen by this verifier")
    deepest: tuple[bytes, str] | None = None  # the lowest undecided ancestor: the others wait for it
    disputed = False
    at: TrackedBlock | None = own
    while at is not None:
        if at.status is BlockStatus.INVALID:
            why = at.why if at is own else f"ancestor {at.block} is invalid: {at.why}"
            return StandingReport(Standing.INVALID, at.block.hash, why, own.status, disputed)
        if at.status is not BlockStatus.VERIFIED:
            disputed = disputed or at.status is BlockStatus.DISPUTED
            name = "" if at is own else f"ancestor {at.block}: "
            deepest = (at.block.hash, f"{name}{at.status}: {at.why}" if at.why else f"{name}{at.status}")
        elif at.anchor:
            break
        parent = blocks.get(at.parent_hash)
        if parent is None:
            deepest = (
                at.parent_hash,
                f"its ancestor 0x{at.parent_hash.hex()[:8]}… is not known, and no anchor above it",
            )
        at = parent
    if deepest is None:
        return StandingReport(Standing.VERIFIED, block_hash, own.why, own.status)
    return StandingReport(Standing.UNDECIDED, *deepest, own.status, disputed)


def latest_valid_ancestor(blocks: Mapping[bytes, TrackedBlock], block_hash: bytes) -> bytes | None:
    """The `latestValidHash` to answer with an INVALID block: the nearest ancestor below the lowest invalid one.

    None if it is not known. Source: Engine API, paris, "Payload validation".
    """
    lowest: TrackedBlock | None = None
    at = blocks.get(block_hash)
    while at is not None:
        if at.status is BlockStatus.INVALID:
            lowest = at
        if at.anchor:
            break
        at = blocks.get(at.parent_hash)
    if lowest is None or lowest.parent_hash not in blocks:
        return None
    return lowest.parent_hash


def trusted_state_root(blocks: Mapping[bytes, TrackedBlock], parent_hash: bytes) -> bytes | None:
    """The state root that a child of this block starts from, if this verifier trusts it; else None.

    A root is trusted of a block that is verified, and so of one that is an anchor. That its ancestors are undecided
    does not matter here: a verified block stood on the root that it was judged on, and the gates look at all of them.
    """
    parent = blocks.get(parent_hash)
    if parent is None or parent.status is not BlockStatus.VERIFIED:
        return None
    return parent.state_root
