"""The execution client behind the gate: one pool of connections to its Engine API's port, with our own token."""

import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from io import BytesIO

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
)
from yarl import URL

from verifier.executors.jwt import encode_token

from .errors import ConnectionClosedError, EngineApiError, EngineApiTokenError

CONNECT_TIMEOUT = 2.0  # seconds; it is on this machine or beside it, and whoever asks waits 8 s at most
# Seconds for a gated call. Consensus clients give up after 8 s; the execution goes on behind, during a compaction of
# the database for a minute, and its answer must still reach whoever judges the block.
ANSWER_TIMEOUT = 90.0
# Seconds between two pieces of any other answer; whoever asks has a timeout of its own, traces take longest.
PASS_TIMEOUT = 300.0
KEEP_ALIVE = 60.0  # seconds; more than a slot of 12 s, less than the 120 s after which geth closes idle connections
MAX_ANSWER = 1 << 29  # bytes of a gated call's answer; the hexadecimal witness of a full block has below 2^26
PIECE = 1 << 16  # bytes read and written at once
UNAUTHORIZED = (401, 403)
JSON_HEADERS = (
    *(("Content-Type", "application/json"), ("Accept", "application/json")),
    ("Accept-Encoding", "identity"),  # compressing costs more than it saves on one machine
)
OURS = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")  # headers that are only sent if they were given


class EngineApi:
    """url: of its Engine API's port. secret: 32 bytes, the one that it was started with; shown nowhere.

    clock: seconds since 1970, for the tokens. Needs a running event loop when first used, and `close` at the end.
    """

    def __init__(self, url: str, secret: bytes, *, clock: Callable[[], float] = time.time) -> None:
        self.url = URL(url)
        self._secret = secret
        self._clock = clock
        self._session: ClientSession | None = None

    @property
    def _name(self) -> str:
        return f"the execution client at {self.url.host}:{self.url.port}"

    @asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        headers: Iterable[tuple[str, str]],
        body: bytes,
        *,
        seconds: float | None = None,
        decompress: bool = False,
    ) -> AsyncIterator[ClientResponse]:
        """Sends a request and gives its answer as it comes.

        path: with the query, encoded. headers: those to send, our token is added. seconds: for all of the
        answer, None: PASS_TIMEOUT for each piece. Raises EngineApiError, also for what the caller's own block
        raises of OSError.
        """
        limits = ClientTimeout(total=seconds, sock_connect=CONNECT_TIMEOUT, sock_read=None if seconds else PASS_TIMEOUT)
        token = encode_token(self._secret, int(self._clock()))
        answered = False
        try:
            async with self._opened().request(
                method,
                URL(str(self.url).rstrip("/") + path, encoded=True),
                headers=[*headers, ("Authorization", f"Bearer {token}")],
                data=BytesIO(body) if body else None,  # written in pieces, for it may have tens of MiB
                timeout=limits,
                allow_redirects=False,
                auto_decompress=decompress,
            ) as response:
                if response.status in UNAUTHORIZED:
                    raise EngineApiTokenError(
                        f"the execution client refuses this verifier's token (HTTP {response.status}):"
                        " compare the JWT secrets and the clocks"
                    )
                answered = True
                yield response
        except TimeoutError:
            raise EngineApiError(f"{self._name} does not answer") from None
        except (ClientError, OSError) as error:
            closed = isinstance(error, ServerDisconnectedError | ConnectionResetError | BrokenPipeError)
            kind = ConnectionClosedError if closed and not answered else EngineApiError
            raise kind(f"{self._name}: {str(error) or type(error).__name__}") from None

    async def exchange(self, body: bytes, *, seconds: float = ANSWER_TIMEOUT) -> bytes:
        """The answer to a JSON-RPC request, complete. seconds: to wait for it. Raises EngineApiError.

        Asks once more if a connection that was kept open turns out to be closed: what is asked so may be asked twice.
        """
        with suppress(ConnectionClosedError):
            return await self._exchange(body, seconds)
        return await self._exchange(body, seconds)

    async def close(self) -> None:
        """Closes every connection."""
        if self._session is not None:
            await self._session.close()

    async def _exchange(self, body: bytes, seconds: float) -> bytes:
        async with self.request("POST", "", JSON_HEADERS, body, seconds=seconds, decompress=True) as response:
            answer = bytearray()
            async for piece in response.content.iter_chunked(PIECE):
                answer += piece
                if len(answer) > MAX_ANSWER:
                    raise EngineApiError(f"the execution client's answer has more than {MAX_ANSWER} bytes")
            if response.status != HTTPStatus.OK and not answer.lstrip().startswith((b"{", b"[")):
                raise EngineApiError(f"the execution client answers with HTTP status {response.status}")
            return bytes(answer)

    def _opened(self) -> ClientSession:
        if self._session is None:
            self._session = ClientSession(
                connector=TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE),
                cookie_jar=DummyCookieJar(),
                skip_auto_headers=OURS,
            )
        return self._session
