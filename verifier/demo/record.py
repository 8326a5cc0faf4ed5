"""What happened to each block of the demonstration, heard as events."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from verifier.domain.dispute import Dispute
from verifier.domain.event import (
    AdapterQuarantined,
    Alarm,
    DisagreementLocalized,
    DisputeChanged,
    Event,
    GateAnswered,
    RolledBack,
    StatusChanged,
    VerdictReached,
    VoteCast,
)
from verifier.domain.localization import Localization
from verifier.domain.quorum import Decision
from verifier.domain.rollback import Rollback
from verifier.domain.vote import Vote


@dataclass
class BlockRecord:
    """Of one block: its newest decision, everybody's newest vote, its status and why. final: all have answered.

    dispute, localization, rollback: the newest of each, where there is one.
    """

    decision: Decision | None = None
    votes: dict[str, Vote] = field(default_factory=dict)
    status: str = ""
    final: bool = False
    dispute: Dispute | None = None
    localization: Localization | None = None
    rollback: Rollback | None = None


@dataclass(frozen=True, slots=True, order=True)
class GateAnswer:
    """What a gate answered to one kind of request; see `verifier.domain.event.GateAnswered`."""

    gate: str
    request: str
    answer: str
    gated: bool


@dataclass
class Record:
    """An observer. gates: how often each answer was given. quarantined: by whom, why. Waits for what has changed."""

    blocks: dict[bytes, BlockRecord] = field(default_factory=dict)
    alarms: list[Alarm] = field(default_factory=list)
    gates: Counter[GateAnswer] = field(default_factory=Counter)
    quarantined: dict[str, str] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def of(self, block_hash: bytes) -> BlockRecord:
        """What is kept of a block, nothing so far if it was not heard of."""
        return self.blocks.setdefault(block_hash, BlockRecord())

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Returns as soon as it holds, or after that time; whether it holds."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def notify(self, event: Event) -> None:
        """As Observer.notify."""
        match event:
            case VoteCast(block, _, vote):
                self.of(block.hash).votes[vote.adapter] = vote
            case VerdictReached(block, decision, votes, _, final):
                record = self.of(block.hash)
                record.decision, record.final = decision, final
                record.votes |= {vote.adapter: vote for vote in votes}
            case StatusChanged(after):
                self.of(after.block.hash).status = f"{after.status}: {after.why}"
            case DisputeChanged(dispute):
                self.of(dispute.block.hash).dispute = dispute
            case DisagreementLocalized(localization):
                self.of(localization.block.hash).localization = localization
            case RolledBack(rollback):
                self.of(rollback.block.hash).rollback = rollback
            case AdapterQuarantined(adapter, why):
                self.quarantined[adapter] = why
            case Alarm():
                self.alarms.append(event)
                return
            case GateAnswered(gate, request, answer, gated):
                self.gates[GateAnswer(gate, request, answer, gated)] += 1
                return
            case _:
                return
        self._changed.set()
