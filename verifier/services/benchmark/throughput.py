"""Many blocks through all adapters together, against each adapter alone."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from verifier.domain.quorum import quorum_policy
from verifier.domain.vote import VoteKind
from verifier.errors import AdapterError
from verifier.executors.stateless.manifest import Manifest
from verifier.executors.stateless.pool import AdapterPool
from verifier.services.replay import ReplayOptions, replay
from verifier.services.sources import InputFailure, Source
from witness.errors import WitnessError
from witness.file import map_witness_file


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
