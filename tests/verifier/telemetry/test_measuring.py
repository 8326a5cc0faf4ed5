"""What events count as, and that docs/metrics.md has it all."""

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from verifier.domain.block import BlockReference
from verifier.domain.event import Alarm, GateAnswered, PayloadReceived, StatusChanged, VerdictReached, WitnessPublished
from verifier.domain.quorum import Decision, Verdict
from verifier.domain.status import BlockStatus
from verifier.domain.vote import VoteKind
from verifier.telemetry.measuring import GIVEN_UP, LABELS, MetricsObserver, abstention_reason
from verifier.telemetry.metrics import Metrics

from . import story

DOCS = Path(__file__).parents[3] / "docs"
NOW = 1_700_000_000.0


class Clock:
    time = 0.0

    def __call__(self) -> float:
        return self.time


class Measured:
    """Metrics that have heard events."""

    def __init__(self, *events: Any) -> None:
        self.metrics, self.clock = Metrics(story.profile()), Clock()
        self.observer = MetricsObserver(self.metrics, self.clock, lambda: NOW)
        self.tell(*events)

    def tell(self, *events: Any) -> None:
        for event in events:
            self.observer.notify(event)

    def value(self, name: str, **labels: str) -> float:
        value = self.metrics.registry.get_sample_value(f"verifier_{name}", labels)
        assert value is not None, (name, labels)
        return value


def decided(verdict: Verdict, *, final: bool = False, expired: bool = False, seconds: float = 0.1) -> VerdictReached:
    decision = Decision(verdict, True, frozenset(), frozenset(), frozenset(), disagreement=False)
    return VerdictReached(story.reference(1), decision, (), seconds, final, expired)


def test_an_honest_block() -> None:
    measured = Measured(story.anchor(99), *story.judged(100))
    value = measured.value
    assert value("payloads_total") == 1
    assert value("payload_executions_total", status="VALID") == 1
    assert value("payload_execution_seconds_sum") == pytest.approx(0.041)
    assert value("witness_bytes_sum") == 2_412_000
    assert value("witness_publish_seconds_count", source="engine") == 1
    assert value("votes_total", adapter="revm", lineage="revm", vote="VALID") == 1
    assert value("late_votes_total", adapter="ethereumjs", vote="VALID") == 1
    assert value("adapter_answer_seconds_sum", adapter="revm") == pytest.approx(0.0632)
    assert value("adapter_execution_seconds_sum", adapter="revm") == pytest.approx(0.8 * 0.0632)
    assert value("verdicts_total", verdict="ATTEST") == 1
    assert value("verdict_seconds_sum") == pytest.approx(0.135)  # the first verdict's, once
    assert value("verdict_seconds_count") == 1
    assert value("last_verdict_timestamp_seconds") == NOW
    assert value("newest_payload_block") == value("newest_attested_block") == 100
    assert value("blocks", status="verified") == 2
    assert value("block_status_changes_total", status="executed") == 1
    assert value("blocks_under_way", stage="judging") == value("blocks_under_way", stage="executing") == 0
    labels = {"gate": "engine", "request": "engine_newPayloadV4", "answer": "VALID", "gated": "no"}
    assert value("gate_answers_total", **labels) == 1
    assert value("gate_held_seconds_sum", gate="engine") == pytest.approx(0.137)
    assert value("gate_held_seconds_count", gate="beacon") == 0


def test_what_goes_wrong() -> None:
    value = Measured(*story.whole()).value
    assert value("abstentions_total", adapter="revm", reason="timeout") == 1
    assert value("holds_total", cause="expired") == value("missed_deadlines_total") == 1
    assert value("holds_total", cause="no_witness") == value("witness_failures_total") == 1
    assert value("disagreements_total") == 1
    assert value("disputes_open") == value("blocks", status="disputed") == 1
    assert value("alarms_total", alarm="adapter_down") == 1
    assert value("last_alarm_timestamp_seconds", alarm="disputed") == NOW
    assert value("blocks_under_way", stage="judging") == 1  # block 111


def test_a_verdict_is_counted_once_and_what_changes_it_apart() -> None:
    measured = Measured(
        decided(Verdict.HOLD, expired=True, seconds=6.0), decided(Verdict.ATTEST), decided(Verdict.ATTEST)
    )
    measured.tell(decided(Verdict.REJECT, final=True))
    assert measured.value("verdicts_total", verdict="HOLD") == 1
    assert measured.value("verdicts_total", verdict="ATTEST") == 0
    assert measured.value("verdicts_turned_total", before="HOLD", verdict="ATTEST") == 1
    assert measured.value("verdicts_turned_total", before="ATTEST", verdict="REJECT") == 1
    assert measured.value("verdict_seconds_sum") == 6.0
    measured.tell(decided(Verdict.ATTEST, final=True))  # judged again
    assert measured.value("verdicts_total", verdict="ATTEST") == 1


