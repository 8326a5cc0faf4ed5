"""What happened to each block of the demonstration, heard as events."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from verifier.domain.event import Alarm, Event, GateAnswered, StatusChanged, VerdictReached, VoteCast
from verifier.domain.quorum import Decision
from verifier.domain.vote import Vote


@dataclass
class BlockRecord:
    """Of one block: its newest decision, everybody's newest vote, its status and why. final: all have answered."""

    decision: Decision | None = None
    votes: dict[str, Vote] = field(default_factory=dict)
    status: str = ""
    final: bool = False


@dataclass(frozen=True, slots=True, order=True)
class GateAnswer:
    """What a gate answered to one kind of request; see `verifier.domain.event.GateAnswered`."""

    gate: str
    request: str
    answer: str
    gated: bool


@dataclass
class Record:
    """An observer. gates: how often each answer was given. changed: called after every event that concerns a block."""

    blocks: dict[bytes, BlockRecord] = field(default_factory=dict)
    alarms: list[Alarm] = field(default_factory=list)
    gates: Counter[GateAnswer] = field(default_factory=Counter)
    changed: Callable[[], None] = lambda: None

    def of(self, block_hash: bytes) -> BlockRecord:
        """What is kept of a block, nothing so far if it was not heard of."""
        return self.blocks.setdefault(block_hash, BlockRecord())

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
            case Alarm():
                self.alarms.append(event)
                return
            case GateAnswered(gate, request, answer, gated):
                self.gates[GateAnswer(gate, request, answer, gated)] += 1
                return
            case _:
                return
        self.changed()
