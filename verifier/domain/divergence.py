"""Several clients' traces of one block, compared in lock-step: where the first of them departs from the others.

Streams arrive in batches of any size. What is compared is dropped at once, so that nobody needs more memory than its
own next batch and the last few steps.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .result import Abstention, BrokenRule, Computed, Outcome
from .trace import COMPARED_STEP_FIELDS, Step, TraceItem, TransactionEnd, TransactionStart
from .vote import COMPARED_FIELDS


@dataclass(frozen=True, slots=True)
class Ended:
    """Where a stream has nothing more: what came of the block."""

    outcome: Computed | BrokenRule


Event = TraceItem | Ended


@dataclass(frozen=True, slots=True)
class Group:
    """Adapters that agree, and what they all have at the place of a divergence."""

    adapters: tuple[str, ...]
    event: Event


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first place where the streams differ.

    transaction: its index, or None before the first. step: index in the transaction from 0; behind its last step where
    the transaction's end, or what follows it, differs. groups: the largest first. fields: what differs between any two
    of them, "event" where one has a step and another an end. before: the last steps that all had, the oldest first.
    """

    transaction: int | None
    step: int
    groups: tuple[Group, ...]
    fields: tuple[str, ...]
    before: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class TransactionTrace:
    """A transaction that all traced alike. steps: how many. gas_used: gas."""

    index: int
    hash: bytes
    steps: int
    succeeded: bool
    gas_used: int


@dataclass
class _Stream:
    """One adapter's events that are not compared yet, from `position` on."""

    events: list[Event] = field(default_factory=list)
    position: int = 0
    outcome: Outcome | None = None

    @property
    def front(self) -> Event | None:
        """The next event; None where more has to be read, or it abstained."""
        if self.position < len(self.events):
            return self.events[self.position]
        return None if self.outcome is None or isinstance(self.outcome, Abstention) else Ended(self.outcome)

    @property
    def available(self) -> int:
        """How many items are at hand."""
        return len(self.events) - self.position


