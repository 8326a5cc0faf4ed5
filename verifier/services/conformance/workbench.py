"""What one worker process works with: a recorder and adapters of its own, and the loop that keeps them all busy."""

import asyncio
import logging
import tempfile
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from verifier.domain.conformance import CaseName, Difference, ExaminedCase, ReasonClass, differences
from verifier.domain.result import Mode, Outcome
from verifier.errors import AdapterUnavailableError
from verifier.executors.stateless.base import ExecutionRequest
from verifier.executors.stateless.manifest import Manifest
from verifier.executors.stateless.pool import AdapterPool, SupervisedAdapter
from verifier.services.sources import SCRATCH
from witness.file import write_witness_file
from witness.model import BlockWitness

from .batch import Batch, fetch
from .case import Case, LoadFailure
from .clients import Client, OpenRecorder, Recording
from .examination import DEADLINE, WINDOW, ExaminationOptions, examine
from .journal import to_line
from .reasons import classes_of_exception
from .suite import load_cases

log = logging.getLogger(__name__)

# Tests that are read at a time, in a thread beside the loop, and tests under way: enough that the recorder is always
# ahead of the clients.
TESTS_AT_A_TIME = 8
TESTS_UNDER_WAY = 24
# Attempts to start an adapter: where several workers start theirs on few cores, one may not be warm in time at first.
STARTS = 3


@dataclass(frozen=True)
class WorkbenchSettings:
    """What a worker needs to know; it goes to other processes, and other machines.

    takes: which tests are wanted. recorders: how many, each with a test at a time. scratch: a directory for witness
    files, None for a temporary one. of_exception: the tests' word on an invalid block → classes.
    """

    manifests: tuple[Manifest, ...]
    open_recorder: OpenRecorder
    takes: Callable[[CaseName], bool]
    recorders: int = 1
    mode: Mode = Mode.PROOF
    deadline: float = DEADLINE
    window: int = WINDOW
    keep: Path | None = None
    scratch: Path | None = None
    of_exception: Callable[[str], frozenset[ReasonClass]] = classes_of_exception


@dataclass(frozen=True, slots=True)
class ExaminedBatch:
    """A batch that is done. lines: of the journal, one a test, in the order of the file. found: known or not."""

    batch: Batch
    lines: tuple[str, ...]
    found: tuple[Difference, ...]


class Workbench:
    """An async context: recorder and adapters are started, and stopped at its end."""

    def __init__(self, settings: WorkbenchSettings) -> None:
        self._settings = settings
        self._exits = AsyncExitStack()
        self._room = asyncio.Semaphore(TESTS_UNDER_WAY)

    async def __aenter__(self) -> "Workbench":
        settings = self._settings
        try:
            base = settings.scratch or (SCRATCH if SCRATCH.is_dir() else None)
            scratch = self._exits.enter_context(tempfile.TemporaryDirectory(prefix="verifier-worker-", dir=base))
            self._scratch = Path(scratch)
            recorders = [self._exits.enter_context(settings.open_recorder()) for _ in range(settings.recorders)]
            self._recording = self._exits.enter_context(Recording(recorders))
            pool = await self._exits.enter_async_context(AdapterPool(settings.manifests))
            await asyncio.gather(*map(_started, pool.supervised))
            self._clients = [Client.of(adapter) for adapter in pool.supervised]
            self._options = ExaminationOptions(
                self._scratch,
                settings.mode,
                settings.deadline,
                settings.keep,
                settings.of_exception,
                room=asyncio.Semaphore(settings.window),
            )
        except BaseException:
            await self._exits.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exits.aclose()

    async def examine(self, batch: Batch) -> ExaminedBatch:
        """Everything of the batch that is wanted. Several batches may be under way."""
        under_way: list[asyncio.Task[ExaminedCase]] = []
        with tempfile.TemporaryDirectory(dir=self._scratch) as directory:
            try:
                async for case in self._cases(batch, Path(directory)):
                    await self._room.acquire()
                    task = asyncio.create_task(self._examine(case))
                    task.add_done_callback(lambda _: self._room.release())
                    under_way.append(task)
                examined = await asyncio.gather(*under_way)
            finally:
                for task in under_way:
                    task.cancel()
                await asyncio.gather(*under_way, return_exceptions=True)
        found = tuple(each for case in examined for each in differences(case))
        return ExaminedBatch(batch, tuple(to_line(case) for case in examined), found)

    async def examine_case(self, case: Case) -> ExaminedCase:
        """One test that is in no file. Several may be under way."""
        return await examine(case, self._recording, self._clients, self._options)

    async def compute(self, name: str, content: BlockWitness, pre_state_root: bytes) -> Outcome:
        """What one client makes of a block. name: its adapter's, which is among those that were started."""
        client = next(each for each in self._clients if each.name == name)
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            path = write_witness_file(content, Path(folder), sync=False)
            request = ExecutionRequest(path, content.hash, pre_state_root, self._settings.deadline)
            return (await client.execute(request)).outcome

    async def _examine(self, case: Case | LoadFailure) -> ExaminedCase:
        if isinstance(case, LoadFailure):
            if case.left_out:
                return ExaminedCase(case.name, skipped={"": case.reason})
            return ExaminedCase(case.name, failure=case.reason)
        try:
            return await examine(case, self._recording, self._clients, self._options)
        except Exception as error:  # of ours: it must not end a run of hours, nor pass unseen
            log.exception("test=%s event=failed", case.name)
            return ExaminedCase(case.name, failure=f"{type(error).__name__}: {error}")

    async def _cases(self, batch: Batch, directory: Path) -> AsyncGenerator[Case | LoadFailure, None]:
        path = await asyncio.to_thread(fetch, batch, directory)
        cases = self._wanted(batch, path)
        try:
            while some := await asyncio.to_thread(_some, cases):
                for each in some:
                    yield each
        except Exception as error:  # as above
            log.exception("path=%s event=failed", batch.path)
            yield LoadFailure(CaseName(batch.path, "", "", ""), f"{type(error).__name__}: {error}")

    def _wanted(self, batch: Batch, path: Path) -> Iterator[Case | LoadFailure]:
        part = Part(batch, self._settings.takes)
        return (case for case in load_cases(path, batch.path, part.takes) if part.has(case))


