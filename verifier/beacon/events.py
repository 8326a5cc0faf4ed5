"""The stream of events, with `head` events delayed until their block is decided. Every other byte passes as it came.

Source: WHATWG HTML, section 9.2 "Server-sent events"; beacon-APIs, `eventstream`.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from .errors import BeaconNodeError, UnreadableMessageError
from .gate import AttestationGate, Ruling
from .json_message import event_block

HEAD_EVENTS = (b"head", b"head_v2")
# An event longer than this ends the stream: it cannot be told whether it is a head event. Bytes; the longest that
# beacon nodes send, an attester slashing of two whole committees, is below 1 MiB.
MAX_EVENT = 8 << 20
LINE_END = rb"(?:\r\n?+|\n)"
EVENT_END = re.compile(LINE_END + LINE_END)
FIRST_LINE_END = re.compile(LINE_END)
LINES = re.compile(rb"\r\n|\n|\r")


class EventSplitter:
    """Cuts a stream of bytes after each event, wherever its chunks end. The pieces together are the stream."""

    def __init__(self) -> None:
        self._rest = b""
        self._searched = 0
        self._after_return = False  # the last piece ended with CR: a LF that follows belongs to it

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that are complete with this chunk. Raises BeaconNodeError where one is longer than MAX_EVENT."""
        pieces: list[bytes] = []
        rest = self._rest + chunk
        if self._after_return and rest:
            self._after_return = False
            if rest.startswith(b"\n"):
                pieces.append(b"\n")
                rest = rest[1:]
                self._searched = 0
        start, search = 0, self._searched
        while start < len(rest):
            found = FIRST_LINE_END.match(rest, start) or EVENT_END.search(rest, max(search, start))
            if found is None:
                break
            pieces.append(rest[start : found.end()])
            start = search = found.end()
            self._after_return = start == len(rest) and rest.endswith(b"\r")
        self._rest = rest[start:]
        if len(self._rest) > MAX_EVENT:
            raise BeaconNodeError(f"the beacon node sent an event of more than {MAX_EVENT} bytes")
        self._searched = max(0, len(self._rest) - 4)  # an end can begin in the last bytes
        return pieces


def event_fields(event: bytes) -> tuple[bytes, bytes]:
    """The event's type and its data, as a client reads them."""
    name, data = b"", []
    for line in LINES.split(event.removeprefix(b"\xef\xbb\xbf")):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"event":
            name = value
        elif field == b"data":
            data.append(value)
    return name, b"\n".join(data)


@dataclass(frozen=True, slots=True)
class HeadEvent:
    """What became of a head event. answer: "passed", "delayed" (and passed then) or "dropped". waited: seconds."""

    answer: str
    waited: float
    ruling: Ruling | None = None
    reason: str = ""


Report = Callable[[HeadEvent], None]


async def gated_events(chunks: AsyncIterator[bytes], gate: AttestationGate, report: Report) -> AsyncGenerator[bytes]:
    """The stream as the validator client may see it. Raises what `chunks` raises, and BeaconNodeError.

    At most one head event is held: a newer one takes its place, and what is held when the stream ends is dropped.
    """
    loop = asyncio.get_running_loop()
    splitter = EventSplitter()
    reading: asyncio.Future[bytes] | None = None
    held: asyncio.Task[Ruling] | None = None
    event, since = b"", 0.0
    try:
        while True:
            reading = reading or asyncio.ensure_future(anext(chunks))
            waiting: list[asyncio.Future[Any]] = [reading, held] if held else [reading]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if held is not None and held.done():
                ruling, held = held.result(), None
                passed = ruling.permission.allowed
                report(HeadEvent("delayed" if passed else "dropped", loop.time() - since, ruling))
                if passed:
                    yield event
            if not reading.done():
                continue
            try:
                chunk = reading.result()
            except StopAsyncIteration:
                return
            reading = None
            for piece in splitter.feed(chunk):
                name, data = event_fields(piece)
                if name not in HEAD_EVENTS:
                    yield piece
                    continue
                if held is not None:
                    held.cancel()
                    held = None
                    report(HeadEvent("dropped", loop.time() - since, reason="overtaken by a newer head"))
                try:
                    root = event_block(data)
                except UnreadableMessageError as error:
                    report(HeadEvent("dropped", 0.0, reason=f"unreadable: {error}"))
                    continue
                if (now := gate.head_now(root)) is not None:
                    report(HeadEvent("passed" if now.permission.allowed else "dropped", 0.0, now))
                    if now.permission.allowed:
                        yield piece
                    continue
                event, since, held = piece, loop.time(), asyncio.create_task(gate.head_ruling(root))
    finally:
        for task in (reading, held):
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for task in (reading, held) if task is not None), return_exceptions=True)
