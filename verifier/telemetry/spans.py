"""OpenTelemetry spans: one trace a block, from its payload to the verdict and what the gates answered.

block ─┬─ execution client
       ├─ witness
       ├─ adapter geth, adapter revm, …
       ├─ verdict
       └─ gate engine, gate beacon
Nothing is sent anywhere unless an endpoint is configured.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Span, StatusCode, Tracer
from opentelemetry.util.types import AttributeValue

from verifier.domain.block import BlockReference
from verifier.domain.event import (
    Event,
    GateAnswered,
    PayloadExecuted,
    PayloadReceived,
    VerdictReached,
    VoteCast,
    WitnessFailed,
    WitnessPublished,
)
from verifier.domain.quorum import Verdict
from verifier.domain.status import ExecutorStatus
from verifier.domain.vote import VoteKind

from .profile import Profile
from .redaction import clean

SERVICE = "execution-verifier"
# Blocks whose trace can still get spans. Their last votes come within a minute, a gate's answers within an epoch.
REMEMBERED = 256
# Gate answers in one trace: fifty validator clients may ask for the same block many times.
ANSWERS = 32
# Spans that wait to be sent; beyond it they are dropped (a collector that is away costs this much memory and no more).
QUEUE = 4096
# Seconds. A collector is near; what it does not take by then is dropped.
EXPORT_TIMEOUT = 5.0
# Seconds between two lines about a collector that does not take spans.
SILENCE = 60.0
# Seconds. The end of the process does not wait longer for a collector.
CLOSE_TIMEOUT = 5.0

Attributes = dict[str, AttributeValue]


def exporting_processor(endpoint: str) -> SpanProcessor:
    """Sends spans to `endpoint` (OTLP over HTTP, the whole URL with /v1/traces) from a thread of its own."""
    reporting = logging.getLogger(OTLPSpanExporter.__module__)
    if not any(isinstance(each, _Seldom) for each in reporting.filters):
        reporting.addFilter(_Seldom())
    return BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_TIMEOUT), max_queue_size=QUEUE)


def tracer_provider(profile: Profile, *processors: SpanProcessor) -> TracerProvider:
    """A provider of its own, not the process's global one; without processors it keeps and sends nothing."""
    resource = Resource.create({SERVICE_NAME: SERVICE, SERVICE_VERSION: profile.version})
    provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
    for processor in processors:
        provider.add_span_processor(processor)
    return provider


