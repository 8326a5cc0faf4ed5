"""A beacon node for tests: answers by path, and keeps what it was asked."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import RawTestServer

from .messages import hexadecimal


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass
class FakeBeaconNode:
    """`answers` by path without query, or a handler of its own; 404 otherwise. `blocks`: root → execution hash."""

    answers: dict[str, web.Response | Handler] = field(default_factory=dict)
    blocks: dict[bytes, bytes] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.content.read()
        self.asked.append(Asked(request.method, request.raw_path, tuple(request.headers.items()), body))
        path = request.raw_path.partition("?")[0]
        answer = self.answers.get(path)
        if callable(answer):
            return await answer(request)
        if answer is not None:
            return web.Response(status=answer.status, reason=answer.reason, headers=answer.headers, body=answer.body)
        for root, block_hash in self.blocks.items():
            if path == f"/eth/v1/beacon/blinded_blocks/{hexadecimal(root)}":
                body_json = {"execution_payload_header": {"block_hash": hexadecimal(block_hash)}}
                return web.json_response({"data": {"message": {"body": body_json}}})
        return web.json_response({"code": 404, "message": "not found"}, status=404)

    def bodies(self, path: str) -> list[bytes]:
        """What was posted to a path."""
        return [asked.body for asked in self.asked if asked.method == "POST" and asked.target.startswith(path)]

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        server = RawTestServer(self.handle)
        await server.start_server(auto_decompress=False, max_line_size=1 << 20)
        try:
            self.url = str(server.make_url("")).rstrip("/")
            yield self.url
        finally:
            await server.close()


def json_answer(value: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=json.dumps(value).encode(), content_type="application/json")


def ssz_answer(body: bytes, fork: str | None = None) -> web.Response:
    headers = {"Eth-Consensus-Version": fork} if fork else {}
    return web.Response(body=body, content_type="application/octet-stream", headers=headers)


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(talk: Talk) -> AsyncIterator[str]:
    """A server that says any bytes: `talk` is called once the head of a request is read, and then it hangs up."""
    talks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            await talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            await hang_up(writer)
            talks.discard(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"http://{host}:{port}"
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Closes a connection, whatever has become of it."""
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def saying(said: bytes) -> Talk:
    """Says this, and hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)

    return talk
