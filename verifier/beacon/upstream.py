"""The beacon node behind the gate, as it is asked over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from io import BytesIO
from types import TracebackType
from typing import Self

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from verifier.errors import UsageError

from .errors import BeaconNodeError

# Seconds to connect: both are on one machine or in one network. There is no other timeout: a state takes minutes to
# send, a stream of events has no end, and whoever asked gives up when it wants to.
CONNECT_SECONDS = 5.0
# Seconds that a connection is kept for the next request. Node.js closes idle ones after 5 s, and a request that is sent
# at that moment is lost.
KEEP_ALIVE_SECONDS = 3.0
MAX_LINE, MAX_FIELD = 1 << 20, 1 << 16  # bytes; queries with hundreds of public keys are long
# What the client library would add to a request that lacks them.
NOT_ADDED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class BeaconNode:
    """Keeps connections to one beacon node. To be entered before use, on the event loop that uses it."""

    def __init__(self, url: str) -> None:
        """url: "http://host:port", with a path if the API is below one, with "user:password@" if it asks for that.

        Raises UsageError. The password is told to the node alone.
        """
        try:
            address = URL(url)
            if address.scheme not in ("http", "https") or not address.host or address.raw_query_string:
                raise ValueError("not an http or https URL")
        except ValueError as error:
            raise UsageError(f"the beacon node's URL cannot be used: {error}") from error
        self._authorization = (
            aiohttp.encode_basic_auth(address.user, address.password or "") if address.user is not None else None
        )
        self._address = address.with_user(None)
        self.name = f"{self._address.host}:{self._address.port}"
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        # No limit on connections: each request of a validator client needs one, streams of events keep theirs.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=NOT_ADDED,
            max_line_size=MAX_LINE,
            max_field_size=MAX_FIELD,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    @asynccontextmanager
    async def request(
        self, method: str, target: str, headers: Mapping[str, str], body: AsyncIterator[bytes] | bytes | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The node's answer, its body still to be read. target: "/path?query", sent as it is.

        Raises BeaconNodeError if there is none; leaving it early ends the request.
        """
        assert self._session is not None, "not entered"
        prefix = self._address.raw_path.rstrip("/")
        url = URL(f"{self._address.origin()}{prefix}{target}", encoded=True)
        sent = CIMultiDict(headers)
        if self._authorization is not None and "Authorization" not in sent:
            sent["Authorization"] = self._authorization
        try:
            data = BytesIO(body) if isinstance(body, bytes) else body  # what aiohttp asks for where a body is large
            answer = await self._session.request(method, url, headers=sent, data=data, allow_redirects=False)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise BeaconNodeError(f"the beacon node at {self.name} does not answer: {describe(error)}") from error
        try:
            yield answer
        finally:
            if not answer.content.at_eof():
                answer.close()
            answer.release()

    async def read(self, target: str, limit: int) -> tuple[int, bytes]:
        """HTTP status and body, of at most `limit` bytes, of a GET for JSON. Raises BeaconNodeError."""
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        async with self.request("GET", target, headers) as answer:
            return answer.status, await read_whole(answer, limit)


async def read_whole(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body of an answer. Raises BeaconNodeError: longer than `limit` bytes, compressed unasked, or cut off."""
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BeaconNodeError("the beacon node compressed an answer that was to be plain")
    body = bytearray()
    async for chunk in chunks(answer):
        body += chunk
        if len(body) > limit:
            raise BeaconNodeError(f"the beacon node's answer is longer than {limit} bytes")
    return bytes(body)


async def chunks(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The body as it comes in. Raises BeaconNodeError if it ends too early."""
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
        raise BeaconNodeError(f"the beacon node's answer broke off: {describe(error)}") from error


def describe(error: BaseException) -> str:
    """An error of the network in one line, also one without a text."""
    return " ".join(str(error).split()) or type(error).__name__
