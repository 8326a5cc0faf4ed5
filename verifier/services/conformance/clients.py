"""Who takes part in a run: recorders, in threads of their own, and the adapters, each with so many blocks at once."""

import asyncio
import math
import shutil
import threading
import time
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol

from verifier.domain.result import Result
from verifier.executors.stateless.base import ExecutionRequest, StatelessExecutor
from verifier.executors.stateless.pool import SupervisedAdapter

from .case import Case, Prepared, Recorded, Recorder
from .completion import complete

# What the recorder makes before anybody takes it: few enough that a chain of any length stays out of memory.
BLOCKS_AHEAD = 8


class OpenRecorder(Protocol):
    """Makes a recorder that is closed at the end of the context."""

    def __call__(self) -> AbstractContextManager[Recorder]:
        """Starts it."""


class Recording:
    """Recorders of one client, each with a case at a time, in threads beside the event loop. A context."""

    def __init__(self, recorders: Sequence[Recorder]) -> None:
        self.name = recorders[0].name
        self._recorders = tuple(recorders)
        self._threads = ThreadPoolExecutor(len(recorders), thread_name_prefix="recorder")
        self._idle: asyncio.Queue[Recorder] = asyncio.Queue()
        for recorder in recorders:
            self._idle.put_nowait(recorder)

    def __enter__(self) -> "Recording":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for recorder in self._recorders:
            recorder.interrupt()  # or what is under way would be waited for, which may take minutes
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def complete(self, case: Case, directory: Path) -> Case:
        """The case with every header whole (`completion`). Raises ExecutorError."""
        if not any(block.unstated for block in case.blocks):
            return case
        return await asyncio.get_running_loop().run_in_executor(self._threads, complete, case, directory)

    async def record(self, case: Case, directory: Path) -> AsyncGenerator[Prepared | Recorded, None]:
        """As Recorder.record. The recorder's next case may begin when this one's last block is out.

        Who leaves early has no more use for the directory: it is removed once the recorder has let go of it.
        """
        recorder = await self._idle.get()
        handover = _Handover(asyncio.get_running_loop())
        step: Future[None] = Future()
        step.set_result(None)

        def leave(_: object) -> None:
            if is_cut_off:
                shutil.rmtree(directory, ignore_errors=True)  # it has gone on writing there
            handover.loop.call_soon_threadsafe(self._idle.put_nowait, recorder)

        is_cut_off = False
        try:
            step = self._threads.submit(handover.fill, recorder.record(case, directory))
            async for each in handover.items():
                yield each
            await asyncio.wrap_future(step)
        finally:
            is_cut_off = not step.done()
            handover.leave()
            step.add_done_callback(leave)  # at once, or when the block ends in whose middle this is left


class _Handover:
    """What a recorder makes in a thread, for the event loop: each at once, and no more than some ahead."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._made: asyncio.Queue[Prepared | Recorded | None] = asyncio.Queue()
        self._room = threading.Semaphore(BLOCKS_AHEAD)
        self._left = False

    def fill(self, blocks: Iterator[Prepared | Recorded]) -> None:
        """In the thread. Raises what the recorder raises, after all before it is out."""
        try:
            for each in blocks:
                self._room.acquire()
                if self._left:
                    return
                self.loop.call_soon_threadsafe(self._made.put_nowait, each)
        finally:
            if isinstance(blocks, Generator):  # it may hold something open where it is left early
                blocks.close()
            self.loop.call_soon_threadsafe(self._made.put_nowait, None)

    async def items(self) -> AsyncGenerator[Prepared | Recorded, None]:
        """In the event loop, until the recorder has ended."""
        while (each := await self._made.get()) is not None:
            self._room.release()
            yield each

    def leave(self) -> None:
        """Nobody takes any more."""
        self._left = True
        self._room.release()


@dataclass(eq=False)
class _Span:
    """When a client had a request, by the monotonic clock, in seconds. end: infinity as long as it has it."""

    start: float
    end: float = math.inf

    def overlap(self, other: "_Span") -> float:
        """Seconds in which it had both."""
        return min(self.end, other.end) - max(self.start, other.start)


@dataclass
class Client:
    """One adapter. forks: that it says it knows. places: how many blocks it takes at once.

    A block that takes minutes may keep its client from all others: geth's Go runs no other code while a precompile of
    assembly has to end before garbage is collected. What times out beside such a block is asked again, alone.
    """

    executor: StatelessExecutor
    forks: frozenset[str]
    places: int = 1
    _free: asyncio.Semaphore = field(init=False, repr=False)
    _alone: asyncio.Lock = field(init=False, repr=False, default_factory=asyncio.Lock)
    _under_way: set["_Span"] = field(init=False, repr=False, default_factory=set)
    _overdue: set["_Span"] = field(init=False, repr=False, default_factory=set)

    def __post_init__(self) -> None:
        self._free = asyncio.Semaphore(self.places)

    @classmethod
    def of(cls, adapter: SupervisedAdapter) -> "Client":
        """An adapter that is ready, as it describes itself."""
        description = adapter.description
        assert description is not None, "it is ready"
        return cls(adapter, frozenset(description.forks), description.max_concurrent_requests)

    @property
    def name(self) -> str:
        """The adapter's own."""
        return self.executor.name

    @property
    def lineage(self) -> str:
        """What its votes count for."""
        return self.executor.lineage

    async def execute(self, request: ExecutionRequest) -> Result:
        """As StatelessExecutor.execute; the request's deadline begins when it has a place."""
        async with self._free:
            span = _Span(time.monotonic())
            self._under_way.add(span)
            try:
                result = await self.executor.execute(request)
            finally:
                span.end = time.monotonic()
                self._under_way.discard(span)
        if not result.has_timed_out:
            return result
        others = self._under_way | self._overdue
        # What ended before this began cannot have kept any that is still to time out: all have the same deadline.
        self._overdue = {each for each in self._overdue if each.end > span.start} | {span}
        if not any(span.overlap(each) > request.deadline / 2 for each in others):
            return result
        return await self._execute_alone(request)

    async def _execute_alone(self, request: ExecutionRequest) -> Result:
        taken = 0
        async with self._alone:  # of two, each would have half of the places
            try:
                for _ in range(self.places):
                    await self._free.acquire()
                    taken += 1
                return await self.executor.execute(request)
            finally:
                for _ in range(taken):
                    self._free.release()
