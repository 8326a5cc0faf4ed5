"""Structured logs: how every line of this process is written, and what is said of blocks and gates.

One line a verdict, INFO for an attested block, WARNING for everything that an operator may have to act on.
"""

import logging
import sys
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TextIO, TypeVar

import structlog

from verifier.domain.block import BlockReference
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
from verifier.domain.statement import Statement
from verifier.domain.status import BlockStatus, ExecutorStatus, TrackedBlock
from verifier.domain.vote import Vote, VoteKind

from .census import Census
from .profile import Profile
from .redaction import drop_secrets

# Gate answers that are remembered as already logged: fifty validator clients ask for the same block again and again.
REPEATS = 1024


Key = TypeVar("Key")
Value = TypeVar("Value")


class LogFormat(StrEnum):
    """json: one object a line. console: key=value, in colour on a terminal."""

    JSON = "json"
    CONSOLE = "console"


def configure_logging(form: LogFormat, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Everything that is logged in this process, by structlog or the standard library, goes to `stream` (stderr) so.

    May be called again; the last call counts.
    """
    stream = sys.stderr if stream is None else stream
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    renderer: structlog.typing.Processor
    if form is LogFormat.JSON:
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
        )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            drop_secrets,  # after tracebacks have become text
            renderer,
        ],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for other in root.handlers[:]:
        root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


class EventLog:
    """The observer that writes events to the log."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._census = Census()
        self._said: OrderedDict[tuple[object, ...], None] = OrderedDict()
        self._verdicts: OrderedDict[bytes, tuple[Verdict, bool]] = OrderedDict()
        self._log: structlog.stdlib.BoundLogger = structlog.get_logger("verifier.events")

    def restore(self, blocks: Iterable[TrackedBlock]) -> None:
        """What the ledger holds at the start, so that the state of the gate is known from the first verdict on."""
        self._census.restore(blocks)

    def notify(self, event: Event) -> None:
        """As Observer.notify."""
        match event:
            case PayloadReceived(block, transactions, gas_used):
                self._log.debug("payload", **_name(block), transactions=transactions, gas=gas_used)
            case PayloadExecuted(block, status, seconds, with_witness):
                level = logging.WARNING if status is ExecutorStatus.INVALID else logging.DEBUG
                fields = {"status": str(status), "ms": _ms(seconds), "with_witness": with_witness}
                self._log.log(level, "executed", **_name(block), **fields)
            case WitnessPublished(block, size, seconds, source):
                self._log.debug("witness", **_name(block), bytes=size, ms=_ms(seconds), source=source)
            case WitnessFailed(block, reason):
                self._log.warning("no witness", **_name(block), reason=reason)
            case VoteCast(block, _, vote, late):
                level = logging.WARNING if vote.kind is VoteKind.INVALID else logging.DEBUG
                self._log.log(level, "vote", **_name(block), **_vote(vote), late=late)
            case VerdictReached():
                self._verdict(event)
            case StatusChanged(block):
                self._census.apply(event)
                loud = block.status in (BlockStatus.DISPUTED, BlockStatus.INVALID)
                level = logging.WARNING if loud else logging.INFO if block.anchor else logging.DEBUG
                self._log.log(
                    level, "anchor" if block.anchor else str(block.status), **_name(block.block), why=block.why
                )
            case GateAnswered():
                self._answer(event)
            case DisputeChanged(dispute):
                fields = {"dispute": dispute.id, "why": dispute.why, "reason": dispute.reason}
                fields |= {"evidence": dispute.evidence, "statements": len(dispute.statements)}
                self._log.warning(f"dispute {dispute.conclusion or 'open'}", **_name(dispute.block), **fields)
            case DisagreementLocalized(localization):
                fields = {"place": str(localization.place), "where": localization.text}
                fields |= {"ms": _ms(localization.seconds)}
                self._log.warning("localized", **_name(localization.block), **fields)
            case AdapterMisbehaved(misbehaviour):
                first, second = misbehaviour.first, misbehaviour.second
                fields = {"adapter": first.adapter, "first": _statement(first), "second": _statement(second)}
                self._log.warning("misbehaviour", **_name(first.block), **fields)
            case AdapterQuarantined(adapter, why):
                self._log.warning("quarantine", adapter=adapter, why=why)
            case RolledBack(rollback):
                to = None if rollback.target is None else str(rollback.target)
                fields = {"dispute": rollback.dispute, "to": to, "moved": rollback.moved, "note": rollback.note}
                self._log.warning("rolled back", **_name(rollback.block), **fields)
            case Alarm(name, text):
                self._log.warning("alarm", alarm=name, text=text)

    def _verdict(self, event: VerdictReached) -> None:
        """The first verdict of a block is a line; a later one only if it, or whether all agree, is another."""
        decision = event.decision
        before = self._verdicts.pop(event.block.hash, None)
        now = (decision.verdict, decision.disagreement)
        if not event.final:
            _remember(self._verdicts, event.block.hash, now)
        timed = [vote for vote in event.votes if vote.elapsed_ms]
        slowest = max(timed, key=lambda vote: vote.elapsed_ms, default=None)
        fields = {
            "verdict": str(decision.verdict),
            "valid": _names(decision.valid),
            "invalid": _names(decision.invalid),
            "abstaining": _names(decision.abstaining),
            "ms": _ms(event.seconds),
            "slowest": f"{slowest.adapter} {slowest.elapsed_ms:.0f} ms" if slowest else "",
            "gate": self._census.gate_state(self._profile.mode, event.block.hash, decision.verdict),
        }
        if event.expired:
            fields["expired"] = True
        if decision.disagreement:
            fields["disagreement"] = True
        if before == now:
            level = logging.DEBUG
        else:
            quiet = decision.verdict is Verdict.ATTEST and not decision.disagreement
            level = logging.INFO if quiet else logging.WARNING
            if before is not None:
                fields["was"] = str(before[0])
        self._log.log(level, "verdict", **_name(event.block), **fields)

    def _answer(self, event: GateAnswered) -> None:
        """What a gate changed is a WARNING once for each block and request; the rest is for debugging."""
        key = (event.gate, event.request, event.answer, event.block_hash)
        level = logging.WARNING if event.gated and key not in self._said else logging.DEBUG
        if event.gated:
            _remember(self._said, key, None)
        fields: dict[str, object] = {"gate": event.gate, "request": event.request, "answer": event.answer}
        if event.block_hash is not None:
            fields["hash"] = f"0x{event.block_hash.hex()}"
        self._log.log(level, "gate", **fields, gated=event.gated, waited_ms=_ms(event.waited), reason=event.reason)


def _remember(memory: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > REPEATS:
        memory.popitem(last=False)


def _name(block: BlockReference) -> dict[str, object]:
    return {"block": block.number, "hash": f"0x{block.hash.hex()}"}


def _names(lineages: Iterable[str]) -> str:
    return ",".join(sorted(lineages))


def _vote(vote: Vote) -> dict[str, object]:
    differences: Sequence[str] = [f"{each.field}: {each.header} / {each.computed}" for each in vote.differences[:8]]
    fields: dict[str, object] = {"adapter": vote.adapter, "lineage": vote.lineage, "vote": str(vote.kind)}
    fields |= {"ms": round(vote.elapsed_ms, 1), "reason": vote.reason or ""}
    return fields | ({"differences": differences} if differences else {})


def _statement(statement: Statement) -> str:
    return f"{statement.kind} 0x{statement.digest.hex()[:8]} {statement.summary}".strip()


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