def test_a_dispute_is_counted_when_it_is_concluded_and_once() -> None:
    measured = Measured(*story.dispute(108))
    assert measured.value("disputes_total", conclusion="unresolved") == 1
    assert measured.value("localization_seconds_sum", place="step") == 2.5
    assert measured.value("misbehaviours_total", adapter="revm") == 1
    assert measured.value("quarantined", adapter="revm") == 1
    assert measured.value("quarantined", adapter="ethrex") == 0
    assert measured.value("rollbacks_total", moved="forkchoice") == 1


def test_a_block_that_never_ends_is_given_up() -> None:
    measured = Measured(
        PayloadReceived(story.reference(1), 1, 1), WitnessPublished(story.reference(2), 1, 0.1, "debug")
    )
    assert measured.value("blocks_under_way", stage="executing") == 1
    assert measured.value("blocks_under_way", stage="judging") == 1
    measured.clock.time += GIVEN_UP + 1
    assert measured.value("blocks_under_way", stage="executing") == 0
    assert measured.value("blocks_under_way", stage="judging") == 0


def test_what_the_ledger_held_is_in_the_gauges_and_in_no_counter() -> None:
    measured = Measured()
    measured.observer.restore([story.tracked(1, BlockStatus.DISPUTED), story.tracked(2, BlockStatus.VERIFIED)])
    assert measured.value("disputes_open") == measured.value("blocks", status="verified") == 1
    assert measured.value("block_status_changes_total", status="disputed") == 0
    concluded = story.tracked(1, BlockStatus.INVALID)
    measured.tell(StatusChanged(concluded, story.tracked(1, BlockStatus.DISPUTED)))
    assert measured.value("disputes_open") == 0


def test_labels_that_come_from_outside_are_bounded_and_printable() -> None:
    measured = Measured(*(GateAnswered("engine", f"x_{each}", "pass", False, 0) for each in range(LABELS * 3)))
    measured.tell(*(Alarm(f"\ud800{each}", "") for each in range(LABELS * 3)))
    text = generate_latest(measured.metrics.registry).decode()
    assert len(re.findall("^verifier_gate_answers_total{", text, re.MULTILINE)) == LABELS + 1
    assert len(re.findall("^verifier_alarms_total{", text, re.MULTILINE)) == LABELS + 1
    labels = {"gate": "engine", "request": "other", "answer": "pass", "gated": "no"}
    assert measured.value("gate_answers_total", **labels) == LABELS * 2


def test_alerts_see_the_first_increase() -> None:
    measured = Measured()
    for vote in VoteKind:
        assert measured.value("votes_total", adapter="eels", lineage="eels", vote=vote) == 0
    assert measured.value("verdicts_total", verdict="REJECT") == 0
    assert measured.value("holds_total", cause="no_witness") == 0


def test_what_is_configured() -> None:
    value = Measured().value
    assert value("build_info", version="0.1.0") == 1
    assert value("mode_info", mode="every-block", hold_answer="syncing", input="proof") == 1
    assert (value("quorum_required"), value("quorum_rejecting"), value("quorum_lineages")) == (3, 2, 4)
    assert value("adapter_info", adapter="eels", lineage="eels", role="late") == 1
    assert value("hold_limit_seconds") == 6


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("timeout: after 60 s", "timeout"),
        ("crashed", "crashed"),
        ("strange: x", "other"),
        (None, "other"),
        ("", "other"),
    ],
)
def test_the_reason_of_an_abstention(reason: str | None, code: str) -> None:
    assert abstention_reason(reason) == code


def described() -> dict[str, tuple[str, frozenset[str]]]:
    """name → (type, labels), of everything that is exposed after all kinds of events, but what the process has."""
    measured = Measured(*story.whole())
    measured.metrics.count_failure("Feed")
    families = text_string_to_metric_families(generate_latest(measured.metrics.registry).decode())
    found = {}
    for family in families:
        if family.name.startswith("process_") or family.name.endswith("_created"):
            continue
        labels = frozenset(label for sample in family.samples for label in sample.labels) - {"le"}
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = (family.type, labels)
    return found


def test_the_documentation_has_every_metric_with_its_type_and_labels() -> None:
    rows = re.findall(
        r"^\| `(verifier_\w+)` \| (\w+) \| (.*?)\| (.+) \|$", (DOCS / "metrics.md").read_text(), re.MULTILINE
    )
    documented = {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _ in rows}
    assert documented == described()


def test_names_follow_the_conventions() -> None:
    """https://prometheus.io/docs/practices/naming/: base units, `_total` for counters and for nothing else."""
    for name, (kind, _) in described().items():
        assert re.fullmatch(r"verifier_[a-z][a-z_]*[a-z]", name)
        assert name.endswith("_total") == (kind == "counter")
        assert not re.search(r"_(ms|milliseconds|minutes|kilobytes|mb)(_|$)", name)
        if kind == "histogram":
            assert name.endswith(("_seconds", "_bytes"))


def test_a_block_reference_is_no_label() -> None:
    """Numbers and hashes as labels would be a series a block."""
    text = generate_latest(Measured(*story.whole()).metrics.registry).decode()
    assert story.block_hash(100).hex() not in text
    assert str(BlockReference(1, 108, story.block_hash(108))) not in text
