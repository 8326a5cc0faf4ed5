"""The execution client, as it is asked: its Engine API by the gate, and its other methods for blocks and witnesses."""

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from verifier.configuration.sections import ExecutionSection, WitnessSource
from verifier.engine.execution_client import EngineApi
from verifier.executors.jwt import encode_token, read_secret
from verifier.executors.stateful.embedded_source import EmbeddedSource
from verifier.executors.stateful.engine_api import ExecutionClientSource, ExecutionRpc
from verifier.executors.stateful.errors import NoWitnessError
from verifier.executors.stateful.follower import Follower
from verifier.executors.stateful.source import BlockSource, Recorded

ANY_CALL = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}).encode()
CALL_TIMEOUT = 5.0  # seconds for a call that it answers from memory


@dataclass(frozen=True, slots=True)
class Execution:
    """engine: its Engine API, None without the engine gate. rpc: its other methods, at rpc_url or else there too.

    calls: single calls to the Engine API, beside those that the gate forwards; None without the engine gate.
    """

    engine: EngineApi | None
    rpc: ExecutionRpc
    calls: ExecutionRpc | None = None

    async def authenticate(self) -> None:
        """Asks the Engine API for something. Raises EngineApiError."""
        if self.engine is not None:
            await self.engine.exchange(ANY_CALL, seconds=CALL_TIMEOUT)

    async def reach(self) -> None:
        """Raises what says why the client cannot be asked now."""
        await self.authenticate()
        await self.rpc.chain_id()


@asynccontextmanager
async def open_execution(section: ExecutionSection, *, gate: bool) -> AsyncIterator[Execution]:
    """Connections to the client while the context lasts; it need not be there yet. gate: whether the engine gate runs.

    Raises JwtSecretError.
    """
    secret = None if section.jwt_secret_file is None or not gate else read_secret(section.jwt_secret_file)
    engine = None if secret is None else EngineApi(section.url, secret)

    def authorize() -> Mapping[str, str]:
        assert secret is not None, "without the gate there is an rpc_url"
        return {"Authorization": f"Bearer {encode_token(secret, int(time.time()))}"}

    async with aiohttp.ClientSession() as session:
        authorized = ExecutionRpc(section.url, session, authorize)
        rpc = authorized if section.rpc_url is None else ExecutionRpc(section.rpc_url, session)
        try:
            yield Execution(engine, rpc, None if engine is None else authorized)
        finally:
            if engine is not None:
                await engine.close()


def block_source(
    section: ExecutionSection, rpc: ExecutionRpc, chain_config: bytes, follower: Follower | None
) -> BlockSource:
    """Where blocks are fetched from, and those witnesses that did not come with newPayload's answer."""
    source = ExecutionClientSource(rpc, chain_config)
    if section.witness is WitnessSource.ENGINE:
        return WitnesslessSource(source)
    if follower is None:
        return source
    return EmbeddedSource(source, follower, fallback=section.witness is WitnessSource.AUTO)


class WitnesslessSource:
    """A BlockSource that is never asked for witnesses, as `witness = "engine"` wants it."""

    def __init__(self, source: BlockSource) -> None:
        self.header = source.header
        self.block = source.block

    async def witness(self, block: bytes) -> Recorded:  # noqa: ARG002 - the seam's signature
        """Raises NoWitnessError."""
        raise NoWitnessError('the witness did not come with the answer to newPayload, and witness = "engine"')
