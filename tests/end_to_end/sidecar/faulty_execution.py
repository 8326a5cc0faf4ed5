"""What stands before a real execution client and goes wrong as a test wants it to."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from tests.peers.geth_node import GethNode
from verifier.errors import TokenError
from verifier.executors.jwt import check_token
from witness.formats.engine_payload import decode_engine_payload
from witness.formats.json_field import hex_octets

LARGEST = 1 << 27  # bytes of a request
JSON = "application/json"
RPC_PATH = "/rpc"  # below which the node's plain RPC is; its Engine API is at the root
METHOD_NOT_FOUND = -32601
Document = dict[str, Any]
Forward = Callable[[], Awaitable[web.Response]]


@dataclass(frozen=True)
class Asked:
    """One call. authenticated: it came to the Engine API's port. forward: what the client itself answers to it."""

    method: str
    document: Document
    authenticated: bool
    authorization: str | None
    forward: Forward


Fault = Callable[[Asked], Awaitable[web.StreamResponse | None]]


class FaultyExecution:
    """Serves a node's two ports. fault: asked about every call; what it answers is answered, None goes on.

    lies: payloads that are answered for as if they were others: the client executes the honest one, and the answer is
    told of the bad one, with its witness. methods: how often each was called.
    """

    def __init__(self, node: GethNode, session: aiohttp.ClientSession) -> None:
        self.fault: Fault | None = None
        self.methods: Counter[str] = Counter()
        self.asked_about: Counter[str] = Counter()  # newPayload, by blockHash
        self._node = node
        self._session = session
        self._lies: dict[str, list[Any]] = {}
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Its Engine API."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def rpc_url(self) -> str:
        """Its plain RPC."""
        return self.url + RPC_PATH

    async def start(self) -> None:
        """Listens, after `stop` on the same port."""
        application = web.Application(client_max_size=LARGEST)
        application.router.add_post("/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Connections end, new ones are refused, as if no process were there."""
        if self._runner is not None:
            await self._runner.cleanup()

    def lie(self, bad_hash: str, honest: Sequence[Any]) -> None:
        """From now on the client says of the bad block what it says of the honest one. honest: newPayload's parameters.

        Both have the same parent and transactions; then the honest one's witness is also the bad one's.
        """
        self._lies[bad_hash] = list(honest)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        document = json.loads(body)
        if not isinstance(document, dict):
            return await self._send(request, body)
        method = document["method"]
        self.methods[method] += 1

        async def forward() -> web.Response:
            return await self._forward(request, document)

        if method.startswith("engine_newPayload"):
            self.asked_about[document["params"][0].get("blockHash")] += 1
        asked = Asked(method, document, request.path != RPC_PATH, request.headers.get("Authorization"), forward)
        try:
            answer = None if self.fault is None else await self.fault(asked)
            return await forward() if answer is None else answer
        except (aiohttp.ClientError, OSError):
            assert request.transport is not None
            request.transport.abort()  # as a client whose process is gone
            raise

    async def _forward(self, request: web.Request, document: Document) -> web.Response:
        text = json.dumps(document)
        for bad, honest in self._lies.items():
            if bad in text:
                return await self._forward_lie(request, document, bad, honest)
        return await self._send(request, text.encode())

    async def _forward_lie(self, request: web.Request, document: Document, bad: str, honest: list[Any]) -> web.Response:
        truth = honest[0]["blockHash"]
        if document["method"].startswith("engine_newPayload") and document["params"][0]["blockHash"] == bad:
            document = {**document, "params": honest}
        asked = json.dumps(document).replace(bad, truth)
        answer = await self._send(request, asked.encode())
        return web.Response(status=answer.status, text=str(answer.text).replace(truth, bad), content_type=JSON)

    async def _send(self, request: web.Request, body: bytes) -> web.Response:
        url = self._node.rpc_url if request.path == RPC_PATH else self._node.engine_url
        headers = {"Content-Type": JSON}
        if "Authorization" in request.headers:
            headers["Authorization"] = request.headers["Authorization"]
        async with self._session.post(url, data=body, headers=headers) as response:
            return web.Response(status=response.status, body=await response.read(), content_type=JSON)


def spoil(parameters: Sequence[Any], version: int) -> list[Any]:
    """newPayload's parameters of a block that claims another state root, and that is otherwise the same."""
    payload = {**parameters[0], "stateRoot": hex_octets(bytes(31) + b"\x01")}
    found = decode_engine_payload(version, [payload, *parameters[1:]])
    return [{**payload, "blockHash": hex_octets(found.header.hash)}, *parameters[1:]]


@dataclass
class Slow:
    """Calls of methods that begin with `prefix` wait until `go` is set. waiting: set when one does."""

    prefix: str
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, asked: Asked) -> None:
        """As Fault."""
        if asked.method.startswith(self.prefix):
            self.waiting.set()
            await self.go.wait()


@dataclass(frozen=True)
class Garbage:
    """Calls of methods that begin with one of `prefixes` are answered with `body`."""

    prefixes: tuple[str, ...]
    body: bytes
    status: int = 200

    async def __call__(self, asked: Asked) -> web.Response | None:
        """As Fault."""
        if asked.method.startswith(self.prefixes):
            return web.Response(status=self.status, body=self.body, content_type=JSON)
        return None


@dataclass(frozen=True)
class Twisted:
    """The client's results to methods that begin with one of `prefixes` are changed by `twist`."""

    prefixes: tuple[str, ...]
    twist: Callable[[Any], Any]

    async def __call__(self, asked: Asked) -> web.Response | None:
        """As Fault."""
        if not asked.method.startswith(self.prefixes):
            return None
        answer = json.loads(str((await asked.forward()).text))
        if "result" in answer:
            answer["result"] = self.twist(answer["result"])
        return web.json_response(answer)


@dataclass(frozen=True)
class Lacking:
    """A client without the methods in whose names one of `words` is."""

    words: tuple[str, ...]

    async def __call__(self, asked: Asked) -> web.Response | None:
        """As Fault."""
        if any(word in asked.method for word in self.words):
            fault = {"code": METHOD_NOT_FOUND, "message": f"the method {asked.method} does not exist/is not available"}
            return web.json_response({"jsonrpc": "2.0", "id": asked.document.get("id"), "error": fault})
        if asked.method == "engine_exchangeCapabilities":
            answer = json.loads(str((await asked.forward()).text))
            answer["result"] = [name for name in answer["result"] if not any(word in name for word in self.words)]
            return web.json_response(answer)
        return None


@dataclass(frozen=True)
class Guarding:
    """A client that checks tokens with a secret (32 bytes) and a clock that is `ahead` seconds before ours."""

    secret: bytes
    ahead: float = 0.0

    async def __call__(self, asked: Asked) -> web.Response | None:
        """As Fault; the Engine API's port alone wants tokens."""
        if not asked.authenticated:
            return None
        try:
            check_token(self.secret, asked.authorization, time.time() + self.ahead)
        except TokenError as error:
            return web.Response(status=401, text=str(error))
        return None
