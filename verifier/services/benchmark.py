"""Measures what a verdict costs beyond the execution it compares (docs/performance.md gives the budgets).

Every figure is a median over runs of one session on this machine, and ratios compare figures of the same session.
"""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from verifier.domain.quorum import quorum_policy
from verifier.domain.result import Computed
from verifier.domain.vote import VoteKind
from verifier.errors import AdapterError
from verifier.executors.stateless.manifest import Manifest
from verifier.executors.stateless.pool import AdapterPool
from verifier.services.replay import BlockReport, ReplayOptions, judge, replay
from verifier.services.sources import InputFailure, Source
from witness.chain_config import parse_chain_config
from witness.errors import WitnessError
from witness.file import (
    check_binding,
    encode_witness_file,
    map_witness_file,
    witness_file_parts,
    write_witness_file,
)
from witness.model import Witness

WARM_UP = 2  # runs before the counted ones
OWN_TIMEOUT = 1800.0  # seconds for one adapter's own runs of one block; the slowest seen took 5 s a run


@dataclass(frozen=True)
class BlockTimes:
    """One block and client, medians in milliseconds; None where the client does not execute the block.

    own: in-process, the client's shortest way. adapter_ms: what the adapter reports. elapsed: what the verifier saw.
    failure: why there is no own time where there should be one.
    """

    number: int
    fork: str
    adapter: str
    own: float | None
    adapter_ms: float | None
    elapsed: float | None
    failure: str | None = None


@dataclass(frozen=True)
class PublishTimes:
    """One witness file, medians in milliseconds: its content published, and the same bytes just written.

    encode: the part of publishing before the file is opened: offsets, order, checksums. synced: forced to the disk,
    file and directory.
    """

    number: int
    size: int
    encode: float
    publish: float
    plain: float
    publish_synced: float
    plain_synced: float


@dataclass(frozen=True)
class OrchestrationTimes:
    """One block with all adapters, medians in milliseconds: verdict settled, and the slowest counted adapter's own."""

    number: int
    settled: float
    slowest_counted: float
    overhead: float


@dataclass(frozen=True)
class Throughput:
    """All blocks through all adapters together, and through each alone, in seconds of wall time."""

    blocks: int
    together: float
    alone: dict[str, float]

    @property
    def ratio(self) -> float:
        """Time alone, summed, by the time together: above 1 where the adapters share the cores well."""
        return sum(self.alone.values()) / self.together


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
        options = ReplayOptions(quorum_policy({manifest.name: manifest.lineage}))
        for path in files:
            content = map_witness_file(path)
            reports = [await judge(pool.executors, path, content, options) for _ in range(WARM_UP + runs)]
            results = [report.results[0] for report in reports[WARM_UP:]]
            times = BlockTimes(content.number, reports[0].fork, manifest.name, None, None, None)
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
            yield times


def publish_times(path: Path, runs: int, directory: Path | None = None) -> PublishTimes:
    """A file's publishing against a plain write of the same bytes, in turn, on the same file system."""
    content = map_witness_file(path)
    mapped = content.witness
    witness = Witness(*([bytes(item) for item in each] for each in (mapped.state, mapped.codes, mapped.headers)))
    owned = replace(content, witness=witness)  # as a recorder has it
    encoded = encode_witness_file(owned)
    kinds = ("encode", "publish", "plain", "publish_synced", "plain_synced")
    samples: dict[str, list[float]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory(prefix="verifier-bench-", dir=directory or path.parent) as name:
        target = Path(name)
        for _ in range(WARM_UP + runs):
            with _timed(samples["encode"]):
                witness_file_parts(owned)
            for sync, suffix in ((False, ""), (True, "_synced")):
                with _timed(samples[f"plain{suffix}"]):
                    _plain_write(encoded, target / "plain", sync=sync)
                (target / "plain").unlink()
                with _timed(samples[f"publish{suffix}"]):
                    published = write_witness_file(owned, target, sync=sync)
                published.unlink()
    return PublishTimes(
        content.number, len(encoded), **{key: median(values[WARM_UP:]) for key, values in samples.items()}
    )


async def orchestration_times(
    manifests: Sequence[Manifest], files: Sequence[Path], runs: int
) -> list[OrchestrationTimes]:
    """Each file's way from mapping to a settled verdict, all adapters at work. Leaves out blocks that nobody judges."""
    times = []
    async with AdapterPool(manifests) as pool:
        await pool.wait_ready()
        options = ReplayOptions(quorum_policy({each.name: each.lineage for each in manifests}))
        for path in files:
            settled, slowest = [], []
            for _ in range(WARM_UP + runs):
                started = time.monotonic()
                content = map_witness_file(path)
                mapped_ms = (time.monotonic() - started) * 1000
                report = await judge(pool.executors, path, content, options)
                if not report.first.valid:
                    break
                settled.append(mapped_ms + report.settled_ms)
                slowest.append(_slowest_counted(report))
            if not settled:
                continue
            overheads = [a - b for a, b in zip(settled, slowest, strict=True)][WARM_UP:]
            times.append(
                OrchestrationTimes(
                    map_witness_file(path).number,
                    median(settled[WARM_UP:]),
                    median(slowest[WARM_UP:]),
                    median(overheads),
                )
            )
    return times


def _slowest_counted(report: BlockReport) -> float:
    """The longest own time among the adapters whose VALID was in the decision that settled."""
    counted = report.first.valid
    return max((result.adapter_ms or 0.0 for result in report.results if result.lineage in counted), default=0.0)


async def throughput(manifests: Sequence[Manifest], files: Sequence[Path]) -> Throughput:
    """Replays all files through each adapter alone and then through all, warm, and takes the time."""
    alone = {manifest.name: await _replay_seconds([manifest], files) for manifest in manifests}
    return Throughput(len(files), await _replay_seconds(manifests, files), alone)


async def _replay_seconds(manifests: Sequence[Manifest], files: Sequence[Path]) -> float:
    async with AdapterPool(manifests) as pool:
        await pool.wait_ready()
        options = ReplayOptions(quorum_policy({each.name: each.lineage for each in manifests}))
        started = time.monotonic()
        async for report in replay(pool.executors, (Source(path, map_witness_file(path)) for path in files), options):
            if isinstance(report, InputFailure):
                raise WitnessError(report.reason)
            if any(vote.kind is VoteKind.INVALID for vote in report.votes):
                raise AdapterError(f"block {report.block} is not valid: times of it mean nothing")
        return time.monotonic() - started


def fork_of(path: Path) -> str:
    """The fork of a witness file's block. Raises WitnessError."""
    content = map_witness_file(path)
    return parse_chain_config(content.chain_config).fork_at(check_binding(content))


def machine_load() -> str:
    """Cores and load averages, for the record."""
    one, five, fifteen = os.getloadavg()
    return f"{os.cpu_count()} cores, load {one:.2f} {five:.2f} {fifteen:.2f}"


def _plain_write(data: bytes, path: Path, *, sync: bool) -> None:
    with path.open("wb", buffering=0) as file:
        remaining = memoryview(data)
        while remaining:
            remaining = remaining[file.write(remaining) :]
        if sync:
            os.fsync(file.fileno())


@contextmanager
def _timed(samples: list[float]) -> Iterator[None]:
    started = time.perf_counter()
    yield
    samples.append((time.perf_counter() - started) * 1000)
