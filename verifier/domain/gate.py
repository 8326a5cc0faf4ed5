"""What the two gates answer: pure functions of the mode, the policy, and where blocks stand."""

from dataclasses import dataclass
from enum import StrEnum

from .standing import Standing, StandingReport
from .status import BlockStatus, ExecutorStatus


class GateMode(StrEnum):
    """every-block: all blocks are judged. epoch-target: those that FFG targets name. monitor: all, nothing gated."""

    EVERY_BLOCK = "every-block"
    EPOCH_TARGET = "epoch-target"
    MONITOR = "monitor"


class HoldAnswer(StrEnum):
    """What the engine gate answers for a block that is undecided at the deadline (design, section 7).

    syncing: the consensus client imports it optimistically, neither proposes on it nor, by the attestation gate,
    attests. error: a JSON-RPC error; the client asks again. pass: what the execution client said; then only the
    attestation gate gates, and proposals go on.
    """

    SYNCING = "syncing"
    ERROR = "error"
    PASS = "pass"  # noqa: S105 - no password


@dataclass(frozen=True, slots=True)
class PayloadStatus:
    """PayloadStatusV1 of the Engine API. latest_valid_hash: 32 bytes."""

    status: ExecutorStatus
    latest_valid_hash: bytes | None = None
    validation_error: str | None = None


@dataclass(frozen=True, slots=True)
class EngineAnswer:
    """What to answer. payload: None means a JSON-RPC error that says `reason`.

    reason: why it is not the execution client's own answer, "" if it is. gated: whether the gate changed it, or in
    monitor mode would have.
    """

    payload: PayloadStatus | None
    reason: str = ""
    gated: bool = False


@dataclass(frozen=True, slots=True)
class Permission:
    """Whether an attestation, aggregate or sync-committee message may go out. reason: why not, or why it would not.

    gated: the gate refused, or in monitor mode would have.
    """

    allowed: bool
    reason: str = ""
    gated: bool = False


def engine_answer(
    mode: GateMode,
    hold: HoldAnswer,
    executor: PayloadStatus,
    report: StandingReport,
    latest_valid: bytes | None,
) -> EngineAnswer:
    """The answer to newPayload or forkchoiceUpdated for the block that `report` is of.

    executor: the execution client's own answer. latest_valid: `latestValidHash` for an INVALID one, whoever says it:
    the execution client's own may be a block that is undecided here, and consensus clients take that hash as VALID.
    VALID goes out only where the execution client said it and the block stands; INVALID of ours is sticky and outweighs
    every other word.
    """
    if executor.status is ExecutorStatus.INVALID:
        if mode is GateMode.MONITOR or executor.latest_valid_hash == latest_valid:
            return EngineAnswer(executor)
        answer = PayloadStatus(ExecutorStatus.INVALID, latest_valid, executor.validation_error)
        return EngineAnswer(answer, "its latestValidHash is not verified", gated=True)
    if report.standing is Standing.INVALID:
        if mode is GateMode.MONITOR:
            return EngineAnswer(executor, f"would answer INVALID: {report.why}", gated=True)
        return EngineAnswer(PayloadStatus(ExecutorStatus.INVALID, latest_valid, report.why), report.why, gated=True)
    if executor.status is not ExecutorStatus.VALID or stands(mode, report):
        return EngineAnswer(executor)
    if mode is GateMode.MONITOR:
        return EngineAnswer(executor, f"would hold: {report.why}", gated=True)
    match hold:
        case HoldAnswer.PASS:
            return EngineAnswer(executor, f"undecided, passed by policy: {report.why}", gated=True)
        case HoldAnswer.SYNCING:
            return EngineAnswer(PayloadStatus(ExecutorStatus.SYNCING), report.why, gated=True)
        case HoldAnswer.ERROR:
            return EngineAnswer(None, report.why, gated=True)


def stands(mode: GateMode, report: StandingReport) -> bool:
    """Whether nothing is held for the block's sake, apart from what is asked of a target."""
    if mode is GateMode.EPOCH_TARGET and report.standing is Standing.UNDECIDED:
        return not report.disputed  # most blocks are not judged: they pass until something speaks against them
    return report.standing is Standing.VERIFIED


def worth_waiting(mode: GateMode, report: StandingReport) -> bool:
    """Whether votes that are still to come can change what is answered for the block, in epoch-target as a target.

    No votes end a dispute. In monitor mode nothing is held, and who wants to know what would have been answered waits
    for the same as in every-block mode.
    """
    if report.decided or report.disputed:
        return False
    return mode is not GateMode.EPOCH_TARGET or report.own is not BlockStatus.VERIFIED


def head_permission(mode: GateMode, head: StandingReport) -> Permission:
    """Whether a message that names only a head (a sync-committee message) may go out."""
    return _permission(mode, "head", head, stands=stands(mode, head))


def attestation_permission(mode: GateMode, head: StandingReport, target: StandingReport) -> Permission:
    """Whether an attestation to this head and target may go out. Source: consensus-specs, phase0 `AttestationData`.

    every-block: both verified with all their ancestors. epoch-target: the target itself verified, and neither it nor
    the head disputed, invalid or unknown, nor any ancestor of theirs.
    """
    refused = head_permission(mode, head)
    if refused.gated:
        return refused
    target_stands = stands(mode, target)
    if mode is GateMode.EPOCH_TARGET:
        target_stands = target_stands and target.own is BlockStatus.VERIFIED
    return _permission(mode, "target", target, stands=target_stands)


def _permission(mode: GateMode, name: str, report: StandingReport, *, stands: bool) -> Permission:
    if stands:
        return Permission(allowed=True)
    reason = f"{name} 0x{report.decisive.hex()[:8]}… {report.standing}: {report.why}"
    if mode is GateMode.MONITOR:
        return Permission(allowed=True, reason=f"would refuse: {reason}", gated=True)
    return Permission(allowed=False, reason=reason, gated=True)
