"""The seam to what goes back from a block that is concluded INVALID, with the fake that tests use."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from verifier.domain.rollback import Rollback, RollbackStep
from verifier.domain.status import Concluded

from .chain import Chain


async def nothing() -> None:
    """Where nothing is to be done."""


class Retreat(Protocol):
    """Goes back to the last valid ancestor. `verifier.services.rollback.Rollbacks` does."""

    async def run(
        self, dispute_id: str, block_hash: bytes, why: str, marked: Callable[[], Awaitable[None]] = nothing
    ) -> Rollback:
        """Goes back from a block; before anything else it is INVALID. May be called again. why: one line.

        marked: called then, and awaited before anything is taken away or moved; it may take its time.
        """

    async def resume(self) -> bool:
        """Goes on with all that is not done; whether some of it is still not. May be called again."""


@dataclass
class FakeRetreat:
    """Marks the block INVALID in the chain, and nothing else. runs: (dispute, block hash) in their order.

    gone: block hashes from which it would have gone back by now. unfinished: how often something is left before it is
    done. fail_with: raised by `run`, while it is set.
    """

    chain: Chain
    runs: list[tuple[str, bytes]] = field(default_factory=list)
    gone: list[bytes] = field(default_factory=list)
    resumed: int = 0
    unfinished: int = 0
    fail_with: Exception | None = None

    async def run(
        self, dispute_id: str, block_hash: bytes, why: str, marked: Callable[[], Awaitable[None]] = nothing
    ) -> Rollback:
        """As Retreat.run."""
        if self.fail_with is not None:
            raise self.fail_with
        self.runs.append((dispute_id, block_hash))
        tracked = self.chain.apply(block_hash, Concluded(valid=False, why=why))
        assert tracked is not None
        await marked()
        self.gone.append(block_hash)
        step = RollbackStep.EMBEDDED if self.unfinished else RollbackStep.DONE
        return Rollback(dispute_id, tracked.block, None, step, 0.0)

    async def resume(self) -> bool:
        """As Retreat.resume."""
        self.resumed += 1
        self.unfinished = max(0, self.unfinished - 1)
        return self.unfinished > 0
