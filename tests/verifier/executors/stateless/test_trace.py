"""Traces of real (scripted) adapters through gRPC: whatever they do becomes items and one result."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from tests.verifier.executors.stateless.conftest import Scripted
from verifier.domain.result import Abstention, AbstentionReason, Computed, Result
from verifier.domain.trace import TraceItem
from verifier.executors.stateless import pool as pool_module
from verifier.executors.stateless.base import ExecutionRequest
from verifier.executors.stateless.manifest import Manifest
from verifier.executors.stateless.pool import AdapterPool, SupervisedAdapter


def trace(manifest: Manifest, request: ExecutionRequest) -> tuple[list[TraceItem], Result]:
    async def scenario() -> tuple[list[TraceItem], Result]:
        items, results = list[TraceItem](), list[Result]()
        async with AdapterPool([manifest]) as pool, aclosing(pool.tracers[0].trace(request)) as stream:
            async for each in stream:
                if isinstance(each, Result):
                    results.append(each)
                else:
                    items += each
        (result,) = results
        return items, result

    return asyncio.run(scenario())


def test_a_trace(scripted: Scripted, request_for_a_block: ExecutionRequest) -> None:
    items, result = trace(scripted("well"), request_for_a_block)
    assert len(items) == 4
    assert isinstance(result.outcome, Computed)
    assert result.adapter_ms == 1.5


@pytest.mark.parametrize(
    ("mode", "items", "reason", "detail"),
    [
        ("no-outcome", 4, AbstentionReason.CRASHED, "malformed answer: the trace ended without an outcome"),
        ("no-end", 3, AbstentionReason.CRASHED, "malformed answer: computed, but transaction 0 has no end"),
        ("error", 0, AbstentionReason.CRASHED, "internal: scripted error"),
        ("no-traces", 0, AbstentionReason.REFUSED, "this adapter serves no traces"),
    ],
)
def test_wrong_traces(
    scripted: Scripted,
    request_for_a_block: ExecutionRequest,
    mode: str,
    items: int,
    reason: AbstentionReason,
    detail: str,
) -> None:
    came, result = trace(scripted(mode), request_for_a_block)
    assert len(came) == items
    assert result.outcome == Abstention(reason, detail)


def test_a_trace_that_hangs_is_a_timeout(scripted: Scripted, request_for_a_block: ExecutionRequest) -> None:
    _, result = trace(scripted("hang"), replace(request_for_a_block, deadline=3.0))
    assert isinstance(result.outcome, Abstention)
    assert result.outcome.reason is AbstentionReason.TIMEOUT


def test_an_adapter_that_ends_in_the_middle(scripted: Scripted, request_for_a_block: ExecutionRequest) -> None:
    _, result = trace(scripted("cut"), request_for_a_block)
    assert isinstance(result.outcome, Abstention)
    assert result.outcome.reason is AbstentionReason.CRASHED


def test_an_adapter_that_cannot_be_started(scripted: Scripted, request_for_a_block: ExecutionRequest) -> None:
    items, result = trace(replace(scripted("well"), modules=("no_such_client",)), request_for_a_block)
    assert not items
    assert isinstance(result.outcome, Abstention)
    assert result.outcome.reason is AbstentionReason.UNAVAILABLE


def test_a_reader_that_leaves_gives_its_place_back(scripted: Scripted, request_for_a_block: ExecutionRequest) -> None:
    async def scenario() -> None:
        async with AdapterPool([scripted("endless")]) as pool:
            (adapter,) = pool.supervised
            assert isinstance(adapter, SupervisedAdapter)
            for _ in range(5):  # places: 2
                async with aclosing(adapter.trace(request_for_a_block)) as stream:
                    assert len(await anext(stream)) == 1  # type: ignore[arg-type]
                    assert len(await anext(stream)) == 2  # type: ignore[arg-type]

    asyncio.run(scenario())


def test_an_adapter_that_goes_on_when_nobody_reads_is_started_again(
    scripted: Scripted, request_for_a_block: ExecutionRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "PLACE_PATIENCE", 0.5)

    async def scenario() -> None:
        async with AdapterPool([scripted("deaf")], stuck_after=0.1) as pool:
            (adapter,) = pool.supervised
            await pool.wait_ready()
            async with aclosing(adapter.trace(request_for_a_block)) as stream:
                await anext(stream)
            while adapter.process.restarts == 0:
                await adapter.process.wait_change()

    asyncio.run(scenario())
