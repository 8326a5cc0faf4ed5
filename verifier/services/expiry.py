"""Old statements are forgotten, hour by hour; never what is said of a live block."""

import asyncio
from collections.abc import Callable

from .chain import Chain
from .statements import Statements

# Seconds between two times that old statements are forgotten. They are kept for days.
EXPIRY_INTERVAL = 3600.0
# Seconds that our clock may be behind a block's timestamp: what is said of a live block is never forgotten.
CLOCK_SLACK = 60.0


class Expiry:
    """From `begin` to `close`. kept: seconds that statements are kept. clock: seconds since the epoch."""

    def __init__(self, chain: Chain, statements: Statements, kept: float, clock: Callable[[], float]) -> None:
        self._chain = chain
        self._statements = statements
        self._kept = kept
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Forgets now, and every EXPIRY_INTERVAL from now on."""
        live = [each.timestamp for each in self._chain.blocks.values()]
        self._statements.expire(min([self._clock() - self._kept, *(each - CLOCK_SLACK for each in live)]))
        self._timer = asyncio.get_running_loop().call_later(EXPIRY_INTERVAL, self.begin)

    def close(self) -> None:
        """Forgets nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
