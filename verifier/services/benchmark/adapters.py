"""One adapter and one block: what a request takes, against the client's own time and against prestate mode."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from verifier.domain.quorum import quorum_policy
from verifier.domain.result import Computed, Mode, Result
from verifier.errors import AdapterError
from verifier.executors.stateless.base import StatelessExecutor
from verifier.executors.stateless.manifest import Manifest
from verifier.executors.stateless.pool import AdapterPool
from verifier.services.replay import ReplayOptions, judge
from witness.file import map_witness_file

from .measurement import WARM_UP

OWN_TIMEOUT = 1800.0  # seconds for one adapter's own runs of one block; the slowest seen took 5 s a run


@dataclass(frozen=True)
class BlockTimes:
    """One block and client, medians in milliseconds; None where the client does not execute the block.

    own: in-process, the client's shortest way. adapter_ms: what the adapter reports. elapsed: what the verifier saw.
    prestate_ms: what it reports in prestate mode, where the file has a prestate section.
    failure: why there is no own time where there should be one.
    """

    number: int
    fork: str
    adapter: str
    own: float | None
    adapter_ms: float | None
    elapsed: float | None
    prestate_ms: float | None = None
    failure: str | None = None


async def own_times(manifest: Manifest, path: Path, runs: int) -> list[float]:
    """The client's own in-process times for a block in milliseconds, by the adapter's --bench. Raises AdapterError."""
    command = (*manifest.command, "--bench", str(path), "--runs", str(runs))
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(OWN_TIMEOUT):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise AdapterError(f"{manifest.name} --bench: {errors.decode(errors='replace').strip()[-300:]}")
    try:
        return [float(value) for value in json.loads(output)["runs_ms"]]
    except (ValueError, KeyError, TypeError) as error:
        raise AdapterError(f"{manifest.name} --bench printed no runs: {error}") from None


async def adapter_times(manifest: Manifest, files: Sequence[Path], runs: int) -> AsyncIterator[BlockTimes]:
    """Each file's times through one adapter that runs alone, and directly afterwards the client's own.

    The two one after the other: on shared machines the speed drifts from minute to minute.
    """
    async with AdapterPool([manifest]) as pool:
        await pool.wait_ready()
        for path in files:
            content = map_witness_file(path)
            fork, results = await _results(pool.executors[0], path, Mode.PROOF, runs)
            times = BlockTimes(content.number, fork, manifest.name, None, None, None)
            if all(isinstance(result.outcome, Computed) for result in results):
                times = replace(
                    times,
                    adapter_ms=median(result.adapter_ms or 0.0 for result in results),
                    elapsed=median(result.elapsed_ms for result in results),
                )
                try:
                    times = replace(times, own=median(await own_times(manifest, path, runs)))
                except AdapterError as error:
                    times = replace(times, failure=str(error))
            if content.prestate is not None:
                _, results = await _results(pool.executors[0], path, Mode.PRESTATE, runs)
                if all(isinstance(result.outcome, Computed) for result in results):
                    times = replace(times, prestate_ms=median(result.adapter_ms or 0.0 for result in results))
            yield times


async def _results(executor: StatelessExecutor, path: Path, mode: Mode, runs: int) -> tuple[str, list[Result]]:
    """The block's fork, and the counted results."""
    options = ReplayOptions(quorum_policy({executor.name: executor.lineage}), mode=mode)
    content = map_witness_file(path)
    reports = [await judge([executor], path, content, options) for _ in range(WARM_UP + runs)]
    return reports[0].fork, [report.results[0] for report in reports[WARM_UP:]]
