"""Which chain it is: waited for, believed where it can be, refused where it contradicts the configuration."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer, unused_port

from verifier.app import bundled_chain
from verifier.app.execution import Execution, open_execution
from verifier.app.identity import ChainIdentity, identify_chain
from verifier.configuration.reading import EffectiveConfiguration, read_configuration
from verifier.demo.execution_client import ExecutionClient
from verifier.demo.private_chain import PrivateChain
from verifier.engine.errors import EngineApiTokenError
from verifier.errors import ConfigurationError
from verifier.services.conformance.loaders.genesis import load_genesis
from witness.chain_config import parse_chain_config

GENESIS = bundled_chain() / "genesis.json"
SECRET = "11" * 32


def configured(folder: Path, url: str, genesis: Path | None = GENESIS, secret: str = SECRET) -> EffectiveConfiguration:
    (folder / "execution.jwt").write_text(secret)
    flags = {
        "--execution-url": url,
        "--execution-jwt-secret-file": str(folder / "execution.jwt"),
        "--engine-jwt-secret-file": str(folder / "execution.jwt"),
        "--execution-lineage": "pyevm",
        "--chain-genesis": "" if genesis is None else str(genesis),
    }
    return read_configuration(None, {}, flags)


@asynccontextmanager
async def asking(effective: EffectiveConfiguration) -> AsyncIterator[Execution]:
    async with open_execution(effective.values.execution, gate=True) as execution:
        yield execution


async def identify(effective: EffectiveConfiguration) -> ChainIdentity:
    async with asking(effective) as execution:
        return await identify_chain(effective, execution.rpc, execution.authenticate, retry=0)


@asynccontextmanager
async def served(folder: Path, port: int = 0) -> AsyncIterator[str]:
    with (
        PrivateChain(folder / "chain", load_genesis(GENESIS)) as chain,
        ExecutionClient(chain, bytes.fromhex(SECRET)) as client,
    ):
        async with TestServer(client.application(), port=port or None) as server:
            yield str(server.make_url("/"))


def test_a_client_is_waited_for_and_then_believed(tmp_path: Path) -> None:
    async def scenario() -> None:
        port = unused_port()
        waiting = asyncio.create_task(identify(configured(tmp_path, f"http://127.0.0.1:{port}/")))
        async with asking(configured(tmp_path, f"http://127.0.0.1:{port}/")) as execution:
            with pytest.raises(Exception, match="execution client"):
                await execution.reach()
            async with served(tmp_path, port):
                found = await waiting
                await execution.reach()
        assert found.chain_id == 7330001
        assert parse_chain_config(found.chain_config).chain_id == 7330001
        with PrivateChain(tmp_path / "chain", load_genesis(GENESIS)) as chain:
            assert chain.head().hash == found.genesis_hash

    asyncio.run(scenario())


def test_a_client_that_refuses_our_token_is_not_waited_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with served(tmp_path) as url:
            with pytest.raises(EngineApiTokenError):
                await identify(configured(tmp_path, url, secret="22" * 32))

    asyncio.run(scenario())


def test_a_chain_of_our_own_needs_its_genesis_file_and_the_right_one(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(GENESIS.read_text().replace("7330001", "5"))
    (tmp_path / "broken.json").write_text("{")

    async def scenario() -> None:
        async with served(tmp_path) as url:
            for genesis, reason in (
                (None, "chain 7330001 is not known"),
                (other, "of chain 5, the execution client is on chain 7330001"),
                (tmp_path / "broken.json", "genesis: "),
            ):
                with pytest.raises(ConfigurationError, match=reason):
                    await identify(configured(tmp_path, url, genesis))

    asyncio.run(scenario())
