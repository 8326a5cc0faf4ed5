"""What happens to blocks and at the gates: logs, metrics, spans and the status page are fed from these alone.

Durations in seconds, as Prometheus wants them; hashes 32 bytes.
"""

from dataclasses import dataclass
from typing import Protocol

from .block import BlockReference
from .dispute import Dispute
from .localization import Localization
from .quorum import Decision
from .result import Result
from .rollback import Rollback
from .statement import Misbehaviour
from .status import ExecutorStatus, TrackedBlock
from .vote import Vote


@dataclass(frozen=True, slots=True)
class PayloadReceived:
    """A payload came in for the first time."""

    block: BlockReference
    transactions: int
    gas_used: int


@dataclass(frozen=True, slots=True)
class PayloadExecuted:
    """The execution client answered for a payload. with_witness: the witness came with the same answer."""

    block: BlockReference
    status: ExecutorStatus
    seconds: float
    with_witness: bool = False


@dataclass(frozen=True, slots=True)
class WitnessPublished:
    """The block's witness file is there. size: bytes. source: which way it came ("engine", "debug", "embedded")."""

    block: BlockReference
    size: int
    seconds: float
    source: str


@dataclass(frozen=True, slots=True)
class WitnessFailed:
    """No witness could be had or published, so nobody can judge the block. reason: one line."""

    block: BlockReference
    reason: str


@dataclass(frozen=True, slots=True)
class VoteCast:
    """One adapter's result and what it was read as. late: after the verdict was settled or its deadline."""

    block: BlockReference
    result: Result
    vote: Vote
    late: bool = False


@dataclass(frozen=True, slots=True)
class VerdictReached:
    """The verdict on a block. seconds: since its payload came in. final: every adapter has answered or been given up.

    expired: the deadline passed before it was settled.
    """

    block: BlockReference
    decision: Decision
    votes: tuple[Vote, ...]
    seconds: float
    final: bool = False
    expired: bool = False


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """A block's status is another one; `before` is None for a block that is new."""

    block: TrackedBlock
    before: TrackedBlock | None


@dataclass(frozen=True, slots=True)
class GateAnswered:
    """A gate answered. gate: "engine" or "beacon". request: the method or path pattern. answer: one word.

    gated: the answer is not what lies behind the gate, or in monitor mode would not be. waited: seconds held.
    block_hash: the block that it was about, where one is known.
    """

    gate: str
    request: str
    answer: str
    gated: bool
    waited: float
    reason: str = ""
    block_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class DisputeChanged:
    """A dispute was opened, taken up again at the start, or concluded, or its evidence is kept; stored before."""

    dispute: Dispute


@dataclass(frozen=True, slots=True)
class DisagreementLocalized:
    """Where a disagreement begins is known, as far as it could be found."""

    localization: Localization


@dataclass(frozen=True, slots=True)
class AdapterMisbehaved:
    """An adapter gave two words on one block that cannot both be what it computed."""

    misbehaviour: Misbehaviour


@dataclass(frozen=True, slots=True)
class AdapterQuarantined:
    """An adapter's votes weigh nothing from now on; told at the start too, of those in quarantine. why: one line."""

    adapter: str
    why: str


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A rollback came to its end. Whether the execution client followed stands in it."""

    rollback: Rollback


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that an operator must look at. name: a stable word (docs/operations.md explains each)."""

    name: str
    text: str


Event = (
    PayloadReceived
    | PayloadExecuted
    | WitnessPublished
    | WitnessFailed
    | VoteCast
    | VerdictReached
    | StatusChanged
    | GateAnswered
    | DisputeChanged
    | DisagreementLocalized
    | AdapterMisbehaved
    | AdapterQuarantined
    | RolledBack
    | Alarm
)


class Observer(Protocol):
    """Hears every event, at once, in the order in which they happen. Must be quick and never raise."""

    def notify(self, event: Event) -> None:
        """One event."""
