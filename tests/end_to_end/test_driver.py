"""Our own consensus driver on a real geth: every fork's methods, every type of transaction."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.peers.geth_node import GethNode
from tests.peers.installation import require_geth
from tests.peers.mutated_geth import POWER_INIT, WRONG_POWER, mutated_geth
from verifier.demo.driver import Advance, ConsensusDriver
from verifier.demo.errors import CallError
from verifier.demo.genesis import private_genesis, wallets
from verifier.demo.json_rpc import JsonRpc
from verifier.demo.traffic import Traffic
from verifier.executors.stateful.embedded.initial_state import build_genesis
from verifier.executors.stateful.embedded.signing import DYNAMIC_FEE, Call
from verifier.services.conformance.loaders.genesis import load_genesis
from witness.chain_config import encode_chain_config, parse_chain_config
from witness.header import keccak256

GENESIS_TIME = 1_700_000_000
TYPES = {"paris": 3, "shanghai": 3, "cancun": 3, "prague": 4, "osaka": 5, "amsterdam": 5}  # of transactions
Drive = Callable[[ConsensusDriver, JsonRpc], Awaitable[None]]


def drive(node: GethNode, genesis: dict[str, Any], steps: Drive) -> None:
    """Runs `steps` with a driver on a node and the node's plain RPC."""
    config = parse_chain_config(encode_chain_config(genesis["config"]))

    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            driver = ConsensusDriver(JsonRpc(session, node.engine_url, node.secret), config)
            await driver.attach()
            await steps(driver, JsonRpc(session, node.rpc_url))

    asyncio.run(run())


async def advance_with(driver: ConsensusDriver, rpc: JsonRpc, transactions: list[bytes]) -> Advance:
    """The next block, after the pool was given transactions."""
    for encoded in transactions:
        await rpc.call("eth_sendRawTransaction", f"0x{encoded.hex()}")
    return await driver.advance()


@pytest.mark.parametrize(
    ("fork", "blocks"),
    [("paris", 4), ("shanghai", 4), ("cancun", 4), ("prague", 4), ("bpo2", 4), ("osaka", 20), ("amsterdam", 20)],
)
def test_every_block_of_every_fork_is_valid(fork: str, blocks: int, tmp_path: Path) -> None:
    genesis = private_genesis(fork, GENESIS_TIME)
    types: Counter[str] = Counter()
    sent = included = 0

    async def steps(driver: ConsensusDriver, rpc: JsonRpc) -> None:
        nonlocal sent, included
        traffic = Traffic(fork)
        for number in range(1, blocks + 1):
            transactions = traffic.transactions(number)
            sent += len(transactions)
            made = await advance_with(driver, rpc, transactions)
            assert made.payload_status["status"] == "VALID", made
            assert made.adopted
            assert made.block.number == number
            receipts = await rpc.call("eth_getBlockReceipts", made.block.hash)
            types.update(receipt["type"] for receipt in receipts)
            included += len(receipts)
            if number % traffic.period == 0:
                assert any(receipt["status"] == "0x1" for receipt in receipts)

    with GethNode(require_geth(), tmp_path, genesis) as node:
        if fork != "amsterdam":  # which the embedded executor does not know
            header, _ = build_genesis(load_genesis(node.genesis_path))
            assert node.block_hash("0x0") == f"0x{keccak256(header).hex()}"
        drive(node, genesis, steps)
    assert len(types) == TYPES.get(fork, 5), types
    # Those that geth had not put into a block yet when it was taken come with the next one.
    assert included >= sent * 3 // 4


def test_a_block_of_a_geth_with_a_bug_is_invalid_to_another(tmp_path: Path) -> None:
    genesis = private_genesis("osaka", GENESIS_TIME)
    wrong = GethNode(mutated_geth(WRONG_POWER), tmp_path / "wrong", genesis)
    right = GethNode(require_geth(), tmp_path / "right", genesis)
    blocks: list[Advance] = []

    async def make(driver: ConsensusDriver, rpc: JsonRpc) -> None:
        blocks.append(await advance_with(driver, rpc, Traffic("osaka").transactions(1)))
        power = wallets()["visitor"].sign(DYNAMIC_FEE, Call(data=POWER_INIT))
        blocks.append(await advance_with(driver, rpc, [power]))
        assert all(each.adopted for each in blocks)
        assert len(blocks[-1].block.payload["transactions"]) >= 1

    async def judge(driver: ConsensusDriver, rpc: JsonRpc) -> None:
        honest, tripped = [await driver.propose(each.block) for each in blocks]
        assert honest.adopted
        assert tripped.payload_status["status"] == "INVALID"
        assert tripped.payload_status["latestValidHash"] == honest.block.hash
        assert driver.head == honest.block.hash
        assert (await driver.advance()).adopted

    with wrong, right:
        drive(wrong, genesis, make)
        drive(right, genesis, judge)


def test_a_wrong_secret_and_a_dead_client_are_told(tmp_path: Path) -> None:
    genesis = private_genesis("osaka", GENESIS_TIME)

    async def steps(driver: ConsensusDriver, rpc: JsonRpc) -> None:
        with pytest.raises(CallError, match=r"401.*signature is invalid"):
            async with aiohttp.ClientSession() as session:
                await JsonRpc(session, node.engine_url, bytes(32)).call("eth_chainId")
        with pytest.raises(CallError, match="32601"):
            await rpc.call("engine_newPayloadV4")
        with pytest.raises(CallError, match="-38003"):
            await driver.build(GENESIS_TIME)  # not after its parent
        node.kill()
        with pytest.raises(CallError, match="no answer from"):
            await driver.advance()

    with GethNode(require_geth(), tmp_path, genesis) as node:
        drive(node, genesis, steps)
