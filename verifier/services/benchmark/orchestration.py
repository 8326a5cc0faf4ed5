"""From a witness file to a settled verdict, less what the slowest counted client takes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from verifier.domain.quorum import quorum_policy
from verifier.executors.stateless.manifest import Manifest
from verifier.executors.stateless.pool import AdapterPool
from verifier.services.replay import BlockReport, ReplayOptions, judge
from witness.file import map_witness_file

from .measurement import WARM_UP


@dataclass(frozen=True)
class OrchestrationTimes:
    """One block with all adapters, medians in milliseconds: verdict settled, and the slowest counted adapter's own."""

    number: int
    settled: float
    slowest_counted: float
    overhead: float


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
