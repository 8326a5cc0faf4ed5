"""Prometheus metrics: what there is, with names, labels and buckets. docs/metrics.md tells what each means.

A registry of its own, so that nothing is shared with what else runs in the process. Labels that are known beforehand
exist from the start with 0, so that an alert sees the first increase.
"""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from verifier.domain.dispute import Conclusion
from verifier.domain.localization import Place
from verifier.domain.quorum import Verdict
from verifier.domain.result import AbstentionReason
from verifier.domain.status import BlockStatus, ExecutorStatus
from verifier.domain.vote import VoteKind

from .profile import Profile

# Seconds. From 5 ms, an empty block among fast clients, to 12 s, a slot; dense where attestations are made (4 s).
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
# Bytes. A witness of a mainnet block has about 300 kB to 10 MB.
BYTES = tuple(float(2**power) for power in range(12, 27, 2))
# Seconds. A localization traces what clients execute in milliseconds; it is given up after minutes.
ANALYSIS_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 240.0)
NOT_MOVED = "not"
MOVES = ("forkchoice", "setHead", "already", NOT_MOVED)
STAGES = ("executing", "waiting", "judging")
HOLD_CAUSES = ("expired", "undecidable", "no_witness")


class Metrics:
    """All metrics, in one registry. `measuring.MetricsObserver` keeps them, `server` exposes them."""

    def __init__(self, profile: Profile) -> None:
        registry = CollectorRegistry()
        self.registry = registry
        ProcessCollector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"verifier_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"verifier_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: Iterable[float], *labels: str) -> Histogram:
            return Histogram(f"verifier_{name}", text, labels, registry=registry, buckets=tuple(buckets))

        # What runs here.
        self.build = gauge("build_info", "The version that runs; always 1.", "version")
        self.mode = gauge("mode_info", "The configured mode; always 1.", "mode", "hold_answer", "input")
        self.adapter = gauge("adapter_info", "A configured voter; always 1.", "adapter", "lineage", "role")
        self.quorum_required = gauge("quorum_required", "n: lineages that must say VALID.")
        self.quorum_rejecting = gauge("quorum_rejecting", "Lineages whose INVALID rejects a block.")
        self.quorum_lineages = gauge("quorum_lineages", "m: lineages that are configured to count.")
        self.hold_limit = gauge("hold_limit_seconds", "For how long the engine gate holds an answer at most.")

        # The way of a block.
        self.payloads = counter("payloads_total", "Payloads that came in for the first time.")
        self.executions = counter("payload_executions_total", "Answers of the execution client.", "status")
        self.execution_seconds = histogram(
            "payload_execution_seconds", "What the execution client took for a payload.", SECONDS
        )
        self.witnesses_failed = counter("witness_failures_total", "Blocks for which no witness could be had.")
        self.witness_bytes = histogram("witness_bytes", "Size of the published witness file.", BYTES)
        self.witness_seconds = histogram(
            "witness_publish_seconds", "From the execution client's answer to the published witness.", SECONDS, "source"
        )
        self.under_way = gauge(
            "blocks_under_way", "Blocks being executed, waiting for their turn, or being judged now.", "stage"
        )

        self.waiting_bytes = gauge("waiting_bytes", "What waiting blocks hold: payloads and witnesses.")

        # Votes and verdicts.
        self.answer_seconds = histogram(
            "adapter_answer_seconds",
            "From asking an adapter to its answer, as the verifier saw it.",
            SECONDS,
            "adapter",
        )
        self.adapter_seconds = histogram(
            "adapter_execution_seconds", "What an adapter says it took itself.", SECONDS, "adapter"
        )
        self.votes = counter("votes_total", "Votes.", "adapter", "lineage", "vote")
        self.late_votes = counter("late_votes_total", "Votes after the verdict or its deadline.", "adapter", "vote")
        self.abstentions = counter("abstentions_total", "Votes that say nothing of the block.", "adapter", "reason")
        self.verdicts = counter("verdicts_total", "Blocks by their first verdict.", "verdict")
        self.turned = counter("verdicts_turned_total", "Verdicts that slower votes changed.", "before", "verdict")
        self.verdict_seconds = histogram("verdict_seconds", "From the payload to its first verdict.", SECONDS)
        self.disagreements = counter("disagreements_total", "Blocks on which results contradict one another.")
        self.missed_deadlines = counter("missed_deadlines_total", "Blocks not settled by their deadline.")
        self.holds = counter("holds_total", "Blocks that were not decided when they should have been.", "cause")
        self.newest_payload = gauge("newest_payload_block", "Number of the block whose payload came in last.")
        self.newest_attested = gauge("newest_attested_block", "Number of the block attested last.")
        self.last_verdict = gauge("last_verdict_timestamp_seconds", "When the last verdict was reached (Unix time).")

        # Blocks and disputes.
        self.blocks = gauge("blocks", "Blocks above the anchor by status.", "status")
        self.changes = counter("block_status_changes_total", "Blocks that came to a status.", "status")
        self.disputes_open = gauge("disputes_open", "Blocks that are disputed now.")
        self.disputes = counter("disputes_total", "Disputes that were concluded.", "conclusion")
        self.localization_seconds = histogram(
            "localization_seconds", "What finding where a disagreement begins took.", ANALYSIS_SECONDS, "place"
        )
        self.misbehaviours = counter("misbehaviours_total", "Adapters' second, different words on a block.", "adapter")
        self.quarantined = gauge("quarantined", "1 while the adapter's votes weigh nothing.", "adapter")
        self.rollbacks = counter(
            "rollbacks_total", "Rollbacks that came to their end, by how the execution client moved.", "moved"
        )

        # The gates.
        self.answers = counter("gate_answers_total", "What the gates answered.", "gate", "request", "answer", "gated")
        self.held_seconds = histogram(
            "gate_held_seconds", "For how long answers were held that were held at all.", SECONDS, "gate"
        )

        # This process.
        self.alarms = counter("alarms_total", "Alarms raised.", "alarm")
        self.last_alarm = gauge("last_alarm_timestamp_seconds", "When it was raised last (Unix time).", "alarm")
        self.observer_failures = counter("observer_failures_total", "Events that an observer failed on.", "observer")
        self.viewers = gauge("status_viewers", "Status pages that are open.")
        self.viewers_dropped = counter("status_viewers_dropped_total", "Status pages dropped for reading too slowly.")

        self._describe(profile)

    def _describe(self, profile: Profile) -> None:
        policy = profile.policy
        self.build.labels(profile.version).set(1)
        self.mode.labels(profile.mode, profile.hold, profile.input).set(1)
        self.quorum_required.set(policy.required)
        self.quorum_rejecting.set(policy.rejecting)
        self.quorum_lineages.set(len(policy.lineages))
        self.hold_limit.set(profile.hold_seconds)
        for adapter, (lineage, role) in profile.roles.items():
            self.adapter.labels(adapter, lineage, role).set(1)
            self.misbehaviours.labels(adapter)
            self.quarantined.labels(adapter)
            for vote in VoteKind:
                self.votes.labels(adapter, lineage, vote)
                self.late_votes.labels(adapter, vote)
            for reason in AbstentionReason:
                self.abstentions.labels(adapter, reason)
        for verdict in Verdict:
            self.verdicts.labels(verdict)
        for before, verdict in ((a, b) for a in Verdict for b in Verdict if a is not b):
            self.turned.labels(before, verdict)
        for executor_status in ExecutorStatus:
            self.executions.labels(executor_status)
        for status in BlockStatus:
            self.blocks.labels(status)
            self.changes.labels(status)
        for stage in STAGES:
            self.under_way.labels(stage)
        for cause in HOLD_CAUSES:
            self.holds.labels(cause)
        for conclusion in Conclusion:
            self.disputes.labels(conclusion)
        for place in Place:
            self.localization_seconds.labels(place)
        for moved in MOVES:
            self.rollbacks.labels(moved)
        for gate in ("engine", "beacon"):
            self.held_seconds.labels(gate)

    def count_failure(self, observer: str) -> None:
        """An observer failed on an event."""
        self.observer_failures.labels(observer).inc()

    def watch_under_way(self, stage: str, count: Callable[[], float]) -> None:
        """From now on `count` is asked for the stage's gauge at every scrape."""
        self.under_way.labels(stage).set_function(count)

    def watch_waiting(self, count: Callable[[], float], held: Callable[[], float]) -> None:
        """From now on every scrape asks how many blocks wait to be judged, and how many bytes they hold."""
        self.watch_under_way("waiting", count)
        self.waiting_bytes.set_function(held)
