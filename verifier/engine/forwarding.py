"""A call on its way to the execution client and its answer on the way back, held: the same for both kinds of calls."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from verifier.domain.gate import EngineAnswer, PayloadStatus

from .hold import Asked, Hold
from .messages import Finish


@dataclass(frozen=True, slots=True)
class Heard:
    """The execution client's answer. status: None if it is none, then `refusal` is what to answer instead, and
    `reason` why.

    result: its JSON without the witness. unknown: why it is no statement about a block that can be judged, or "".
    """

    status: PayloadStatus | None = None
    result: Any = None
    refusal: bytes = b""
    reason: str = ""
    unknown: str = ""


# The JSON-RPC answer that says this, the execution client's own where that is what is said.
Encode = Callable[[EngineAnswer, Heard | None], bytes]


class Forwarding:
    """Calls that the execution client has and that go on there, whatever becomes of the caller."""

    def __init__(self, hold: Hold) -> None:
        self._hold = hold
        self._running: set[asyncio.Task[Heard]] = set()

    async def begin(self, asked: Asked, asking: Coroutine[Any, Any, Heard], encode: Encode) -> Finish:
        """Returns once `asking` is done, or at the deadline. What is returned then gives the answer."""
        task = asyncio.create_task(asking)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        remaining = max(0.0, asked.deadline - asyncio.get_running_loop().time())
        await asyncio.wait({task}, timeout=remaining)

        async def finish() -> bytes:
            if not task.done():
                answer = self._hold.silent(asked)
                if answer is not None:
                    return encode(answer, None)
            heard = await asyncio.shield(task)
            if heard.status is None:
                self._hold.refused(asked, heard.reason)
                return heard.refusal
            return encode(await self._hold.settle(asked, heard.status, heard.unknown), heard)

        return finish

    async def close(self) -> None:
        """Ends what is under way."""
        for each in self._running:
            each.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
