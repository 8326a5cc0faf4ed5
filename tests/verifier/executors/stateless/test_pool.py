"""Asking real (scripted) adapters through gRPC: whatever they do becomes a result."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.verifier.executors.stateless.conftest import Scripted
from verifier.domain.result import Abstention, AbstentionReason, Computed, Result
from verifier.executors.stateless.base import ExecutionRequest, FakeExecutor
from verifier.executors.stateless.manifest import Manifest
from verifier.executors.stateless.pool import AdapterPool, execute_on_all
from verifier.executors.stateless.process import ProcessState


def ask(manifest: Manifest, request: ExecutionRequest, times: int = 1) -> list[Result]:
    async def scenario() -> list[Result]:
        async with AdapterPool([manifest]) as pool:
            directory = pool.supervised[0].socket.parent if pool.supervised else None
            await pool.wait_ready()
            results = await asyncio.gather(*(pool.executors[0].execute(request) for _ in range(times)))
        assert directory is None or not directory.exists()
        return results

    return asyncio.run(scenario())


def test_an_answer(scripted: Scripted, request_for_a_block: ExecutionRequest) -> None:
    (result,) = ask(scripted("well"), request_for_a_block)
    assert isinstance(result.outcome, Computed)
    assert result.outcome.gas_used == 21_000
    assert result.adapter_ms == 1.5
    assert result.elapsed_ms > 0


def test_more_requests_than_places(scripted: Scripted, request_for_a_block: ExecutionRequest) -> None:
    results = ask(scripted("well"), request_for_a_block, times=20)
    assert all(isinstance(result.outcome, Computed) for result in results)


@pytest.mark.parametrize(
    ("mode", "reason", "detail"),
    [
        ("malformed", AbstentionReason.CRASHED, "malformed answer: state_root has 5 bytes, 32 expected"),
        ("empty", AbstentionReason.CRASHED, "malformed answer: the answer has no outcome"),
        ("error", AbstentionReason.CRASHED, "internal: scripted error"),
    ],
)
def test_wrong_answers(
    scripted: Scripted, request_for_a_block: ExecutionRequest, mode: str, reason: AbstentionReason, detail: str
) -> None:
    (result,) = ask(scripted(mode), request_for_a_block)
    assert result.outcome == Abstention(reason, detail)


def test_a_hanging_adapter_is_a_timeout(scripted: Scripted, request_for_a_block: ExecutionRequest) -> None:
    (result,) = ask(scripted("hang"), replace(request_for_a_block, deadline=0.5))
    assert isinstance(result.outcome, Abstention)
    assert result.outcome.reason is AbstentionReason.TIMEOUT


def test_a_crash_is_retried_after_the_restart(scripted: Scripted, request_for_a_block: ExecutionRequest) -> None:
    (result,) = ask(scripted("crash-once"), request_for_a_block)
    assert isinstance(result.outcome, Computed)


def test_a_request_that_always_crashes_is_an_abstention(
    scripted: Scripted, request_for_a_block: ExecutionRequest
) -> None:
    (result,) = ask(scripted("crash-always"), request_for_a_block)
    assert isinstance(result.outcome, Abstention)
    assert result.outcome.reason is AbstentionReason.CRASHED
    assert "exit status 7: fatal: scripted crash" in result.outcome.detail


def test_an_adapter_that_never_starts_is_an_abstention(
    scripted: Scripted, request_for_a_block: ExecutionRequest
) -> None:
    (result,) = ask(scripted("exit"), replace(request_for_a_block, deadline=1.0))
    assert isinstance(result.outcome, Abstention)
    assert result.outcome.reason is AbstentionReason.CRASHED
    assert "exit status 9" in result.outcome.detail


def test_an_unavailable_adapter_counts_and_says_why(scripted: Scripted, request_for_a_block: ExecutionRequest) -> None:
    manifest = replace(scripted("well"), modules=("no_such_client",))
    (result,) = ask(manifest, request_for_a_block)
    assert isinstance(result.outcome, Abstention)
    assert result.outcome.reason is AbstentionReason.UNAVAILABLE
    assert "no_such_client" in result.outcome.detail


def test_results_come_as_they_are_ready(tmp_path: Path, request_for_a_block: ExecutionRequest) -> None:
    gate = asyncio.Event()

    class Slow(FakeExecutor):
        async def execute(self, request: ExecutionRequest) -> Result:
            await gate.wait()
            return await super().execute(request)

    def abstain(_: ExecutionRequest) -> Abstention:
        return Abstention(AbstentionReason.REFUSED)

    async def scenario() -> list[str]:
        names = []
        executors = [Slow("slow", "a", abstain), FakeExecutor("fast", "b", abstain)]
        async for result in execute_on_all(executors, request_for_a_block):
            names.append(result.adapter)
            gate.set()
        return names

    assert asyncio.run(scenario()) == ["fast", "slow"]


def test_the_slowest_is_asked_first(request_for_a_block: ExecutionRequest) -> None:
    asked: list[str] = []

    def fake(name: str, expected_ms: float) -> FakeExecutor:
        def answer(_: ExecutionRequest) -> Abstention:
            asked.append(name)
            return Abstention(AbstentionReason.REFUSED)

        return FakeExecutor(name, name, answer, expected_ms=expected_ms)

    async def scenario() -> None:
        executors = [fake("fast", 4.0), fake("slow", 300.0), fake("unknown", 0.0), fake("middling", 120.0)]
        async for _ in execute_on_all(executors, request_for_a_block):
            pass

    asyncio.run(scenario())
    assert asked == ["slow", "middling", "fast", "unknown"]


def test_an_adapter_is_expected_to_take_what_it_took(scripted: Scripted, request_for_a_block: ExecutionRequest) -> None:
    async def scenario() -> tuple[float, float]:
        async with AdapterPool([scripted("well")]) as pool:
            (executor,) = pool.executors
            before = executor.expected_ms
            result = await executor.execute(request_for_a_block)
            assert executor.expected_ms == result.elapsed_ms
            return before, executor.expected_ms

    before, after = asyncio.run(scenario())
    assert before == 0.0
    assert after > 0.0


def outcomes_around_a_restart(manifest: Manifest, request: ExecutionRequest) -> tuple[Result, Result, int, str]:
    """The first request's result, that of one asked after the restart, how often it was restarted, and why."""

    async def scenario() -> tuple[Result, Result, int, str]:
        async with AdapterPool([manifest], stuck_after=0.1) as pool:
            await pool.wait_ready()
            (adapter,) = pool.supervised
            first = await adapter.execute(replace(request, deadline=2.0))
            if adapter.process.state is ProcessState.READY and adapter.process.restarts == 0:
                await adapter.process.wait_change()
            reason = adapter.process.reason
            second = await adapter.execute(request)
            return first, second, adapter.process.restarts, reason

    return asyncio.run(scenario())