class _Seldom(logging.Filter):
    """Lets one record through in SILENCE: a collector that is away is worth a line, not one every second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock, self._next = clock, 0.0

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - its signature
        """As logging.Filter.filter."""
        if self._clock() < self._next:
            return False
        self._next = self._clock() + SILENCE
        return True


@dataclass
class _Trace:
    root: Span
    answers: int = 0


class Spans:
    """The observer that draws spans. now: nanoseconds since the epoch, as OpenTelemetry wants them."""

    def __init__(self, provider: TracerProvider, now: Callable[[], int] = time.time_ns) -> None:
        self._provider, self._now = provider, now
        self._tracer: Tracer = provider.get_tracer("verifier.telemetry")
        self._traces: OrderedDict[bytes, _Trace] = OrderedDict()

    def notify(self, event: Event) -> None:
        """As Observer.notify."""
        match event:
            case PayloadReceived(block, transactions, gas_used):
                known = self._trace(block)
                if known.root.is_recording():
                    known.root.set_attributes({"block.transactions": transactions, "block.gas_used": gas_used})
            case PayloadExecuted(block, status, seconds, with_witness):
                attributes: Attributes = {"execution.status": str(status), "execution.with_witness": with_witness}
                failed = str(status) if status is ExecutorStatus.INVALID else ""
                self._span(block, "execution client", seconds, attributes, failed)
                if status is not ExecutorStatus.VALID:
                    self._end(block.hash)
            case WitnessPublished(block, size, seconds, source):
                self._span(block, "witness", seconds, {"witness.bytes": size, "witness.source": source})
            case WitnessFailed(block, reason):
                self._span(block, "witness", 0.0, {}, clean(reason))
                self._end(block.hash)
            case VoteCast(block, result, vote, late):
                attributes = {"adapter": vote.adapter, "lineage": vote.lineage, "vote": str(vote.kind), "late": late}
                attributes["vote.reason"] = clean(vote.reason or "")
                if result.adapter_ms is not None:
                    attributes["adapter.own_seconds"] = result.adapter_ms / 1000
                failed = clean(vote.reason or "INVALID") if vote.kind is VoteKind.INVALID else ""
                self._span(block, f"adapter {vote.adapter}", result.elapsed_ms / 1000, attributes, failed)
            case VerdictReached():
                self._verdict(event)
            case GateAnswered():
                self._answer(event)
            case _:
                pass

    def close(self) -> None:
        """Ends what is open and sends it, for CLOSE_TIMEOUT at most."""
        for block_hash in list(self._traces):
            self._end(block_hash)
        self._traces.clear()
        closing = threading.Thread(target=self._provider.shutdown, name="spans-close", daemon=True)
        closing.start()
        closing.join(CLOSE_TIMEOUT)

    def _verdict(self, event: VerdictReached) -> None:
        decision = event.decision
        attributes: Attributes = {
            "verdict": str(decision.verdict),
            "verdict.valid": sorted(decision.valid),
            "verdict.invalid": sorted(decision.invalid),
            "verdict.abstaining": sorted(decision.abstaining),
            "verdict.seconds": event.seconds,
            "verdict.final": event.final,
            "verdict.expired": event.expired,
            "verdict.disagreement": decision.disagreement,
        }
        failed = "" if decision.verdict is Verdict.ATTEST else str(decision.verdict)
        self._span(event.block, "verdict", 0.0, attributes, failed)
        root = self._trace(event.block).root
        if root.is_recording():
            root.set_attributes(attributes)
            if event.final and failed:  # only the last word: a status once set to OK or ERROR would stay
                root.set_status(StatusCode.ERROR, failed)
        if event.final:
            self._end(event.block.hash)

    def _answer(self, event: GateAnswered) -> None:
        """An answer about a block of which there is a trace; the first ANSWERS of them."""
        known = self._traces.get(event.block_hash or b"")
        if known is None or known.answers >= ANSWERS:
            return
        known.answers += 1
        reason = clean(event.reason)
        attributes: Attributes = {"gate.request": event.request, "gate.answer": event.answer, "gate.gated": event.gated}
        attributes["gate.reason"] = reason
        self._child(known, f"gate {event.gate}", event.waited, attributes, reason if event.gated else "")

    def _trace(self, block: BlockReference) -> _Trace:
        known = self._traces.get(block.hash)
        if known is None:
            attributes: Attributes = {
                "block.number": block.number,
                "block.hash": f"0x{block.hash.hex()}",
                "chain.id": block.chain_id,
            }
            root = self._tracer.start_span(
                "block", trace.set_span_in_context(trace.INVALID_SPAN), attributes=attributes, start_time=self._now()
            )
            known = self._traces[block.hash] = _Trace(root)
            if len(self._traces) > REMEMBERED:
                oldest = next(iter(self._traces))
                self._end(oldest)
                del self._traces[oldest]
        return known

    def _span(self, block: BlockReference, name: str, seconds: float, attributes: Attributes, failed: str = "") -> None:
        self._child(self._trace(block), name, seconds, attributes, failed)

    def _child(self, known: _Trace, name: str, seconds: float, attributes: Attributes, failed: str) -> None:
        """A span that ends now and began `seconds` ago."""
        end = self._now()
        context = trace.set_span_in_context(known.root)
        span = self._tracer.start_span(
            name, context, attributes=attributes, start_time=end - max(0, round(seconds * 1_000_000_000))
        )
        if failed:
            span.set_status(StatusCode.ERROR, failed)
        span.end(end)

    def _end(self, block_hash: bytes) -> None:
        """Ends the block's own span; what comes later still belongs to its trace."""
        root = self._traces[block_hash].root
        if root.is_recording():
            root.end(self._now())
