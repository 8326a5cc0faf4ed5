"""A real geth is moved off an invalid branch, by either way, asked where it is, and builds on from there."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.peers.geth_node import GethNode
from tests.peers.installation import require_geth
from tests.verifier.services.observing import Recorder
from verifier.app.embedded import open_executor
from verifier.app.execution import Execution
from verifier.app.rollback import make_rollbacks
from verifier.demo.driver import ConsensusDriver
from verifier.demo.genesis import private_genesis
from verifier.demo.json_rpc import JsonRpc
from verifier.demo.traffic import Traffic
from verifier.domain.block import BlockReference
from verifier.domain.event import RolledBack
from verifier.domain.rollback import RollbackStep
from verifier.domain.standing import Standing
from verifier.domain.status import Anchored, BlockStatus, TrackedBlock, advance
from verifier.executors.jwt import encode_token
from verifier.executors.stateful.engine_api import ExecutionClientSource, ExecutionRpc
from verifier.executors.stateful.engine_mover import EngineMover
from verifier.executors.stateful.follower import Follower
from verifier.executors.stateful.mover import Moved
from verifier.ledger.base import FakeLedger
from verifier.ledger.dispute_ledger import FakeDisputeLedger
from verifier.services.chain import Chain
from verifier.services.conformance.loaders.genesis import load_genesis
from witness.chain_config import encode_chain_config, parse_chain_config
from witness.store import WitnessStore

GENESIS_TIME = 1_700_000_000
LENGTH, BAD, TARGET = 12, 6, 5  # blocks of the chain, the invalid one, and where to go back to
DEEPEST = 32  # blocks that geth goes back by forkchoiceUpdated


@dataclass(frozen=True)
class Setting:
    """A geth with a chain of LENGTH blocks. chain[n] is block n."""

    node: GethNode
    driver: ConsensusDriver
    chain: tuple[BlockReference, ...]
    calls: ExecutionRpc
    rpc: ExecutionRpc
    config: bytes

    def mover(self) -> EngineMover:
        return EngineMover(self.calls, self.rpc, parse_chain_config(self.config))

    def head(self) -> bytes:
        return bytes.fromhex(self.node.block_hash("latest")[2:])

    async def goes_on(self) -> None:
        """The next block is built on the target, and adopted."""
        target = f"0x{self.chain[TARGET].hash.hex()}"
        self.driver.revert(target)
        # Another slot than the invalid block's: the same one would be the same block.
        made = await self.driver.advance(GENESIS_TIME + 12 * 100)
        assert made.block.payload["parentHash"] == target
        assert made.adopted
        assert self.node.block_hash("latest") == made.block.hash
        assert made.block.number == BAD


def run(node: GethNode, genesis: Mapping[str, Any], fork: str, scenario: Callable[[Setting], Awaitable[None]]) -> None:
    """Runs a scenario on a chain of LENGTH blocks with transactions."""
    config = encode_chain_config(genesis["config"])

    def authorize() -> Mapping[str, str]:
        return {"Authorization": f"Bearer {encode_token(node.secret, int(time.time()))}"}

    async def build() -> None:
        async with aiohttp.ClientSession() as session:
            driver = ConsensusDriver(JsonRpc(session, node.engine_url, node.secret), parse_chain_config(config))
            await driver.attach()
            chain = [driver.head]
            node.send(Traffic(fork).transactions(1))
            for _ in range(LENGTH):
                made = await driver.advance()
                driver.building_time = 0.0  # the others may be empty
                assert made.adopted
                chain.append(made.block.hash)
            chain_id = int(genesis["config"]["chainId"])
            blocks = tuple(BlockReference(chain_id, at, bytes.fromhex(each[2:])) for at, each in enumerate(chain))
            calls = ExecutionRpc(node.engine_url, session, authorize)
            await scenario(Setting(node, driver, blocks, calls, ExecutionRpc(node.rpc_url, session), config))

    asyncio.run(build())


@pytest.fixture(params=["osaka"])
def geth(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[GethNode, Mapping[str, Any], str]]:
    genesis = private_genesis(request.param, GENESIS_TIME)
    with GethNode(require_geth(), tmp_path / "geth", genesis) as node:
        yield node, genesis, request.param


Geth = tuple[GethNode, Mapping[str, Any], str]


@pytest.mark.parametrize("geth", ["shanghai", "amsterdam"], indirect=True)
def test_forkchoice_moves_it_and_it_builds_on_the_target(geth: Geth) -> None:
    async def scenario(setting: Setting) -> None:
        moved = await setting.mover().move(setting.chain[BAD], setting.chain[TARGET])
        assert moved == Moved("forkchoice")
        assert setting.head() == setting.chain[TARGET].hash
        again = await setting.mover().move(setting.chain[BAD], setting.chain[TARGET])
        assert again.how == "already"
        await setting.goes_on()

    run(*geth, scenario)


def test_set_head_moves_it_where_the_branch_is_too_deep_for_forkchoice(geth: Geth) -> None:
    async def scenario(setting: Setting) -> None:
        for _ in range(TARGET + DEEPEST + 1 - LENGTH):
            assert (await setting.driver.advance()).adopted
        moved = await setting.mover().move(setting.chain[BAD], setting.chain[TARGET])
        assert moved == Moved("setHead", "engine_forkchoiceUpdatedV3: Too deep reorg")
        assert setting.head() == setting.chain[TARGET].hash
        await setting.goes_on()

    run(*geth, scenario)


def test_it_stays_where_the_target_is_below_what_is_final(geth: Geth) -> None:
    async def scenario(setting: Setting) -> None:
        head, final = (f"0x{setting.chain[number].hash.hex()}" for number in (LENGTH, BAD + 1))
        state = {"headBlockHash": head, "safeBlockHash": final, "finalizedBlockHash": final}
        setting.node.engine_call("engine_forkchoiceUpdatedV3", state, None)
        moved = await setting.mover().move(setting.chain[BAD], setting.chain[TARGET])
        assert moved.how == ""
        assert f"block {BAD + 1} is final for it" in moved.note
        assert setting.head() == setting.chain[LENGTH].hash

    run(*geth, scenario)


def test_all_parts_go_back_together(geth: Geth, tmp_path: Path) -> None:
    """With the embedded executor's database and witness files, as the sidecar puts them together."""

    async def scenario(setting: Setting) -> None:
        recorder = Recorder()
        chain = Chain(FakeLedger(), recorder)
        for number, block in enumerate(setting.chain):
            header = await setting.rpc.header(block.hash)
            assert header is not None
            tracked = TrackedBlock(block, header.parent_hash, header.state_root, header.timestamp, BlockStatus.VERIFIED)
            chain.receive(tracked if number else advance(tracked, Anchored("configured")))
        genesis = load_genesis(setting.node.genesis_path)
        source = ExecutionClientSource(setting.rpc, setting.config)
        follower = Follower(lambda: open_executor(tmp_path / "embedded", genesis, sections=False), source)
        bad, target = setting.chain[BAD], setting.chain[TARGET]
        with WitnessStore(tmp_path / "witnesses", sync=False) as store:
            encoded = await source.block(setting.chain[LENGTH].hash)
            assert encoded is not None
            outcome = await follower.outcome(encoded)
            assert outcome.witness is not None
            store.publish(outcome.witness)
            rollbacks = make_rollbacks(
                chain,
                FakeDisputeLedger(),
                store,
                follower,
                Execution(None, setting.rpc, setting.calls),
                recorder,
                chain_config=setting.config,
                evidence=tmp_path / "evidence",
            )
            rollback = await rollbacks.run("6-00000000", bad.hash, "3 lineages say INVALID")
            assert (rollback.step, rollback.target) == (RollbackStep.DONE, target)
            assert recorder.of(RolledBack) == [RolledBack(rollback)]
            assert (setting.head(), (await follower.start()).hash) == (target.hash, target.hash)
            assert chain.standing(setting.chain[LENGTH].hash).standing is Standing.INVALID
            assert [each.hash for each in WitnessStore(tmp_path / "evidence" / "witnesses")] == [
                setting.chain[LENGTH].hash
            ]
            assert list(store) == []
            await setting.goes_on()
            encoded = await source.block(setting.head())
            assert encoded is not None
            assert (await follower.outcome(encoded)).results is not None
            assert (await follower.start()).hash == setting.head()
        await follower.close()

    run(*geth, scenario)