class TraceComparison:
    """Compares the streams of `adapters`: `feed` what came, `finish` with the outcome, `advance` over what is there.

    context: how many agreed steps a divergence shows. An adapter that abstains stands apart from there on, with its
    reason. One that stops at a broken rule earlier than the others diverges only if the block breaks no rule for them:
    clients look for broken rules at different times.
    """

    def __init__(self, adapters: Iterable[str], context: int = 0) -> None:
        self.apart: dict[str, Abstention] = {}
        self.steps = 0
        self.divergence: Divergence | None = None
        self.finished = False
        self._streams = {name: _Stream() for name in adapters}
        self._before: deque[Step] = deque(maxlen=context)
        self._start: TransactionStart | None = None
        self._steps_in_transaction = 0
        self._stopped: dict[str, BrokenRule] = {}
        self._suspected: Divergence | None = None

    @property
    def compared(self) -> tuple[str, ...]:
        """The adapters that do not stand apart."""
        return (*self._streams, *self._stopped)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The adapters whose next batch, or outcome, `advance` waits for."""
        if self.finished:
            return ()
        return tuple(name for name, stream in self._streams.items() if stream.outcome is None and stream.front is None)

    def feed(self, adapter: str, items: Sequence[TraceItem]) -> None:
        """Takes the next items of an adapter's stream."""
        stream = self._streams.get(adapter)
        if stream is not None:
            stream.events = [*stream.events[stream.position :], *items]
            stream.position = 0

    def finish(self, adapter: str, outcome: Outcome) -> None:
        """Takes the end of an adapter's stream."""
        if adapter in self._streams:
            self._streams[adapter].outcome = outcome

    def advance(self) -> list[TransactionTrace]:
        """Compares as far as every stream has come; returns the transactions that were completed alike."""
        completed: list[TransactionTrace] = []
        while not self.finished:
            self._set_abstained_apart()
            if not self._streams:
                self._conclude()
            elif any(stream.front is None for stream in self._streams.values()):
                break
            else:
                self._compare(completed)
        return completed

    def _set_abstained_apart(self) -> None:
        for name, stream in list(self._streams.items()):
            if not stream.available and isinstance(stream.outcome, Abstention):
                self.apart[name] = stream.outcome
                del self._streams[name]

    def _compare(self, completed: list[TransactionTrace]) -> None:
        streams = tuple(self._streams.values())
        count = min(stream.available for stream in streams)
        if not count:
            self._compare_ends()
            return
        first = streams[0].events[streams[0].position : streams[0].position + count]
        if any(stream.events[stream.position : stream.position + count] != first for stream in streams[1:]):
            # Rare: only the batch with the divergence is gone through one by one, or one with unknown accounts.
            fronts = [stream.events[stream.position] for stream in streams]
            if differing_fields(fronts):
                self._diverge()
                return
            count, first = 1, [next(filter(_is_complete, fronts), fronts[0])]
        for stream in streams:
            stream.position += count
        for item in first:
            match item:
                case Step():
                    self._steps_in_transaction += 1
                    self._before.append(item)
                case TransactionStart():
                    self._start, self._steps_in_transaction = item, 0
                    self._before.clear()
                case TransactionEnd():
                    start = self._start.hash if self._start else b""
                    self.steps += item.steps
                    completed.append(TransactionTrace(item.index, start, item.steps, item.succeeded, item.gas_used))

    def _compare_ends(self) -> None:
        ended = {name: stream for name, stream in self._streams.items() if not stream.available}
        broken = {name: each.outcome for name, each in ended.items() if isinstance(each.outcome, BrokenRule)}
        if len(broken) == len(self._streams):
            self._stopped |= broken
            self._streams.clear()
        elif broken:
            self._suspected = self._suspected or self._divergence_here()
            self._stopped |= broken
            for name in broken:
                del self._streams[name]
        elif len(ended) == len(self._streams) and len(self._groups()) == 1:
            self._conclude()
        else:
            self._diverge()

    def _conclude(self) -> None:
        """Everything that could be compared is: a broken rule that only some found is a divergence."""
        self.finished = True
        if self._streams:
            self.divergence = self._suspected

    def _diverge(self) -> None:
        self.finished = True
        self.divergence = self._divergence_here()

    def _divergence_here(self) -> Divergence:
        groups = self._groups()
        return Divergence(
            self._start.index if self._start else None,
            self._steps_in_transaction,
            groups,
            differing_fields([group.event for group in groups]),
            tuple(self._before),
        )

    def _groups(self) -> tuple[Group, ...]:
        members: list[tuple[Event, list[str]]] = []
        for name, stream in self._streams.items():
            event = stream.front
            assert event is not None
            alike = next((names for other, names in members if not differing_fields([event, other])), None)
            if alike is None:
                members.append((event, [name]))
            else:
                alike.append(name)
        members.sort(key=lambda each: -len(each[1]))
        return tuple(Group(tuple(names), event) for event, names in members)


def differing_fields(events: Sequence[Event]) -> tuple[str, ...]:
    """The fields in which events at the same place differ; ("event",) where they are not of one kind."""
    described = [_described(event) for event in events]
    if any(kind is not described[0][0] for kind, _ in described):
        return ("event",)
    names = list(described[0][1]) if described else []
    return tuple(name for name in names if _differ(name, [fields[name] for _, fields in described]))


def _differ(name: str, values: Sequence[object]) -> bool:
    if name == "account":  # b"": the client does not tell it
        values = [value for value in values if value]
    return any(value != values[0] for value in values)


def _is_complete(event: Event) -> bool:
    return not isinstance(event, Step) or bool(event.account)


def _described(event: Event) -> tuple[type, Mapping[str, object]]:
    """What kind of event it is, and what is compared of it."""
    match event:
        case Step():
            names: tuple[str, ...] = COMPARED_STEP_FIELDS
        case TransactionStart():
            names = ("index", "hash")
        case TransactionEnd():
            names = ("index", "succeeded", "gas_used", "steps")
        case Ended(outcome=Computed() as computed):
            return Computed, {name: getattr(computed, name) for name in (*COMPARED_FIELDS, "post_state")}
        case Ended():
            return BrokenRule, {}
    return type(event), {name: getattr(event, name) for name in names}
