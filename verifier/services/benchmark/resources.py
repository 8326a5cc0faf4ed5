"""What an adapter takes besides time alone: until it is ready, memory, and several requests at once."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from verifier.domain.quorum import quorum_policy
from verifier.domain.result import Computed
from verifier.executors.stateless.base import StatelessExecutor
from verifier.executors.stateless.manifest import Manifest
from verifier.executors.stateless.pool import AdapterPool, SupervisedAdapter
from verifier.services.replay import ReplayOptions, judge
from witness.file import map_witness_file

from .measurement import memory_of_tree

STARTS = 3  # a start takes seconds; the first request after one cannot be repeated in the same process
AT_ONCE = 4  # requests under way together


@dataclass(frozen=True)
class Resources:
    """One adapter on one block; times in milliseconds, memory in MiB (proportional set size, all of its processes).

    ready: from its start to healthy. first: the first request after that; warm: a later one. idle_memory: when healthy;
    busy_memory: the largest seen after each request. single: blocks a second, one request after the other; at_once:
    with AT_ONCE requests under way. None where the client does not execute the block.
    """

    adapter: str
    number: int
    ready: float
    idle_memory: float
    first: float | None = None
    warm: float | None = None
    busy_memory: float | None = None
    single: float | None = None
    at_once: float | None = None


async def resources(manifest: Manifest, path: Path, runs: int) -> Resources:
    """Starts the adapter anew STARTS times; medians. The last start serves for memory and requests at once."""
    ready, first, idle = [], [], []
    for start in range(STARTS):
        began = time.monotonic()
        async with AdapterPool([manifest]) as pool:
            await pool.wait_ready()
            ready.append((time.monotonic() - began) * 1000)
            (adapter,) = pool.supervised
            idle.append(memory_of(adapter))
            took = await _ask(adapter, path)
            if took is None:
                return Resources(manifest.name, map_witness_file(path).number, median(ready), median(idle))
            first.append(took)
            if start < STARTS - 1:
                continue
            warm, busy = [], [memory_of(adapter)]
            for _ in range(runs):
                warm.append(await _ask(adapter, path) or 0.0)
                busy.append(memory_of(adapter))
            single = await _blocks_a_second(adapter, path, runs, at_once=1)
            at_once = await _blocks_a_second(adapter, path, runs, at_once=AT_ONCE)
            busy.append(memory_of(adapter))
    return Resources(
        adapter=manifest.name,
        number=map_witness_file(path).number,
        ready=median(ready),
        idle_memory=median(idle),
        first=median(first),
        warm=median(warm),
        busy_memory=max(busy),
        single=single,
        at_once=at_once,
    )


def memory_of(adapter: SupervisedAdapter) -> float:
    """MiB that its processes take; pages that several share are divided among them."""
    try:
        return memory_of_tree(psutil.Process(adapter.process.pid))
    except psutil.Error:
        return 0.0


async def _ask(executor: StatelessExecutor, path: Path) -> float | None:
    """Milliseconds of one request as the verifier sees it, or None if nothing was computed."""
    options = ReplayOptions(quorum_policy({executor.name: executor.lineage}))
    report = await judge([executor], path, map_witness_file(path), options)
    (result,) = report.results
    return result.elapsed_ms if isinstance(result.outcome, Computed) else None


async def _blocks_a_second(executor: StatelessExecutor, path: Path, runs: int, *, at_once: int) -> float:
    remaining = iter(range(max(runs, at_once)))

    async def keep_asking() -> None:
        for _ in remaining:
            await _ask(executor, path)

    began = time.monotonic()
    await asyncio.gather(*(keep_asking() for _ in range(at_once)))
    return max(runs, at_once) / (time.monotonic() - began)
