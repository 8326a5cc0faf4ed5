"""A gate between a consensus client, which is the test, and a fake execution client, over real connections."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import ClientResponse, ClientSession
from yarl import URL

from tests.verifier.engine.fake_execution import NOW, FakeExecution, fake_execution
from verifier.domain.event import Event
from verifier.domain.standing import Standing, StandingReport
from verifier.domain.status import BlockStatus
from verifier.engine.execution_client import EngineApi
from verifier.engine.gate import EngineGate
from verifier.engine.hold import HoldPolicy
from verifier.engine.proxy import EngineProxy
from verifier.executors.jwt import encode_token
from verifier.services.chain_view import FakeChainView, FakePayloadJudge
from verifier.services.conformance.loaders.rlp_chain import load_blocks
from witness.formats.engine_payload import engine_parameters
from witness.header import decode_block_header

FIXTURE = Path(__file__).parents[3] / "fixtures" / "chain"
BLOCKS = list(load_blocks(FIXTURE / "chain.rlp"))
CONFIG = json.dumps(json.loads((FIXTURE / "genesis.json").read_text())["config"]).encode()
BLOCK = BLOCKS[0]  # of Shanghai
HEADER = decode_block_header(BLOCK)
VERSION, PARAMETERS = engine_parameters(BLOCK)
CALLER_SECRET = b"\xcc" * 32
Kind = TypeVar("Kind")


def status(word: str, latest: bytes | None = None, error: str | None = None) -> dict[str, Any]:
    return {"status": word, "latestValidHash": latest and "0x" + latest.hex(), "validationError": error}


def call(method: str, params: Any, id_: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}


def new_payload(id_: Any = 1, method: str = f"engine_newPayloadV{VERSION}") -> dict[str, Any]:
    return call(method, PARAMETERS, id_)


def forkchoice(head: bytes, safe: bytes = bytes(32), finalized: bytes = bytes(32), id_: Any = 1) -> dict[str, Any]:
    state = {"headBlockHash": head, "safeBlockHash": safe, "finalizedBlockHash": finalized}
    return call("engine_forkchoiceUpdatedV2", [{name: "0x" + value.hex() for name, value in state.items()}, None], id_)


def verified(block_hash: bytes) -> StandingReport:
    return StandingReport(Standing.VERIFIED, block_hash, "2 of 2", BlockStatus.VERIFIED)


def undecided(block_hash: bytes) -> StandingReport:
    return StandingReport(Standing.UNDECIDED, block_hash, "1 of 2", BlockStatus.AVAILABLE)


def invalid(block_hash: bytes) -> StandingReport:
    return StandingReport(Standing.INVALID, block_hash, "a dispute concluded so", BlockStatus.INVALID)


@dataclass
class Recorder:
    """Hears every event."""

    events: list[Event] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def notify(self, event: Event) -> None:
        self.events.append(event)
        self._changed.set()

    async def until(self, kind: type[Event]) -> None:
        """Waits for an event of this kind."""
        while not any(isinstance(each, kind) for each in self.events):
            self._changed.clear()
            await self._changed.wait()

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [each for each in self.events if isinstance(each, kind)]


@dataclass
class Harness:
    execution: FakeExecution
    chain: FakeChainView
    judge: FakePayloadJudge
    heard: Recorder
    gate: EngineGate
    proxy: EngineProxy
    session: ClientSession

    def token(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {encode_token(CALLER_SECRET, NOW)}"}

    async def post(self, body: bytes, path: str = "/", **headers: str) -> tuple[ClientResponse, bytes]:
        async with self.session.post(
            URL(self.proxy.url + path, encoded=True),
            data=BytesIO(body),
            headers={**self.token(), "Content-Type": "application/json", **headers},
        ) as response:
            return response, await response.read()

    async def ask(self, value: Any) -> Any:
        """The parsed answer to a call or a batch."""
        response, body = await self.post(json.dumps(value).encode())
        assert response.status == 200, body
        return json.loads(body)

    async def known(self) -> None:
        """Waits until the gate knows what the execution client can do."""
        await self.gate.capabilities.answered()


@asynccontextmanager
async def harness(
    policy: HoldPolicy | None = None, at_once: Callable[[int], bool] = lambda _: True, **execution: Any
) -> AsyncIterator[Harness]:
    """Everything, served. policy: by default every block is held, for a time that no test waits for."""
    async with AsyncExitStack() as stack:
        fake = await stack.enter_async_context(fake_execution(**execution))
        chain, judge, heard = FakeChainView(), FakePayloadJudge(), Recorder()
        client = EngineApi(fake.url, fake.secret, clock=lambda: NOW)
        stack.push_async_callback(client.close)
        gate = EngineGate(
            client, judge, chain, heard, policy=policy or HoldPolicy(), chain_config=CONFIG, at_once=at_once
        )
        proxy = EngineProxy(gate, CALLER_SECRET, clock=lambda: NOW)
        await proxy.start()
        stack.push_async_callback(proxy.close)
        session = await stack.enter_async_context(ClientSession(auto_decompress=False))
        built = Harness(fake, chain, judge, heard, gate, proxy, session)
        await built.known()
        yield built