class Part:
    """Which tests of a file are in a batch: every `parts`-th of those that are wanted, told before they are parsed."""

    def __init__(self, batch: Batch, takes: Callable[[CaseName], bool]) -> None:
        self._batch = batch
        self._takes = takes
        self._wanted = 0
        self._mine: set[CaseName] = set()

    def takes(self, name: CaseName) -> bool:
        """Whether a test is in the batch. Asked once a test, in the order of the file."""
        if not self._takes(name):
            return False
        self._wanted += 1
        if (self._wanted - 1) % self._batch.parts != self._batch.part:
            return False
        self._mine.add(name)
        return True

    def has(self, case: Case | LoadFailure) -> bool:
        """Whether a test, or what could not be loaded and may not have been asked for, is in the batch."""
        return case.name in self._mine or (isinstance(case, LoadFailure) and self._batch.part == 0)


def _some(cases: Iterator[Case | LoadFailure]) -> Sequence[Case | LoadFailure]:
    return tuple(islice(cases, TESTS_AT_A_TIME))


async def _started(adapter: SupervisedAdapter) -> None:
    """Waits until it is ready. Raises AdapterUnavailableError."""
    process, reason = adapter.process, ""
    for _ in range(STARTS):
        if await process.wait_ready():
            return
        reason = process.reason
        await process.wait_change()
    raise AdapterUnavailableError(f"{adapter.name} cannot be started: {reason}")


class WorkbenchThread:
    """A workbench with an event loop in a thread of its own, for callers that have none. A context."""

    def __init__(self, settings: WorkbenchSettings) -> None:
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="workbench", daemon=True)
        self._bench: Workbench | None = None
        self._under_way: set[asyncio.Task[Any]] = set()

    def __enter__(self) -> "WorkbenchThread":
        self._thread.start()
        try:
            self._bench = self._run(self._started()).result()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._run(self._stopped()).result()
        finally:
            self._end()

    def submit(self, batch: Batch) -> "Future[ExaminedBatch]":
        """Begins with a batch."""
        return self._run(self._examine(batch))

    async def _examine(self, batch: Batch) -> ExaminedBatch:
        task = asyncio.current_task()
        assert self._bench is not None
        assert task is not None
        self._under_way.add(task)
        try:
            return await self._bench.examine(batch)
        finally:
            self._under_way.discard(task)

    async def _started(self) -> Workbench:
        return await Workbench(self._settings).__aenter__()

    async def _stopped(self) -> None:
        # What is under way ends first, or it would ask adapters that are gone.
        under_way = list(self._under_way)
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        if self._bench is not None:
            await self._bench.__aexit__()

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> "Future[Any]":
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
