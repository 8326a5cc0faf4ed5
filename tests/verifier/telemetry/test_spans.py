import socket
import threading

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from verifier.domain.event import Event, GateAnswered, PayloadExecuted, PayloadReceived, WitnessFailed
from verifier.domain.status import ExecutorStatus
from verifier.telemetry import spans
from verifier.telemetry.spans import ANSWERS, Spans, exporting_processor, tracer_provider

from . import story

START = 1_700_000_000_000_000_000  # nanoseconds since the epoch


class Clock:
    """A millisecond passes whenever it is read."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> int:
        self.time += 1_000_000
        return self.time


def drawn(*events: Event) -> list[ReadableSpan]:
    exporter = InMemorySpanExporter()
    observer = Spans(tracer_provider(story.profile(), SimpleSpanProcessor(exporter)), Clock())
    for event in events:
        observer.notify(event)
    observer.close()
    return list(exporter.get_finished_spans())


def one(found: list[ReadableSpan], name: str) -> ReadableSpan:
    (span,) = [each for each in found if each.name == name]
    return span


def test_a_block_is_one_trace_from_payload_to_gate() -> None:
    found = drawn(*story.judged(100))
    root = one(found, "block")
    assert root.parent is None
    assert root.context is not None
    names = sorted(each.name for each in found if each is not root)
    assert names == sorted(
        [f"adapter {name}" for name in story.LIVE]
        + ["execution client", "gate beacon", "gate engine", "verdict", "verdict", "witness"]
    )
    for each in found:
        assert each.context is not None
        assert each.context.trace_id == root.context.trace_id
        if each is not root:
            assert each.parent is not None
            assert each.parent.span_id == root.context.span_id
    assert root.attributes is not None
    assert root.attributes["block.number"] == 100
    assert root.attributes["verdict"] == "ATTEST"
    assert root.status.status_code is StatusCode.UNSET
    assert root.resource.attributes["service.name"] == "execution-verifier"


def test_a_span_is_as_long_as_what_it_stands_for() -> None:
    found = drawn(*story.judged(100))
    lengths = {each.name: ((each.end_time or 0) - (each.start_time or 0)) / 1e6 for each in found}
    assert lengths["execution client"] == 41
    assert lengths["adapter revm"] == pytest.approx(63.2)
    assert lengths["gate engine"] == 137


def test_two_blocks_are_two_traces() -> None:
    found = drawn(*story.judged(100), *story.judged(101))
    assert len({each.context.trace_id for each in found if each.context}) == 2


def test_what_speaks_against_a_block_is_an_error() -> None:
    found = drawn(*story.judged(100, revm="INVALID", ethrex="INVALID", ethereumjs="VALID"))
    assert one(found, "adapter revm").status.status_code is StatusCode.ERROR
    assert one(found, "adapter ethereumjs").status.status_code is StatusCode.UNSET
    assert one(found, "block").status.description == "REJECT"
    assert one(found, "gate engine").status.description == "REJECT: undecided"


def test_a_block_that_nobody_can_judge_ends() -> None:
    failed = drawn(*story.beginning(100)[:4], WitnessFailed(story.reference(100), "no such method"))
    assert one(failed, "witness").status.description == "no such method"
    block = story.reference(100)
    syncing = drawn(PayloadReceived(block, 1, 1), PayloadExecuted(block, ExecutorStatus.SYNCING, 0.01))
    assert one(syncing, "block").end_time


def test_a_block_that_is_judged_again_stays_one_trace(caplog: pytest.LogCaptureFixture) -> None:
    found = drawn(*story.judged(100), *story.judged(100))
    assert len([each for each in found if each.name == "block"]) == 1
    assert not caplog.records  # nothing was done to a span that had ended


def test_traces_stay_small() -> None:
    answer = GateAnswered("beacon", "/x", "503", True, 0.0, "", story.block_hash(1))
    found = drawn(PayloadReceived(story.reference(1), 1, 1), *[answer] * (ANSWERS * 3))
    assert len(found) == ANSWERS + 1
    many = [PayloadReceived(story.reference(each), 1, 1) for each in range(spans.REMEMBERED * 2)]
    assert len(drawn(*many)) == spans.REMEMBERED * 2


def test_an_answer_about_no_known_block_draws_nothing() -> None:
    assert drawn(GateAnswered("beacon", "/x", "200", False, 0.0)) == []


def test_without_an_endpoint_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was made")

    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1/")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    observer = Spans(tracer_provider(story.profile()))
    for event in story.whole():
        observer.notify(event)
    observer.close()


def test_an_endpoint_that_fails_disturbs_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(spans, "EXPORT_TIMEOUT", 0.05)
    with socket.socket() as unused:  # bound and not listening: whoever connects is refused
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}/v1/traces"
        observer = Spans(tracer_provider(story.profile(), exporting_processor(endpoint)))
        for number in range(200):
            for event in story.judged(number):
                observer.notify(event)
        observer.close()
    from_exporter = [each for each in caplog.records if "exporter" in each.name]
    assert len(from_exporter) == 1  # of several batches
    assert not [each for each in threading.enumerate() if each.name == "spans-close"]
