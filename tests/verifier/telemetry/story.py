"""Blocks and what happens to them, for everything that watches: an honest block, a dispute, a hold."""

from dataclasses import replace

from verifier.domain.block import BlockReference
from verifier.domain.dispute import Conclusion, Dispute, with_evidence
from verifier.domain.event import (
    AdapterMisbehaved,
    AdapterQuarantined,
    Alarm,
    DisagreementLocalized,
    DisputeChanged,
    Event,
    GateAnswered,
    PayloadExecuted,
    PayloadReceived,
    RolledBack,
    StatusChanged,
    VerdictReached,
    VoteCast,
    WitnessFailed,
    WitnessPublished,
)
from verifier.domain.gate import GateMode
from verifier.domain.localization import Localization, Place
from verifier.domain.quorum import decide, quorum_policy
from verifier.domain.result import Abstention, AbstentionReason, Computed, Mode, Outcome, Result
from verifier.domain.rollback import Rollback, RollbackStep
from verifier.domain.statement import Misbehaviour, state
from verifier.domain.status import (
    BlockStatus,
    ExecutorAnswered,
    ExecutorStatus,
    Judged,
    TrackedBlock,
    WitnessStored,
    advance,
)
from verifier.domain.vote import Difference, Vote, VoteKind
from verifier.telemetry.profile import Profile

EXECUTOR = "execution-client"
LIVE = {EXECUTOR: "geth", "revm": "revm", "ethrex": "ethrex", "ethereumjs": "ethereumjs"}
LATE = {"eels": "eels", "pyevm": "pyevm"}
COMPUTED = Computed(bytes(32), bytes(32), bytes(256), 21_000, bytes(32))
TIMES = {EXECUTOR: 41.0, "revm": 63.2, "ethrex": 88.9, "ethereumjs": 412.0, "eels": 3810.0, "pyevm": 2900.0}


def profile(mode: GateMode = GateMode.EVERY_BLOCK) -> Profile:
    """Three of four live lineages, two late ones."""
    policy = quorum_policy(LIVE, required=3)
    return Profile(mode, policy, executor=EXECUTOR, late=LATE, hold_seconds=6.0, version="0.1.0")


def block_hash(number: int, fork: int = 0) -> bytes:
    return bytes([fork]) + number.to_bytes(8, "big") * 3 + bytes(7)


def reference(number: int, fork: int = 0) -> BlockReference:
    return BlockReference(1337, number, block_hash(number, fork))


def tracked(number: int, status: BlockStatus = BlockStatus.RECEIVED, *, anchor: bool = False) -> TrackedBlock:
    """A block on the one below it."""
    return TrackedBlock(
        reference(number), block_hash((number - 1) % 2**64), bytes(32), 1_700_000_000 + number, status, anchor=anchor
    )


def anchor(number: int) -> StatusChanged:
    block = tracked(number, BlockStatus.VERIFIED, anchor=True)
    return StatusChanged(block, None)


def ballot(adapter: str, kind: VoteKind, reason: str | None = None) -> tuple[Result, Vote]:
    lineage = (LIVE | LATE)[adapter]
    outcome: Outcome = Abstention(AbstentionReason.TIMEOUT) if kind is VoteKind.ABSTAIN else COMPUTED
    differences = (Difference("state_root", "0x01", "0x02"),) if kind is VoteKind.INVALID else ()
    result = Result(adapter, lineage, outcome, TIMES[adapter], TIMES[adapter] * 0.8)
    return result, Vote(adapter, lineage, kind, reason, differences, TIMES[adapter])


def said(**kinds: str) -> list[tuple[Result, Vote]]:
    """One ballot an adapter; the execution client says VALID."""
    reasons = {VoteKind.INVALID: "differs: state_root", VoteKind.ABSTAIN: "timeout: no answer after 60 s"}
    votes = {EXECUTOR: "VALID", **kinds}
    return [ballot(name, VoteKind(kind), reasons.get(VoteKind(kind))) for name, kind in votes.items()]


HONEST = {"revm": "VALID", "ethrex": "VALID", "ethereumjs": "VALID"}