def test_an_adapter_in_which_a_request_runs_on_is_restarted(
    scripted: Scripted, request_for_a_block: ExecutionRequest
) -> None:
    first, second, restarts, reason = outcomes_around_a_restart(scripted("hang-once"), request_for_a_block)
    assert isinstance(first.outcome, Abstention)
    assert first.outcome.reason is AbstentionReason.TIMEOUT
    assert isinstance(second.outcome, Computed)
    assert (restarts, reason) == (1, "a request ran on for 0 s after its deadline")


def test_an_adapter_that_stops_at_the_deadline_is_left_alone(
    scripted: Scripted, request_for_a_block: ExecutionRequest
) -> None:
    async def scenario() -> tuple[Result, Result, int | None, int | None]:
        async with AdapterPool([scripted("slow")], stuck_after=0.1) as pool:
            await pool.wait_ready()
            (adapter,) = pool.supervised
            before = adapter.process.pid
            first = await adapter.execute(replace(request_for_a_block, deadline=0.5))
            (check,) = (task for task in asyncio.all_tasks() if task.get_name() == "check scripted")
            await check
            return first, await adapter.execute(request_for_a_block), before, adapter.process.pid

    first, second, before, after = asyncio.run(scenario())
    assert isinstance(first.outcome, Abstention)
    assert isinstance(second.outcome, Computed)
    assert before == after


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_an_adapter_that_swells_abstains_and_is_restarted(
    scripted: Scripted, request_for_a_block: ExecutionRequest
) -> None:
    """It is asked again after its restart; the log says what it ended of."""

    async def scenario() -> tuple[Result, int, str]:
        async with AdapterPool([scripted("swell-once")]) as pool:
            await pool.wait_ready()
            (adapter,) = pool.supervised
            result = await adapter.execute(request_for_a_block)
            return result, adapter.process.restarts, adapter.process.log_path.read_text()

    result, restarts, log = asyncio.run(scenario())
    assert isinstance(result.outcome, Computed)
    assert restarts == 1
    assert "out of memory after" in log
