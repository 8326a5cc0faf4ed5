"""The seam to what goes back from a block that is concluded INVALID, with the fake that tests use."""

from dataclasses import dataclass, field
from typing import Protocol

from verifier.domain.rollback import Rollback, RollbackStep
from verifier.domain.status import Concluded

from .chain import Chain


class Retreat(Protocol):
    """Goes back to the last valid ancestor. `verifier.services.rollback.Rollbacks` does."""

    async def run(self, dispute_id: str, block_hash: bytes, why: str) -> Rollback:
        """Goes back from a block; before anything else it is INVALID. May be called again. why: one line."""

    async def resume(self) -> None:
        """Ends what an earlier process left unfinished."""


@dataclass
class FakeRetreat:
    """Marks the block INVALID in the chain, and nothing else. runs: (dispute, block hash) in their order."""

    chain: Chain
    runs: list[tuple[str, bytes]] = field(default_factory=list)
    resumed: int = 0
    fail_with: Exception | None = None

    async def run(self, dispute_id: str, block_hash: bytes, why: str) -> Rollback:
        """As Retreat.run."""
        if self.fail_with is not None:
            raise self.fail_with
        self.runs.append((dispute_id, block_hash))
        tracked = self.chain.apply(block_hash, Concluded(valid=False, why=why))
        assert tracked is not None
        return Rollback(dispute_id, tracked.block, None, RollbackStep.DONE, 0.0)

    async def resume(self) -> None:
        """As Retreat.resume."""
        self.resumed += 1
