"""Rollbacks pursued to their end: in the background, and once more after a while where a part could not follow."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from verifier.domain.rollback import RollbackStep

from .background import Background
from .retreat import Retreat

# Seconds until what could not be ended is gone on with. A client that is replaced or resynced is away for minutes to
# hours, and the gates keep the branch closed meanwhile; asking one that is away costs a refused connection.
RESUME_INTERVAL = 30.0


class Pursuit:
    """For one event loop. interval: seconds, see RESUME_INTERVAL."""

    def __init__(self, retreat: Retreat, background: Background, interval: float = RESUME_INTERVAL) -> None:
        self._retreat = retreat
        self._background = background
        self._interval = interval
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Takes up what an earlier process left unfinished."""
        self._background.begin(self._resume, "rollbacks")

    def go_back(self, dispute_id: str, block_hash: bytes, why: str, marked: Callable[[], Awaitable[None]]) -> None:
        """Goes back from a block. As Retreat.run."""
        self._background.begin(partial(self._run, dispute_id, block_hash, why, marked), f"rollback {dispute_id}")

    def close(self) -> None:
        """Tries nothing again. The next start does."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _run(self, dispute_id: str, block_hash: bytes, why: str, marked: Callable[[], Awaitable[None]]) -> None:
        try:
            rollback = await self._retreat.run(dispute_id, block_hash, why, marked)
        except Exception:
            self._later()  # a fault is told, and what was begun is still gone on with
            raise
        if rollback.step is not RollbackStep.DONE:
            self._later()

    async def _resume(self) -> None:
        try:
            left = await self._retreat.resume()
        except Exception:
            self._later()
            raise
        if left:
            self._later()

    def _later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._interval, self._again)

    def _again(self) -> None:
        self._timer = None
        self.begin()
