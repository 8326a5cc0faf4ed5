"""Traces of several adapters over one block: in lock-step, whoever comes first, and closed whatever happens."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.verifier.domain.builders import PRAGUE_HEADER, computed_for
from tests.verifier.domain.test_divergence import block
from tests.verifier.services.builders import write_chain
from verifier.domain.divergence import TransactionTrace
from verifier.domain.result import Abstention, AbstentionReason, Result
from verifier.domain.trace import Step, TraceItem
from verifier.executors.stateless.base import ExecutionRequest
from verifier.executors.stateless.tracer import FakeTracer, TraceBatch, Tracer
from verifier.services.tracing import BlockTrace, TraceOptions, compare_traces, read_trace
from witness.file import map_witness_file

COMPUTED = computed_for(PRAGUE_HEADER)
ABSENT = Abstention(AbstentionReason.UNSUPPORTED_FORK, "paris")


def fake(name: str, items: Sequence[TraceItem], size: int) -> FakeTracer:
    batches = [tuple(items[at : at + size]) for at in range(0, len(items), size)]
    return FakeTracer(name, name, batches, COMPUTED)


def compare(
    directory: Path, tracers: Sequence[Tracer], options: TraceOptions | None = None
) -> tuple[list[TransactionTrace], BlockTrace]:
    write_chain(directory, 1)
    (path,) = directory.glob("*.witness")

    async def scenario() -> list[TransactionTrace | BlockTrace]:
        return [each async for each in compare_traces(tracers, path, map_witness_file(path), options or TraceOptions())]

    *transactions, last = asyncio.run(scenario())
    assert isinstance(last, BlockTrace)
    return [each for each in transactions if isinstance(each, TransactionTrace)], last


def test_equal_traces(tmp_path: Path) -> None:
    tracers = [fake("a", block(3, 0, 9), 2), fake("b", block(3, 0, 9), 100), fake("c", block(3, 0, 9), 3)]
    transactions, report = compare(tmp_path, tracers)
    assert report.equal is True
    assert (report.transactions, report.steps, report.fork) == (3, 12, "paris")
    assert [each.steps for each in transactions] == [3, 0, 9]
    assert [result.adapter for result in report.results] == ["a", "b", "c"]


def test_a_divergence(tmp_path: Path) -> None:
    items = block(3, 9)
    step = items[7]
    assert isinstance(step, Step)
    items[7] = replace(step, gas=1)
    transactions, report = compare(tmp_path, [fake("a", block(3, 9), 2), fake("b", items, 3)])
    assert report.equal is False
    assert report.divergence is not None
    assert (report.divergence.transaction, report.divergence.step) == (1, 1)
    assert len(transactions) == report.transactions == 1


def test_one_that_abstains_and_one_left(tmp_path: Path) -> None:
    _, report = compare(tmp_path, [fake("a", block(3), 2), FakeTracer("b", "b", [], ABSENT)])
    assert report.equal is None
    assert report.apart == {"b": ABSENT}
    assert report.compared == ("a",)


def test_what_is_asked_for(tmp_path: Path) -> None:
    tracers = [fake("a", block(3), 2), fake("b", block(3), 2)]
    compare(tmp_path, tracers, TraceOptions(first=4, count=1, deadline=7.0))
    for tracer in tracers:
        ((request, first, count),) = tracer.requests
        assert (first, count, request.deadline) == (4, 1, 7.0)
        assert request.witness.suffix == ".witness"
        assert request.pre_state_root == b"\x05" * 32


def test_a_trace_without_an_outcome(tmp_path: Path) -> None:
    class Silent(FakeTracer):
        async def trace(
            self, request: ExecutionRequest, first: int = 0, count: int = 0
        ) -> AsyncGenerator[TraceBatch | Result, None]:
            for batch in self.batches:
                yield batch

    silent = Silent("b", "b", [tuple(block(3))], COMPUTED)
    _, report = compare(tmp_path, [fake("a", block(3), 2), silent])
    assert report.apart["b"].reason is AbstentionReason.CRASHED


@dataclass
class Endless:
    """Streams steps for ever, and counts the batches; `leads`: those that another has read less of."""

    name: str
    read: dict[str, int]
    lineage: str = "endless"
    closed: list[str] = field(default_factory=list)

    async def trace(
        self, request: ExecutionRequest, first: int = 0, count: int = 0
    ) -> AsyncGenerator[TraceBatch | Result, None]:
        start, *steps = block(50)[:-1]
        try:
            yield (start,)
            while True:
                self.read[self.name] += 1
                assert self.read[self.name] <= min(self.read.values()) + 1
                if self.read["b"] == 40 and self.name == "b":
                    assert isinstance(steps[0], Step)
                    yield (replace(steps[0], op=0xFE),)
                yield tuple(steps[:10])
        finally:
            self.closed.append(self.name)


def test_lock_step_and_an_end(tmp_path: Path) -> None:
    read = {"a": 0, "b": 0, "c": 0}
    tracers = [Endless(name, read) for name in read]
    _, report = compare(tmp_path, tracers)
    assert report.equal is False
    assert report.divergence is not None
    assert report.divergence.fields == ("op",)
    assert report.divergence.step == 390
    assert [tracer.closed for tracer in tracers] == [["a"], ["b"], ["c"]]


def test_closing_early_closes_the_streams(tmp_path: Path) -> None:
    write_chain(tmp_path, 1)
    (path,) = tmp_path.glob("*.witness")
    tracer = Endless("a", {"a": 0, "b": 0})

    async def scenario() -> None:
        comparison = compare_traces([tracer], path, map_witness_file(path), TraceOptions())
        task = asyncio.ensure_future(anext(comparison))
        for _ in range(100):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        await comparison.aclose()

    asyncio.run(scenario())
    assert tracer.closed == ["a"]


def test_one_alone(tmp_path: Path) -> None:
    write_chain(tmp_path, 1)
    (path,) = tmp_path.glob("*.witness")

    async def scenario() -> list[TraceBatch | Result]:
        tracer = fake("a", block(3), 2)
        return [each async for each in read_trace(tracer, path, map_witness_file(path), TraceOptions())]

    *batches, result = asyncio.run(scenario())
    assert [item for batch in batches for item in batch] == block(3)  # type: ignore[union-attr]
    assert isinstance(result, Result)
