"""What is known of one block, and what may follow from what happens to it: the one state machine of block status.

received → executed → available → verified | disputed → invalid. INVALID is final. VERIFIED can still become disputed,
by a late vote, and invalid. Nothing that is heard again (a payload sent twice, a slower answer) takes a block back.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from .block import BlockReference
from .quorum import Verdict


class BlockStatus(StrEnum):
    """See the module. `verified` says that a quorum attested it, or that it is an anchor."""

    RECEIVED = "received"
    EXECUTED = "executed"
    AVAILABLE = "available"
    VERIFIED = "verified"
    DISPUTED = "disputed"
    INVALID = "invalid"


class ExecutorStatus(StrEnum):
    """The stateful executor's word on a payload (Engine API, PayloadStatusV1)."""

    VALID = "VALID"
    INVALID = "INVALID"
    SYNCING = "SYNCING"
    ACCEPTED = "ACCEPTED"


@dataclass(frozen=True, slots=True)
class TrackedBlock:
    """One block as the ledger keeps it. parent_hash, state_root: 32 bytes, the header's. timestamp: seconds.

    why: who or what brought it to this status, one line. executor: the stateful executor's last word that was VALID or
    INVALID. anchor: trusted without having been judged here (a configured checkpoint, the finalized block at the
    start, an operator's word); nothing below it is looked at.
    """

    block: BlockReference
    parent_hash: bytes
    state_root: bytes
    timestamp: int
    status: BlockStatus = BlockStatus.RECEIVED
    why: str = ""
    executor: ExecutorStatus | None = None
    anchor: bool = False


@dataclass(frozen=True, slots=True)
class ExecutorAnswered:
    """The stateful executor answered for the payload. detail: its validationError."""

    status: ExecutorStatus
    detail: str = ""


@dataclass(frozen=True, slots=True)
class WitnessStored:
    """The block's witness is published."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The votes so far amount to this verdict. late_invalid: who said INVALID after it was settled, "" if nobody.

    turned: it was ATTEST before, and slower votes took that back.
    """

    verdict: Verdict
    summary: str
    late_invalid: str = ""
    turned: bool = False


@dataclass(frozen=True, slots=True)
class Concluded:
    """A dispute, or an operator, concluded that the block is valid or not. why: one line, with who said so."""

    valid: bool
    why: str


@dataclass(frozen=True, slots=True)
class Anchored:
    """The block is trusted without having been judged here. why: one line, with who said so."""

    why: str


BlockEvent = ExecutorAnswered | WitnessStored | Judged | Concluded | Anchored


def advance(tracked: TrackedBlock, event: BlockEvent) -> TrackedBlock:
    """The block after `event`. INVALID stays, whatever comes; only forward steps otherwise, in the order above.

    The executor's INVALID makes any block invalid that is not verified; on a verified or anchored one it is a
    contradiction, so the block is disputed. Its VALID decides nothing but that the block is executed.
    """
    status = tracked.status
    if status is BlockStatus.INVALID:
        return tracked
    match event:
        case ExecutorAnswered(ExecutorStatus.INVALID, detail):
            if status is BlockStatus.DISPUTED and tracked.executor is ExecutorStatus.INVALID:
                return tracked  # the same contradiction once more: consensus clients ask again and again
            word = f"the execution client says INVALID: {detail}" if detail else "the execution client says INVALID"
            tracked = replace(tracked, executor=ExecutorStatus.INVALID)
            if status is BlockStatus.VERIFIED:
                return replace(tracked, status=BlockStatus.DISPUTED, why=f"{word}, others attested it")
            return replace(tracked, status=BlockStatus.INVALID, why=word)
        case ExecutorAnswered(ExecutorStatus.VALID):
            tracked = replace(tracked, executor=ExecutorStatus.VALID)
            return _forward(tracked, BlockStatus.EXECUTED, "the execution client has executed it")
        case ExecutorAnswered():
            return tracked
        case WitnessStored():
            return _forward(tracked, BlockStatus.AVAILABLE, "its witness is stored")
        case Judged(verdict, summary, late_invalid, turned):
            if late_invalid:
                return replace(
                    tracked, status=BlockStatus.DISPUTED, why=f"{late_invalid} says INVALID, late: {summary}"
                )
            if turned and verdict is Verdict.HOLD:
                return replace(tracked, status=BlockStatus.DISPUTED, why=f"was attested, and is no more: {summary}")
            if verdict is Verdict.REJECT:
                return replace(tracked, status=BlockStatus.DISPUTED, why=summary)
            if verdict is Verdict.ATTEST and status is not BlockStatus.DISPUTED:
                return _forward(tracked, BlockStatus.VERIFIED, summary)
            return replace(tracked, why=summary) if status in ORDER[:-1] else tracked
        case Concluded(valid, why):
            return replace(tracked, status=BlockStatus.VERIFIED if valid else BlockStatus.INVALID, why=why)
        case Anchored(why):
            return replace(tracked, status=BlockStatus.VERIFIED, why=why, anchor=True)


ORDER = (BlockStatus.RECEIVED, BlockStatus.EXECUTED, BlockStatus.AVAILABLE, BlockStatus.VERIFIED)


def _forward(tracked: TrackedBlock, status: BlockStatus, why: str) -> TrackedBlock:
    if tracked.status not in ORDER or ORDER.index(tracked.status) >= ORDER.index(status):
        return tracked
    return replace(tracked, status=status, why=why)
