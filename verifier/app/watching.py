"""What watches the sidecar: log, metrics, spans and status page behind one observer, as configured."""

import logging
from collections.abc import Iterable
from contextlib import AsyncExitStack

from verifier.configuration.sections import Configuration, TelemetrySection
from verifier.domain.status import TrackedBlock
from verifier.telemetry.board import Board
from verifier.telemetry.feed import Feed
from verifier.telemetry.logs import EventLog, LogFormat, configure_logging
from verifier.telemetry.measuring import MetricsObserver
from verifier.telemetry.metrics import Metrics
from verifier.telemetry.observers import Observers
from verifier.telemetry.profile import Profile
from verifier.telemetry.readiness import Readiness
from verifier.telemetry.server import StatusServer
from verifier.telemetry.spans import Spans, exporting_processor, tracer_provider

from .voters import Voters

LEVELS = logging.getLevelNamesMapping()


def configure_logs(telemetry: TelemetrySection) -> None:
    """From now on every line of this process is written as configured."""
    configure_logging(LogFormat(telemetry.log_format.value), LEVELS[telemetry.log_level.upper()])


class Watching:
    """observers: who hears of every event. url: of the status page, "" where it is off."""

    def __init__(self, values: Configuration, voters: Voters) -> None:
        self._values = values
        self.profile = Profile(
            mode=values.mode.gate,
            policy=voters.policy,
            executor=values.execution.name,
            late={each.name: each.lineage for each in voters.late},
            hold=values.engine.hold_answer,
            hold_seconds=values.engine.hold_seconds,
            input=values.mode.execution,
        )
        self.url = ""
        self.metrics = Metrics(self.profile)
        self._log = EventLog(self.profile)
        self._feed = Feed(Board(self.profile))
        self._measuring = MetricsObserver(self.metrics)
        self.observers = Observers(self._log, self._measuring, self._feed)

    async def enter(self, stack: AsyncExitStack, readiness: Readiness) -> None:
        """Serves and exports until the stack ends. Raises StatusServerError."""
        telemetry = self._values.telemetry
        if telemetry.otlp_endpoint is not None:
            provider = tracer_provider(self.profile, exporting_processor(telemetry.otlp_endpoint))
            stack.callback(provider.shutdown)
            spans = Spans(provider)
            stack.callback(spans.close)
            self.observers.add(spans)
        if telemetry.listen is not None:
            host, port = telemetry.listen.host, telemetry.listen.port
            server = await stack.enter_async_context(
                StatusServer(self._feed, self.metrics, readiness, host=host, port=port)
            )
            self.url = server.url

    def restore(self, blocks: Iterable[TrackedBlock]) -> None:
        """What the ledger holds at the start."""
        known = tuple(blocks)
        self._log.restore(known)
        self._measuring.restore(known)
        self._feed.restore(known)
