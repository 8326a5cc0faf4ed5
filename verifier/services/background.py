"""Work beside the verdict: begun and left alone. What fails in it is an alarm, and nothing waits for it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from verifier.domain.event import Alarm, Observer

log = logging.getLogger(__name__)


class Background:
    """What is under way, until it is done or `close`d. For one event loop. Alarm: dispute_work_failed."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def under_way(self) -> int:
        """How much is not done."""
        return len(self._tasks)

    def begin(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        """Begins it. name: for people, and for the alarm if it fails."""
        task = asyncio.get_running_loop().create_task(self._guarded(work, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Gives up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _guarded(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        try:
            await work()
        except Exception as error:
            log.exception("%s failed", name)
            text = f"{name}: {type(error).__name__}: {' '.join(str(error).split())}"
            self._observer.notify(Alarm("dispute_work_failed", text))
