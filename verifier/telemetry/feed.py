"""What viewers of the status page are sent: a snapshot, then changes, a few times a second at most.

Every viewer has a bounded queue. Who does not read is dropped: a slow viewer costs no memory and delays nobody.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from verifier.domain.event import Event
from verifier.domain.status import TrackedBlock

from .board import Board
from .readiness import Condition

# Seconds between two messages. Fast enough to look immediate; a hundred gate answers a second become ten messages.
INTERVAL = 0.1
# Seconds without a change after which something is sent nevertheless: the page then knows that it is still connected.
HEARTBEAT = 5.0
# Messages that wait for one viewer: at least three seconds' worth.
QUEUE = 32
# Open pages. Each costs a connection; more than this is a mistake or an attack.
VIEWERS = 64


class TooManyViewersError(Exception):
    """VIEWERS are connected already."""


class Viewer:
    """One open page. Iterating gives its messages, as bytes of server-sent events, until it is dropped or closed."""

    def __init__(self, first: bytes) -> None:
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE)
        self._queue.put_nowait(first)
        self.dropped = asyncio.Event()  # set where only cutting the connection ends it

    def put(self, message: bytes | None) -> bool:
        """Whether there was room; None is the end."""
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            return False
        return True

    def __aiter__(self) -> "Viewer":
        return self

    async def __anext__(self) -> bytes:
        message = await self._queue.get()
        if message is None:
            raise StopAsyncIteration
        return message


class Feed:
    """The observer behind the status page. `run` sends; `notify` must be called in the same event loop's thread."""

    def __init__(self, board: Board, now: Callable[[], float] = time.time) -> None:
        self._board, self._now = board, now
        self._viewers: set[Viewer] = set()
        self._changed = asyncio.Event()
        self._closed = False
        self._conditions: Sequence[Condition] | None = None
        self.dropped = 0

    @property
    def viewers(self) -> int:
        """How many pages are open."""
        return len(self._viewers)

    def restore(self, blocks: Iterable[TrackedBlock]) -> None:
        """What the ledger holds at the start."""
        self._board.restore(blocks, self._now())
        self._changed.set()

    def notify(self, event: Event) -> None:
        """As Observer.notify."""
        self._board.apply(event, self._now())
        self._changed.set()

    def snapshot(self) -> dict[str, Any]:
        """All that the page shows, now."""
        return {**self._board.snapshot(), "conditions": self._listed_conditions(), "now": self._now()}

    def tell_conditions(self, conditions: Sequence[Condition]) -> None:
        """What readiness is now; sent where it has changed."""
        if conditions != self._conditions:
            self._conditions = conditions
            data = {"conditions": self._listed_conditions(), "now": self._now(), "sequence": self._board.sequence}
            self._broadcast(self._message("conditions", data))

    def join(self) -> Viewer:
        """A new viewer; its first message is a snapshot. Raises TooManyViewersError."""
        if len(self._viewers) >= VIEWERS or self._closed:
            raise TooManyViewersError
        self._send()  # what is not yet sent must not come once in the snapshot and once after it
        viewer = Viewer(self._message("snapshot", self.snapshot()))
        self._viewers.add(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """The viewer is gone."""
        self._viewers.discard(viewer)

    async def run(self) -> None:
        """Sends changes and heartbeats until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT):
                    await self._changed.wait()
            self._changed.clear()
            if not self._send():
                self._broadcast(self._message("heartbeat", {"now": self._now(), "sequence": self._board.sequence}))
            await asyncio.sleep(INTERVAL)

    def close(self) -> None:
        """Ends every viewer."""
        self._closed = True
        for viewer in tuple(self._viewers):
            self._drop(viewer)

    def _listed_conditions(self) -> list[dict[str, Any]] | None:
        """None: not known yet."""
        return None if self._conditions is None else [asdict(each) for each in self._conditions]

    def _send(self) -> bool:
        changes = self._board.changes()
        if changes is None:
            return False
        if self._viewers:
            self._broadcast(self._message("changes", {**changes, "now": self._now()}))
        return True

    def _broadcast(self, message: bytes) -> None:
        for viewer in tuple(self._viewers):
            if not viewer.put(message):
                self.dropped += 1
                self._drop(viewer)

    def _drop(self, viewer: Viewer) -> None:
        self._viewers.discard(viewer)
        if not viewer.put(None):
            viewer.dropped.set()  # it will not come to read the end

    def _message(self, kind: str, data: dict[str, Any]) -> bytes:
        text = json.dumps(data, separators=(",", ":"), ensure_ascii=True)
        return f"id: {data['sequence']}\nevent: {kind}\ndata: {text}\n\n".encode()
