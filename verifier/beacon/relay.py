"""Requests on their way to the beacon node and answers on their way back: bodies stream, nothing is kept or changed."""

from collections.abc import AsyncIterable, AsyncIterator, Callable

import aiohttp
from aiohttp import web

from verifier.header_fields import end_to_end

from .answers import ErrorAnswer
from .errors import BeaconNodeError, UnreadableMessageError


class Tap:
    """What went by, to be read afterwards; nothing of it if it was longer than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen = bytearray()
        self.complete = True

    async def through(self, chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """The same chunks."""
        async for chunk in chunks:
            if self.complete:
                self._seen += chunk
                if len(self._seen) > self._limit:
                    self.complete = False
                    self._seen.clear()
            yield chunk

    def body(self) -> bytes:
        """All of it. Raises UnreadableMessageError if it was too long."""
        if not self.complete:
            raise UnreadableMessageError(f"it is longer than {self._limit} bytes")
        return bytes(self._seen)


async def request_body(request: web.BaseRequest) -> AsyncIterator[bytes] | None:
    """What the client sends, as it comes in; None if the request has no body."""
    if not request.can_read_body:
        return None
    await _let_it_come(request)
    return request.content.iter_any()


async def read_request(request: web.BaseRequest, limit: int, count: Callable[[int], None]) -> bytes | None:
    """The whole body; None if it is longer than `limit` bytes. count: told of every piece's bytes; may raise."""
    if (request.content_length or 0) > limit:
        return None
    body = bytearray()
    await _let_it_come(request)
    async for chunk in request.content.iter_any():
        count(len(chunk))
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)


async def relay(
    request: web.BaseRequest, answer: aiohttp.ClientResponse, body: AsyncIterable[bytes]
) -> web.StreamResponse:
    """Sends `answer` with `body` to the client.

    If the body breaks off, so does the client's connection: what it has must not look complete.
    """
    response = web.StreamResponse(
        status=answer.status, reason=answer.reason, headers=end_to_end(answer.headers.items())
    )
    try:
        await response.prepare(request)
        async for chunk in body:
            await response.write(chunk)
        await response.write_eof()
    except BeaconNodeError:
        if request.transport is not None:
            request.transport.abort()
    except ConnectionError:
        pass  # the client is gone, and leaving ends the request to the beacon node
    return response


async def one_chunk(body: bytes) -> AsyncIterator[bytes]:
    """A body that is already there."""
    if body:
        yield body


def own_answer(error: ErrorAnswer) -> web.Response:
    """An answer of the gate itself."""
    return web.Response(status=error.status, body=error.body, content_type="application/json")


async def _let_it_come(request: web.BaseRequest) -> None:
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
