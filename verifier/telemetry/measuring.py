"""The observer that keeps the metrics: what each event counts as."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from verifier.domain.dispute import Conclusion, Dispute
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
from verifier.domain.quorum import Verdict
from verifier.domain.result import AbstentionReason
from verifier.domain.status import BlockStatus, TrackedBlock
from verifier.domain.vote import VoteKind

from .census import Census
from .metrics import MOVES, NOT_MOVED, Metrics
from .redaction import clean

# Seconds. Longer than the adapters' own deadline (60 s): whatever is older was given up, or its answer never came.
GIVEN_UP = 120.0
# Blocks under way that are remembered; a consensus client that syncs sends many at once.
REMEMBERED = 4096
# Different values of a label that comes from outside. One more is counted as OTHER: memory stays bounded.
LABELS = 64
OTHER = "other"


class MetricsObserver:
    """monotonic, now: clocks in seconds, the second since the epoch."""

    def __init__(
        self,
        metrics: Metrics,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._metrics, self._now = metrics, now
        self._census = Census()
        self._executing, self._judging = _UnderWay(monotonic), _UnderWay(monotonic)
        self._verdicts: OrderedDict[bytes, Verdict] = OrderedDict()
        self._conclusions: OrderedDict[bytes, Conclusion] = OrderedDict()
        self._requests, self._alarms, self._adapters = _Bounded(), _Bounded(), _Bounded()
        metrics.watch_under_way("executing", self._executing.count)
        metrics.watch_under_way("judging", self._judging.count)

    def restore(self, blocks: Iterable[TrackedBlock]) -> None:
        """What the ledger holds at the start: it is in the gauges, and in no counter."""
        self._census.restore(blocks)
        self._gauge()

    def notify(self, event: Event) -> None:
        """As Observer.notify."""
        metrics = self._metrics
        match event:
            case PayloadReceived(block):
                metrics.payloads.inc()
                metrics.newest_payload.set(block.number)
                self._executing.enter(block.hash)
            case PayloadExecuted(block, status, seconds):
                metrics.executions.labels(status).inc()
                metrics.execution_seconds.observe(seconds)
                self._executing.leave(block.hash)
            case WitnessPublished(block, size, seconds, source):
                metrics.witness_bytes.observe(size)
                metrics.witness_seconds.labels(source).observe(seconds)
                self._judging.enter(block.hash)
            case WitnessFailed(block):
                metrics.witnesses_failed.inc()
                metrics.holds.labels("no_witness").inc()
                self._judging.leave(block.hash)
            case VoteCast():
                self._vote(event)
            case VerdictReached():
                self._verdict(event)
            case StatusChanged(block, before):
                self._census.apply(event)
                if before is None or before.status is not block.status:
                    metrics.changes.labels(block.status).inc()
                if before is not None:
                    self._executing.leave(block.block.hash)
                self._gauge()
            case GateAnswered():
                request = self._requests.name(event.request)
                metrics.answers.labels(event.gate, request, event.answer, "yes" if event.gated else "no").inc()
                if event.waited > 0:
                    metrics.held_seconds.labels(event.gate).observe(event.waited)
            case DisputeChanged(dispute):
                self._dispute(dispute)
            case DisagreementLocalized(localization):
                metrics.localization_seconds.labels(localization.place).observe(localization.seconds)
            case AdapterMisbehaved(misbehaviour):
                metrics.misbehaviours.labels(self._adapters.name(misbehaviour.first.adapter)).inc()
            case AdapterQuarantined(adapter):
                metrics.quarantined.labels(self._adapters.name(adapter)).set(1)
            case RolledBack(rollback):
                metrics.rollbacks.labels(rollback.moved if rollback.moved in MOVES else NOT_MOVED).inc()
            case Alarm(name):
                name = self._alarms.name(name)
                metrics.alarms.labels(name).inc()
                metrics.last_alarm.labels(name).set(self._now())

    def _dispute(self, dispute: Dispute) -> None:
        """Counted once, though it is told of again when its evidence is kept."""
        before = self._conclusions.pop(dispute.block.hash, None)
        if dispute.conclusion is None:
            return
        if before is not dispute.conclusion:
            self._metrics.disputes.labels(dispute.conclusion).inc()
        self._conclusions[dispute.block.hash] = dispute.conclusion
        if len(self._conclusions) > REMEMBERED:
            self._conclusions.popitem(last=False)

    def _vote(self, event: VoteCast) -> None:
        vote, metrics = event.vote, self._metrics
        metrics.votes.labels(vote.adapter, vote.lineage, vote.kind).inc()
        if event.late:
            metrics.late_votes.labels(vote.adapter, vote.kind).inc()
        if vote.kind is VoteKind.ABSTAIN:
            metrics.abstentions.labels(vote.adapter, abstention_reason(vote.reason)).inc()
        metrics.answer_seconds.labels(vote.adapter).observe(event.result.elapsed_ms / 1000)
        if event.result.adapter_ms is not None:
            metrics.adapter_seconds.labels(vote.adapter).observe(event.result.adapter_ms / 1000)

    def _verdict(self, event: VerdictReached) -> None:
        """A judging is counted once, at its first verdict; what changes until the final one is counted apart."""
        metrics, verdict = self._metrics, event.decision.verdict
        before = self._verdicts.pop(event.block.hash, None)
        if before is None:
            metrics.verdicts.labels(verdict).inc()
            metrics.verdict_seconds.observe(event.seconds)
            metrics.last_verdict.set(self._now())
            if event.expired:
                metrics.missed_deadlines.inc()
            if verdict is Verdict.HOLD:
                metrics.holds.labels("expired" if event.expired else "undecidable").inc()
        elif before is not verdict:
            metrics.turned.labels(before, verdict).inc()
        if verdict is Verdict.ATTEST:
            metrics.newest_attested.set(event.block.number)
        if event.final:
            self._judging.leave(event.block.hash)
            if event.decision.disagreement:
                metrics.disagreements.inc()
        else:
            self._verdicts[event.block.hash] = verdict
            if len(self._verdicts) > REMEMBERED:
                self._verdicts.popitem(last=False)

    def _gauge(self) -> None:
        for status in BlockStatus:
            self._metrics.blocks.labels(status).set(self._census.count(status))
        self._metrics.disputes_open.set(self._census.count(BlockStatus.DISPUTED))


def abstention_reason(reason: str | None) -> str:
    """The code at the start of an abstention's reason; OTHER if it is none that is known."""
    code = (reason or "").partition(":")[0].strip()
    return code if code in set(AbstentionReason) else OTHER


class _UnderWay:
    """Blocks that entered a stage and have not left it, except those that are given up."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entered: OrderedDict[bytes, float] = OrderedDict()

    def enter(self, block_hash: bytes) -> None:
        self._entered[block_hash] = self._clock()
        self._entered.move_to_end(block_hash)
        if len(self._entered) > REMEMBERED:
            self._entered.popitem(last=False)

    def leave(self, block_hash: bytes) -> None:
        self._entered.pop(block_hash, None)

    def count(self) -> float:
        oldest = self._clock() - GIVEN_UP
        for block_hash in [each for each, entered in self._entered.items() if entered < oldest]:
            del self._entered[block_hash]
        return len(self._entered)


class _Bounded:
    """Names that are labels, the first LABELS of them."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def name(self, name: str) -> str:
        name = clean(name)
        if name not in self._names:
            if len(self._names) >= LABELS:
                return OTHER
            self._names.add(name)
        return name
