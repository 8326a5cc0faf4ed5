"""Block after block: generated, built, executed by all clients, compared, noted; what differs is kept and made smaller.

Generating and building come one after the other, in a thread of their own, as each draft may depend on where the ones
before it led. The clients work on several blocks at once. The journal is in the order of the blocks' numbers.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from verifier.domain.conformance import ExaminedCase
from verifier.errors import ExecutorError
from verifier.services.conformance.case import Case
from verifier.services.conformance.known import KnownDifferences
from witness.errors import EncodingError
from witness.header import keccak256

from .amsterdam import Complete
from .comparison import Divergence, compare
from .construction import Built, Constructor
from .coverage import Coverage
from .draft import Draft
from .findings import Finding, Findings, content_of
from .generation import Generator, Origin
from .minimising import Minimiser
from .state import Entry, State

T = TypeVar("T")
_Examined = tuple[Built, ExaminedCase | None]
AHEAD = 24  # blocks that are built before the clients are through with the oldest: what keeps the fast ones busy
# Trials to make a difference smaller, and seconds: a trial is a block that all clients execute.
TRIALS, MINIMISING = 400, 120.0
MOST_EXAMPLES = 3  # of one difference, where what is left of them is not the same; all others are counted


class Examiner(Protocol):
    """Has a case executed by all clients."""

    async def examine_case(self, case: Case) -> ExaminedCase:
        """What each says."""


class Constructing(Protocol):
    """Builds drafts."""

    def build(self, draft: Draft, name: str) -> Built:
        """The block. Raises ExecutorError."""


@dataclass(frozen=True)
class Limits:
    """When it ends: seconds from now, and the number of blocks in all, None for no limit."""

    seconds: float | None = None
    blocks: int | None = None


@dataclass
class Progress:
    """What was done in this run. Whoever listens may read it at any time."""

    blocks: int = 0
    gas: int = 0
    unbuilt: int = 0
    seconds: float = 0.0
    coverage: Coverage = field(default_factory=Coverage)


@dataclass(frozen=True)
class _Next:
    origin: Origin
    draft: Draft
    built: Built | None
    new: tuple[str, ...]
    failure: str = ""


class Campaign:
    """state: with what was done before. told: is called with every new finding, and every block."""

    def __init__(
        self,
        seed: str,
        generator: Generator,
        examiner: Examiner,
        state: State,
        known: KnownDifferences,
        *,
        constructor: Constructing | None = None,
        complete: Complete | None = None,
        found: Callable[[Finding], None] = lambda _: None,
        done: Callable[[Progress], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seed = seed
        self._generator = generator
        self._examiner = examiner
        self._state = state
        self._known = known
        self._constructor = constructor or Constructor()
        self._complete = complete
        self._told_found, self._told_done = found, done
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="builder")
        self._corpus: list[int] = []
        self._drafts: dict[int, Draft] = {}
        self.findings = Findings(state)
        self.progress = Progress()
        self._deadline: float | None = None
        for entry in state.entries:
            self._restore(entry)

    async def run(self, limits: Limits) -> None:
        """Until a limit is reached. Raises StateError, and what the examiner raises."""
        started = self._clock()
        self._deadline = None if limits.seconds is None else started + limits.seconds
        under_way: deque[tuple[_Next, asyncio.Task[_Examined] | None]] = deque()
        try:
            await self._minimise_rest()
            number = len(self._state.entries)
            while self._has_time() and (limits.blocks is None or number < limits.blocks):
                following = await self._in_thread(self._make, number)
                number += 1
                task = None
                if following.built is not None:
                    task = asyncio.create_task(self._examine(following.built))
                under_way.append((following, task))
                while under_way and (len(under_way) > AHEAD or under_way[0][1] is None or under_way[0][1].done()):
                    await self._conclude(*under_way.popleft(), started)
            while under_way:
                await self._conclude(*under_way.popleft(), started)
        finally:
            for _, task in under_way:
                if task is not None:
                    task.cancel()
            await asyncio.gather(*(task for _, task in under_way if task is not None), return_exceptions=True)
            self._thread.shutdown(wait=True, cancel_futures=True)
            self.progress.seconds = self._clock() - started

    def _has_time(self) -> bool:
        return self._deadline is None or self._clock() < self._deadline

    def _restore(self, entry: Entry) -> None:
        """Puts an earlier run's block where it was."""
        coverage = self.progress.coverage
        coverage.features.update(entry.new)
        if entry.new:
            origin = Origin(entry.number, entry.parents)
            self._drafts[entry.number] = self._generator.draft(origin, self._parents(entry.parents))
            self._corpus.append(entry.number)
        _count(coverage, entry)
        if entry.differs:
            self.findings.count(entry)

    def _parents(self, numbers: Sequence[int]) -> list[Draft]:
        return [self._drafts[number] for number in numbers]

    def draft(self, origin: Origin) -> Draft:
        """The draft of a block of this campaign."""
        return self._generator.draft(origin, self._parents(origin.parents))

    def _make(self, number: int) -> _Next:
        origin = self._generator.choose(number, self._corpus)
        draft = self.draft(origin)
        try:
            built = self._constructor.build(draft, f"{self._seed}-{number}")
        except (ExecutorError, EncodingError) as error:
            return _Next(origin, draft, None, (), f"{type(error).__name__}: {error}")
        new = self.progress.coverage.add(built.features)
        if new:
            self._corpus.append(number)
            self._drafts[number] = draft
        return _Next(origin, draft, built, new)

    async def _conclude(self, following: _Next, task: asyncio.Task[_Examined] | None, started: float) -> None:
        origin, built = following.origin, following.built
        if built is None or task is None:
            entry = Entry(origin.number, origin.parents, following.draft.fork, failure=following.failure)
            self._note(entry, started)
            return
        built, examined = await task
        divergence = None if examined is None else compare(examined, built.label, self._known)
        entry = Entry(
            number=origin.number,
            parents=origin.parents,
            fork=following.draft.fork,
            hash=keccak256(built.block).hex(),
            gas=built.gas_used,
            label=built.label,
            kinds=tuple(sorted({following.draft.transactions[index].kind for index in built.included})),
            new=following.new,
            differs="" if divergence is None else divergence.key,
            known=divergence is not None and bool(divergence.known),
        )
        self._note(entry, started)
        if divergence is not None and examined is not None:
            await self._keep(entry, following.draft, built, examined, divergence)

    def _note(self, entry: Entry, started: float) -> None:
        self._state.add(entry)
        progress = self.progress
        progress.blocks += 1
        progress.gas += entry.gas
        progress.unbuilt += bool(entry.failure)
        progress.seconds = self._clock() - started
        _count(progress.coverage, entry)
        self._told_done(progress)

    async def _keep(
        self, entry: Entry, draft: Draft, built: Built, examined: ExaminedCase, divergence: Divergence
    ) -> None:
        self.findings.count(entry)
        if divergence.known or self.findings.examples(divergence.key) >= MOST_EXAMPLES:
            return
        finding = self.findings.keep(entry, divergence, content_of(draft, built, examined))
        await self._minimise(finding, draft, divergence)
        if finding in self.findings.all:
            self._told_found(finding)

    async def _minimise_rest(self) -> None:
        """What an earlier run found and had no time to make smaller."""
        for finding in self.findings.unminimised():
            entry = self._state.entries[finding.number]
            draft = self.draft(Origin(entry.number, entry.parents))
            divergence, _, _ = await self._compared(draft, finding.number)
            if divergence is not None:
                await self._minimise(finding, draft, divergence)

    async def _minimise(self, finding: Finding, draft: Draft, divergence: Divergence) -> None:
        async def still(candidate: Draft) -> bool:
            found, _, _ = await self._compared(candidate, finding.number)
            return found is not None and found.key == divergence.key

        ends = self._clock() + MINIMISING
        minimiser = Minimiser(draft, still, TRIALS, lambda: self._clock() < ends and self._has_time())
        smallest = await minimiser.run()
        found, built, examined = await self._compared(smallest, finding.number)
        if found is None or built is None or examined is None or found.key != divergence.key:
            self.findings.note_flaky(finding)
            return
        if self._has_time() or minimiser.tried:
            self.findings.keep_smaller(finding, content_of(smallest, built, examined), minimiser.tried)

    async def _compared(self, draft: Draft, number: int) -> tuple[Divergence | None, Built | None, ExaminedCase | None]:
        try:
            built = await self._in_thread(self._constructor.build, draft, f"{self._seed}-{number}")
        except (ExecutorError, EncodingError):
            return None, None, None
        built, examined = await self._examine(built)
        if examined is None:
            return None, built, None
        return compare(examined, built.label, self._known), built, examined

    async def _examine(self, built: Built) -> _Examined:
        """The block with what a client fills in, if it needs that, and what all say; None where it is not filled in."""
        if built.case.blocks[0].unstated:
            case = None if self._complete is None else await self._complete(built.case)
            if case is None:
                return built, None
            built = replace(built, case=case, block=case.blocks[0].encoded)
        return built, await self._examiner.examine_case(built.case)

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)


def _count(coverage: Coverage, entry: Entry) -> None:
    if not entry.failure:
        coverage.forks[entry.fork] += 1
        coverage.kinds.update(entry.kinds)
        coverage.labels[entry.label] += 1
