"""The gate as validator clients see it, before a fake beacon node and a fake chain."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import aiohttp
from yarl import URL

from verifier.beacon.server import serve_beacon_gate
from verifier.domain.event import Event, GateAnswered
from verifier.domain.gate import GateMode
from verifier.services.chain_view import FakeChainView

from .beacon_node import FakeBeaconNode

SHORT = 0.05  # seconds to hold where a block stays undecided: what passes must not depend on it
LIMIT = 60.0  # seconds; no scenario hangs


@dataclass
class Events:
    """Keeps every event."""

    seen: list[Event] = field(default_factory=list)

    def notify(self, event: Event) -> None:
        self.seen.append(event)

    def answers(self) -> list[tuple[str, str, bool]]:
        return [(each.request, each.answer, each.gated) for each in self.seen if isinstance(each, GateAnswered)]


@dataclass
class Gateway:
    """A client's view of it."""

    url: str
    node: FakeBeaconNode
    chain: FakeChainView
    events: Events
    session: aiohttp.ClientSession

    @asynccontextmanager
    async def asking(
        self, method: str, target: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        url = URL(self.url + target, encoded=True)
        async with self.session.request(
            method,
            url,
            data=BytesIO(body) if isinstance(body, bytes) else body,
            headers=headers,
            allow_redirects=False,
            skip_auto_headers=("Content-Type",),
        ) as answer:
            yield answer

    async def ask(
        self, method: str, target: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        async with self.asking(method, target, body, headers) as answer:
            return answer.status, await answer.read()

    async def post_json(self, target: str, body: Any) -> tuple[int, bytes]:
        return await self.ask("POST", target, body, {"Content-Type": "application/json"})


@asynccontextmanager
async def gateway(
    node: FakeBeaconNode, chain: FakeChainView, mode: GateMode = GateMode.EVERY_BLOCK, hold: float = LIMIT
) -> AsyncIterator[Gateway]:
    events = Events()
    elsewhere = node.url
    async with (
        node.serving() as here,
        serve_beacon_gate(elsewhere or here, mode, chain, events, hold=hold) as url,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        yield Gateway(url, node, chain, events, session)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(LIMIT):
            await scenario

    asyncio.run(limited())
