"""How long it takes to find where a client departs from the others: in an instruction, a receipt, the state root."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from statistics import median

import psutil

from verifier.domain.localization import Localization
from verifier.domain.quorum import quorum_policy
from verifier.domain.result import Computed, Outcome, Result
from verifier.domain.trace import Step, TraceItem, TransactionEnd, TransactionStart
from verifier.executors.stateless.base import ExecutionRequest, StatelessExecutor
from verifier.executors.stateless.manifest import Manifest
from verifier.executors.stateless.pool import AdapterPool
from verifier.executors.stateless.tracer import TraceBatch, Tracer
from verifier.services.localizing import Localizer
from verifier.services.replay import BlockReport, ReplayOptions, judge
from verifier.services.section_process import derive_file
from verifier.services.tracing import TraceOptions, trace_request
from witness.file import map_witness_file, write_witness_file

MOST_RUNS = 3  # a localization takes up to seconds, and there are ten of each block and client
MEBIBYTE = 1 << 20
SAMPLING = 0.1  # seconds between looks at the process that derives values, which runs for one
INSTRUCTION, HIDDEN, RECEIPT, ROOT = "instruction", "hidden instruction", "receipt", "root"
PLACES = {"early": 0.0, "middle": 0.5, "late": 1.0}  # part of the block's instructions


@dataclass(frozen=True)
class LocalizationTimes:
    """One block on which one client departs from all others in one way; medians.

    by: "instruction": it differs, and so does the receipt of its transaction; "hidden instruction": no receipt does;
    "receipt": no instruction; "root": nothing but the state root. at: where in the block. found: the kind of place that
    was found. seconds: of the localization. steps: instructions that the client gave away to be compared.

    MiB: memory: what this process took up more than before; adapters_memory: what all adapters had resident, each at
    most; deriving_memory: the process that derives the values before the block, 0 where none was needed.
    """

    number: int
    adapter: str
    by: str
    at: str
    found: str
    seconds: float
    steps: int
    memory: float
    adapters_memory: float
    deriving_memory: float


@dataclass(frozen=True)
class _Departure:
    """What the client says otherwise: from `transaction` on, at `step` of it."""

    by: str
    transaction: int = 0
    step: int = 0

    @property
    def in_receipts(self) -> bool:
        return self.by in (INSTRUCTION, RECEIPT)

    @property
    def in_steps(self) -> bool:
        return self.by in (INSTRUCTION, HIDDEN)


class Departing:
    """A real adapter, executing and tracing, that departs from what it computes. For measurements alone.

    compared: the steps that were given away since it was set to nought.
    """

    def __init__(self, executor: StatelessExecutor, tracer: Tracer) -> None:
        self.name, self.lineage = executor.name, executor.lineage
        self.departure = _Departure(ROOT)
        self.compared = 0
        self._executor = executor
        self._tracer = tracer

    @property
    def expected_ms(self) -> float:
        """The adapter's own."""
        return self._executor.expected_ms

    async def execute(self, request: ExecutionRequest) -> Result:
        """The adapter's result with other roots, and other receipts where it is to depart in them."""
        result = await self._executor.execute(request)
        return replace(result, outcome=self._departed(result.outcome))

    async def trace(
        self, request: ExecutionRequest, first: int = 0, count: int = 0
    ) -> AsyncGenerator[TraceBatch | Result, None]:
        """The adapter's trace, one step with a unit of gas less where it is to depart in it."""
        transaction, step = -1, 0
        async with aclosing(self._tracer.trace(request, first, count)) as stream:
            async for batch in stream:
                if isinstance(batch, Result):
                    yield replace(batch, outcome=self._departed(batch.outcome))
                    continue
                items: list[TraceItem] = []
                for item in batch:
                    told = item
                    if isinstance(item, TransactionStart):
                        transaction, step = item.index, 0
                    elif isinstance(item, Step):
                        at = (transaction, step) == (self.departure.transaction, self.departure.step)
                        told = replace(item, gas=item.gas - 1) if at and self.departure.in_steps else item
                        step += 1
                        self.compared += 1
                    items.append(told)
                yield tuple(items)

    def _departed(self, outcome: Outcome) -> Outcome:
        if not isinstance(outcome, Computed):
            return outcome
        outcome = replace(outcome, state_root=_other(outcome.state_root))
        if not self.departure.in_receipts or outcome.gas_used is None:
            return outcome
        receipts = tuple(
            replace(each, cumulative_gas_used=each.cumulative_gas_used + (index >= self.departure.transaction))
            for index, each in enumerate(outcome.receipts)
        )
        root = _other(outcome.receipts_root)
        return replace(outcome, receipts=receipts, receipts_root=root, gas_used=outcome.gas_used + 1)


async def localization_times(
    manifests: Sequence[Manifest], file: Path, directory: Path, runs: int
) -> AsyncGenerator[LocalizationTimes, None]:
    """Of a block that at least two judge: the quickest client departs from the others, and then the slowest.

    directory: for a file of the block without values, as an execution client's witness is.
    """
    content = replace(map_witness_file(file), prestate=None, poststate=None)
    path = write_witness_file(content, directory, sync=False)
    async with AdapterPool(manifests) as pool:
        await pool.wait_ready()
        report = await _judged(pool.executors, path)
        computed = [each for each in report.results if isinstance(each.outcome, Computed)]
        if not report.first.valid or len({each.lineage for each in computed}) < 2:
            return
        by_time = sorted(computed, key=lambda each: each.elapsed_ms or 0.0)
        for name in dict.fromkeys((by_time[0].adapter, by_time[-1].adapter)):
            async for each in _Case(pool, name, path).times(min(runs, MOST_RUNS)):
                yield each