def beginning(number: int) -> list[Event]:
    """From the payload to the witness."""
    block, received = reference(number), tracked(number)
    executed = advance(received, ExecutorAnswered(ExecutorStatus.VALID))
    return [
        PayloadReceived(block, 182, 14_712_345),
        StatusChanged(received, None),
        PayloadExecuted(block, ExecutorStatus.VALID, 0.041, with_witness=True),
        StatusChanged(executed, received),
        WitnessPublished(block, 2_412_000, 0.0031, "engine"),
        StatusChanged(advance(executed, WitnessStored()), executed),
    ]


def judged(number: int, *, expired: bool = False, **kinds: str) -> list[Event]:
    """The whole way of a block on which these votes are cast."""
    block, available = reference(number), tracked(number, BlockStatus.AVAILABLE)
    ballots = said(**(kinds or HONEST))
    votes = tuple(vote for _, vote in ballots)
    decision = decide(quorum_policy(LIVE, required=3), votes, closed=True)
    after = advance(available, Judged(decision.verdict, f"{len(decision.valid)} of 4 lineages say VALID"))
    slow, fast = ballots[-1], ballots[:-1]
    events: list[Event] = [*beginning(number)]
    events += [VoteCast(block, *each) for each in fast]
    events.append(VerdictReached(block, decision, votes[:-1], 0.135, expired=expired))
    if after.status is not available.status:
        events.append(StatusChanged(after, available))
    gated = after.status is not BlockStatus.VERIFIED
    answer = "SYNCING" if gated else "VALID"
    why = f"{decision.verdict}: undecided" if gated else ""
    events.append(GateAnswered("engine", "engine_newPayloadV4", answer, gated, 0.137, why, block.hash))
    events.append(VoteCast(block, *slow, late=True))
    events.append(VerdictReached(block, decision, votes, 0.512, final=True, expired=expired))
    beacon = "503" if gated else "200"
    pattern = "/eth/v1/validator/attestation_data"
    events.append(GateAnswered("beacon", pattern, beacon, gated, 0.0, why, block.hash))
    return events


WHERE = "state_root differs: transaction 3, step 17, pc 0x2a, SLOAD: gas 2100 / 100"


def dispute(number: int) -> list[Event]:
    """Opened, localized, and left to a person; with the misbehaviour, quarantine and rollback of others."""
    block, ballots = reference(number), {"revm": "INVALID", "ethrex": "INVALID"}
    words = [state(block, Mode.PROOF, *ballot(name, VoteKind(kind)), 1000.0) for name, kind in ballots.items()]
    statements = tuple(each for each in words if each is not None)
    opened = Dispute(f"{number}-{block.hash.hex()[:8]}", block, 1000.0, 1600.0, "REJECT", statements)
    unresolved = replace(opened, conclusion=Conclusion.UNRESOLVED, concluded_at=1600.0, reason="nobody could say")
    second = replace(statements[0], kind=VoteKind.VALID, digest=bytes(32))
    return [
        DisputeChanged(opened),
        DisagreementLocalized(Localization(block, Place.STEP, (), (), WHERE, seconds=2.5)),
        DisputeChanged(unresolved),
        DisputeChanged(with_evidence(unresolved, "0011223344556677")),
        AdapterMisbehaved(Misbehaviour(statements[0], second)),
        AdapterQuarantined("revm", "two words on block 108"),
        RolledBack(Rollback("", reference(200), reference(199), RollbackStep.DONE, 1700.0, "forkchoice")),
    ]


def whole() -> list[Event]:
    """Every kind of event, once at least."""
    events: list[Event] = [anchor(99)]
    for number in range(100, 108):
        events += judged(number)
    events += judged(108, revm="INVALID", ethrex="INVALID", ethereumjs="VALID")
    events += judged(109, revm="ABSTAIN", ethrex="VALID", ethereumjs="ABSTAIN", expired=True)
    events += [*beginning(110), WitnessFailed(reference(110), "debug_executionWitness: method not found")]
    events += dispute(108)
    events.append(Alarm("disputed", "block 108: revm, ethrex say INVALID, the execution client says VALID"))
    events.append(Alarm("adapter_down", "ethereumjs has not answered for 5 blocks; it is started anew"))
    events += beginning(111)
    events += [VoteCast(reference(111), *each) for each in said(revm="VALID")]
    return events
