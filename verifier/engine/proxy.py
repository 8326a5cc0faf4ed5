"""The server that consensus clients talk to, as if it were the execution client's Engine API.

What the gate does not judge goes through as it came: body, path, status and headers, both ways, as a stream. Where the
execution client cannot be had, such a request gets HTTP status 502 with a JSON-RPC error; a call that is judged gets
the error with status 200, for consensus clients repeat a payload that failed by its HTTP status, and wait with others.
"""

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus

from aiohttp import ClientError, web
from aiohttp.http import HttpProcessingError

from verifier.domain.event import Alarm
from verifier.errors import TokenError
from verifier.executors.jwt import check_token
from verifier.header_fields import end_to_end

from .errors import ConnectionClosedError, EngineApiError, EngineListenError
from .execution_client import PIECE
from .gate import EngineGate
from .messages import INTERNAL_ERROR, PARSE_ERROR, SERVER_ERROR, MalformedRequestError, encode_error, parse_request

LOOPBACK = "127.0.0.1"
MAX_BODY = 1 << 27  # bytes; geth's own limit for its Engine API: blocks have 10 MiB, in hexadecimal twice that
SHUTDOWN_TIMEOUT = 1.0  # seconds for answers that are under way; held ones are never let out early
KEEP_ALIVE = 120.0  # seconds; as geth's, longer than any consensus client is silent
# What belongs to one connection or its encoding, beside what no proxy passes. A body is always read decompressed.
NOT_SENT = frozenset(("host", "authorization", "content-length", "content-encoding", "expect"))
JSON = "application/json"


class EngineProxy:
    """secret: 32 bytes, shared with the consensus client; another one than the execution client's. host, port: where
    it listens, port 0 for any. clock: seconds since 1970, for tokens. `start` returns when it serves.
    """

    def __init__(
        self,
        gate: EngineGate,
        secret: bytes,
        *,
        host: str = LOOPBACK,
        port: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.url = ""
        self._gate = gate
        self._secret = secret
        self._address = (host, port)
        self._clock = clock
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listens, and starts the gate. Raises EngineListenError."""
        host, port = self._address
        application = web.Application(client_max_size=MAX_BODY)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(
            application, access_log=None, keepalive_timeout=KEEP_ALIVE, shutdown_timeout=SHUTDOWN_TIMEOUT
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise EngineListenError(f"engine gate: cannot listen on {host}:{port}: {error.strerror or error}") from None
        bound = self._runner.addresses[0]
        name = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        self.url = f"http://{name}:{bound[1]}"
        self._gate.start()

    async def close(self) -> None:
        """Stops listening; connections end without an answer for what is held."""
        await self._gate.close()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        arrival = asyncio.get_running_loop().time()
        try:
            return await self._answered(request, arrival)
        except web.HTTPException as error:
            return _text(error.status, error.reason)
        except ConnectionError:
            raise  # the consensus client is gone
        except Exception as error:
            self._gate.observer.notify(Alarm("gate_failed", f"{type(error).__name__}: {error}"))
            return _json(encode_error(None, INTERNAL_ERROR, "the verifier failed: see its log"), status=500)

    async def _answered(self, request: web.Request, arrival: float) -> web.StreamResponse:
        try:
            check_token(self._secret, request.headers.get("Authorization"), self._clock())
        except TokenError as error:
            return _text(HTTPStatus.UNAUTHORIZED, str(error))
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return _text(HTTPStatus.NOT_IMPLEMENTED, "the engine gate takes HTTP requests, no websockets")
        try:
            body = await request.read()
        except (ClientError, web.RequestPayloadError, HttpProcessingError) as error:
            return _text(HTTPStatus.BAD_REQUEST, f"the body cannot be read: {error}")
        try:
            parsed = parse_request(body)
        except MalformedRequestError as error:
            return _json(encode_error(None, PARSE_ERROR, f"parse error: {error}"))
        response = None
        if not parsed.gated:
            try:
                response = await self._passed(request, body)
            except ConnectionClosedError:  # nothing has been answered: ask once more, on a new connection
                response = await self._passed(request, body, last=True)
        if parsed.capabilities is not None:
            self._gate.capabilities.heard(parsed.capabilities)
        return response if response is not None else _json(await self._gate.answer(parsed, arrival))

    async def _passed(self, request: web.Request, body: bytes, *, last: bool = False) -> web.StreamResponse:
        headers = end_to_end(request.headers.items(), NOT_SENT)
        path = request.rel_url.raw_path_qs
        response: web.StreamResponse | None = None
        gone: ConnectionError | None = None  # the consensus client's connection, not the execution client's
        try:
            async with self._gate.client.request(request.method, path, headers.items(), body) as answer:
                response = web.StreamResponse(
                    status=answer.status,
                    reason=answer.reason,
                    headers=end_to_end(answer.headers.items()),
                )
                try:
                    await response.prepare(request)
                except ConnectionError as error:
                    gone = error
                    return response
                async for piece in answer.content.iter_chunked(PIECE):
                    try:
                        await response.write(piece)
                    except ConnectionError as error:
                        gone = error
                        return response
        except EngineApiError as error:
            if isinstance(error, ConnectionClosedError) and not last:
                raise
            self._gate.capabilities.lost(error)
            if response is None or not response.prepared:
                return _json(encode_error(None, SERVER_ERROR, str(error)), status=HTTPStatus.BAD_GATEWAY)
            if request.transport is not None:
                request.transport.abort()  # half an answer must not look like a whole one
            return response
        finally:
            if gone is not None and request.transport is not None:
                request.transport.abort()
        await response.write_eof()
        return response


def _text(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n")


def _json(body: bytes, status: int = HTTPStatus.OK) -> web.Response:
    return web.Response(status=status, body=body, content_type=JSON)
