"""An execution client on loopback that keeps what it gets and answers what it is told to."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDictProxy

from verifier.executors.jwt import check_token

SECRET = b"\xee" * 32
VERSION = [{"code": "FK", "name": "Fake", "version": "v1.2.3", "commit": "0x00000000"}]
Reply = Callable[[web.Request, bytes], Awaitable[web.StreamResponse | None]]


class Refusal(Exception):  # noqa: N818 - an answer, not an error of the test's
    """Answered as a JSON-RPC error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message}


@dataclass
class Received:
    """One request as it came."""

    method: str
    path: str
    headers: CIMultiDictProxy[str]
    body: bytes


@dataclass
class FakeExecution:
    """results: method → what is answered, a value or a function of the parameters. reply: answers before all else."""

    capabilities: list[str] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)
    requests: list[Received] = field(default_factory=list)
    reply: Reply | None = None
    secret: bytes = SECRET
    url: str = ""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, bodies: int) -> None:
        """Waits until so many have come."""
        while len(self.bodies) < bodies:
            self._changed.clear()
            await self._changed.wait()

    @property
    def bodies(self) -> list[bytes]:
        """The bodies that came, without the gate's own questions."""
        return [each.body for each in self.requests if not self._own(each.body)]

    @property
    def methods(self) -> list[str]:
        """The methods of the single calls that came, without the gate's own questions."""
        return [json.loads(body)["method"] for body in self.bodies]

    def _own(self, body: bytes) -> bool:
        return b"engine_getClientVersionV1" in body or (b"engine_exchangeCapabilities" in body and b'"id": 1,' in body)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append(Received(request.method, request.rel_url.raw_path_qs, request.headers, body))
        self._changed.set()
        try:
            check_token(self.secret, request.headers.get("Authorization"), NOW)
        except Exception as error:
            return web.Response(status=401, text=str(error))
        if self.reply is not None and not self._own(body):
            answer = await self.reply(request, body)
            if answer is not None:
                return answer
        try:
            value = json.loads(body)
        except ValueError:
            return web.Response(status=400, text="parse error")
        if isinstance(value, list):
            return web.json_response([self.answer(each) for each in value if isinstance(each, dict)])
        return web.json_response(self.answer(value))

    def answer(self, call: Any) -> Any:
        method = call.get("method") if isinstance(call, dict) else None
        answer = {"jsonrpc": "2.0", "id": call.get("id") if isinstance(call, dict) else None}
        results: dict[str, Any] = {
            "engine_exchangeCapabilities": self.capabilities,
            "engine_getClientVersionV1": VERSION,
            **self.results,
        }
        if not isinstance(method, str) or method not in results:
            return {**answer, "error": {"code": -32601, "message": f"the method {method} does not exist"}}
        result = results[method]
        try:
            return {**answer, "result": result(call.get("params")) if callable(result) else result}
        except Refusal as refusal:
            return {**answer, "error": refusal.error}


NOW = 1_800_000_000  # seconds since 1970, on every clock of these tests


@asynccontextmanager
async def fake_execution(**values: Any) -> AsyncIterator[FakeExecution]:
    """One that serves."""
    fake = FakeExecution(**values)
    application = web.Application(client_max_size=1 << 30)
    application.router.add_route("*", "/{path:.*}", fake.serve)
    async with TestServer(application) as server:
        fake.url = str(server.make_url("/"))
        yield fake