@dataclass(frozen=True)
class _Localized:
    found: Localization
    steps: int
    memory: float
    adapters_memory: float
    deriving_memory: float


class _Case:
    """A block, and the adapter that departs on it."""

    def __init__(self, pool: AdapterPool, name: str, path: Path) -> None:
        (executor,) = [each for each in pool.executors if each.name == name]
        (self._honest,) = [each for each in pool.tracers if each.name == name]
        self._departing = Departing(executor, self._honest)
        self._executors: list[StatelessExecutor] = [
            self._departing if each.name == name else each for each in pool.executors
        ]
        self._tracers: list[Tracer] = [self._departing if each.name == name else each for each in pool.tracers]
        self._pool = pool
        self._path = path
        self._deriving = 0.0

    async def times(self, runs: int) -> AsyncGenerator[LocalizationTimes, None]:
        """One of each departure."""
        lengths = await _lengths(self._honest, self._path)
        for at, departure in _departures(lengths):
            self._departing.departure = departure
            measured = [await self._localized() for _ in range(runs)]
            yield LocalizationTimes(
                number=measured[0].found.block.number,
                adapter=self._departing.name,
                by=departure.by,
                at=at,
                found=measured[0].found.place,
                seconds=median(each.found.seconds for each in measured),
                steps=measured[0].steps,
                memory=max(each.memory for each in measured),
                adapters_memory=max(each.adapters_memory for each in measured),
                deriving_memory=max(each.deriving_memory for each in measured),
            )

    async def _localized(self) -> _Localized:
        report = await _judged(self._executors, self._path)
        content = map_witness_file(self._path)
        request, _ = trace_request(self._path, content, TraceOptions())
        own, adapters = psutil.Process(), _processes(self._pool)
        self._departing.compared, self._deriving = 0, 0.0
        _forget_peaks([own, *adapters])
        before = own.memory_info().rss / MEBIBYTE
        localizer = Localizer(self._executors, self._tracers, derive=self._derive)
        found = await localizer.localize(request, content, report.results, report.votes)
        growth = max(0.0, _peak([own]) - before)
        return _Localized(found, self._departing.compared, growth, _peak(adapters), self._deriving)

    async def _derive(self, path: Path, directory: Path) -> Path:
        """As section_process.derive_file, which is looked at while it runs."""
        before = {each.pid for each in psutil.Process().children()}
        task = asyncio.create_task(derive_file(path, directory))
        while not task.done():
            await asyncio.wait({task}, timeout=SAMPLING)
            deriving = [each for each in psutil.Process().children() if each.pid not in before]
            self._deriving = max(self._deriving, _peak(deriving))
        return task.result()


async def _judged(executors: Sequence[StatelessExecutor], path: Path) -> BlockReport:
    policy = quorum_policy({each.name: each.lineage for each in executors})
    return await judge(executors, path, map_witness_file(path), ReplayOptions(policy))


async def _lengths(tracer: Tracer, path: Path) -> list[int]:
    """The number of steps of each transaction."""
    request, _ = trace_request(path, map_witness_file(path), TraceOptions())
    lengths: list[int] = []
    async with aclosing(tracer.trace(request)) as stream:
        async for batch in stream:
            if not isinstance(batch, Result):
                lengths += [item.steps for item in batch if isinstance(item, TransactionEnd)]
    return lengths


def _departures(lengths: Sequence[int]) -> list[tuple[str, _Departure]]:
    """Where and how: at the first instruction of the block, that in the middle, the last one; and without any."""
    total = sum(lengths)
    found = []
    for by in (INSTRUCTION, HIDDEN, RECEIPT) if total else ():
        for at, part in PLACES.items():
            wanted = min(int(part * total), total - 1)
            ends = list(accumulate(lengths))
            index = next(index for index, end in enumerate(ends) if wanted < end)
            found.append((at, _Departure(by, index, wanted - (ends[index] - lengths[index]))))
    return [*found, ("anywhere", _Departure(ROOT))]


def _other(root: bytes | None) -> bytes | None:
    return None if root is None else bytes([root[0] ^ 1]) + root[1:]


def _processes(pool: AdapterPool) -> list[psutil.Process]:
    found = []
    for adapter in pool.supervised:
        with suppress(psutil.Error):
            process = psutil.Process(adapter.process.pid)
            found += [process, *process.children(recursive=True)]
    return found


def _forget_peaks(processes: Sequence[psutil.Process]) -> None:
    """What each has resident at most counts from now on (Linux, proc(5): clear_refs), elsewhere from its start."""
    for process in processes:
        with suppress(OSError):
            Path(f"/proc/{process.pid}/clear_refs").write_text("5")


def _peak(processes: Sequence[psutil.Process]) -> float:
    """MiB that they had resident at most, each for itself; those that ended meanwhile do not count."""
    total = 0
    for process in processes:
        with suppress(OSError, ValueError):
            status = Path(f"/proc/{process.pid}/status").read_text()
            peaks = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
            total += int(next(peaks, "0")) * 1024
    return total / MEBIBYTE
