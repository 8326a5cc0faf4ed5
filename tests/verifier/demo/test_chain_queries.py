"""What the embedded client tells of its blocks, as the sidecar's own tracer and state reader take it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from itertools import islice
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from verifier.app import bundled_chain
from verifier.demo.execution_client import ExecutionClient
from verifier.demo.private_chain import PrivateChain
from verifier.domain.result import Abstention, Computed, Result
from verifier.domain.trace import Step, TransactionEnd, TransactionStart
from verifier.executors.stateful import engine_api
from verifier.executors.stateful.base import ImportOutcome
from verifier.executors.stateful.embedded.executor import EmbeddedExecutor
from verifier.executors.stateful.rpc_tracer import RpcTracer
from verifier.executors.stateful.state_reader import RpcStateReader
from verifier.executors.stateless.base import ExecutionRequest
from verifier.services.conformance.loaders.genesis import load_genesis
from verifier.services.conformance.loaders.rlp_chain import load_blocks
from witness.prestate import decode_poststate
from witness.store import Retention, WitnessStore

BLOCKS = 24  # every kind of transaction of the bundled chain is in them
LONG = 4  # a block with a loop until the gas is used up, of 23 000 steps
Asking = Callable[[engine_api.ExecutionRpc], Awaitable[None]]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PrivateChain, list[ImportOutcome]]]:
    genesis = load_genesis(bundled_chain() / "genesis.json")
    with PrivateChain(tmp_path_factory.mktemp("chain"), genesis) as chain:
        blocks = list(islice(load_blocks(bundled_chain() / "chain.rlp"), BLOCKS))
        outcomes = [chain.import_block(each) for each in blocks]
        chain.choose(outcomes[-1].block.hash, bytes(32), bytes(32))
        yield chain, outcomes


def ask(chain: PrivateChain, asking: Asking) -> None:
    """Asks a served client, as the sidecar does."""

    async def serve() -> None:
        with ExecutionClient(chain, None) as client:
            async with TestServer(client.application()) as server, aiohttp.ClientSession() as session:
                await asking(engine_api.ExecutionRpc(str(server.make_url("/")), session))

    asyncio.run(serve())


def request(block_hash: bytes) -> ExecutionRequest:
    return ExecutionRequest(Path("none"), block_hash, bytes(32), 60.0)


def test_receipts_are_those_of_the_import(imported: tuple[PrivateChain, list[ImportOutcome]]) -> None:
    chain, outcomes = imported
    told = 0

    async def asking(client: engine_api.ExecutionRpc) -> None:
        nonlocal told
        tracer = RpcTracer(client, "node", "pyevm")
        for each in outcomes:
            outcome = (await tracer.execute(request(each.block.hash))).outcome
            assert each.results is not None
            assert isinstance(outcome, Computed), outcome
            assert outcome.receipts == each.results.receipts
            told += len(outcome.receipts)

    ask(chain, asking)
    assert told > BLOCKS


def test_a_trace_is_whole_and_adds_up(imported: tuple[PrivateChain, list[ImportOutcome]]) -> None:
    """Steps are of their transactions, gas falls from one to the next of a call, and what ends agrees with receipts."""
    chain, outcomes = imported
    steps = 0

    async def asking(client: engine_api.ExecutionRpc) -> None:
        nonlocal steps
        tracer = RpcTracer(client, "node", "pyevm")
        for each in outcomes:
            assert each.results is not None
            if each.block.number == LONG:
                continue
            gas: dict[int, int] = {}
            cumulative = 0
            async with aclosing(tracer.trace(request(each.block.hash))) as batches:
                async for batch in batches:
                    if isinstance(batch, Result):
                        assert not isinstance(batch.outcome, Abstention), batch.outcome
                        break
                    for item in batch:
                        match item:
                            case TransactionStart():
                                gas = {}
                            case Step(depth=depth, gas=left):
                                gas = {deep: before for deep, before in gas.items() if deep <= depth}
                                assert left <= gas.get(depth, left)
                                gas[depth] = left
                                steps += 1
                            case TransactionEnd(index, succeeded, gas_used):
                                cumulative += gas_used
                                receipt = each.results.receipts[index]
                                assert (receipt.succeeded, receipt.cumulative_gas_used) == (succeeded, cumulative)
            assert cumulative == each.results.gas_used

    ask(chain, asking)
    assert steps > 1000


def test_a_transaction_by_its_hash_and_one_that_is_nowhere(
    imported: tuple[PrivateChain, list[ImportOutcome]],
) -> None:
    chain, outcomes = imported
    whole, named = chain.retell(outcomes[-1].block.hash), outcomes[-1].block.hash

    async def asking(client: engine_api.ExecutionRpc) -> None:
        answer = await client.call("debug_traceTransaction", f"0x{whole[0].hash.hex()}", {})
        assert answer["structLogs"] == whole[0].steps
        traced = await client.call("debug_traceBlockByHash", f"0x{named.hex()}", {})
        assert [each["result"]["structLogs"] for each in traced] == [each.steps for each in whole]
        with pytest.raises(engine_api.RpcError, match="not found"):
            await client.call("debug_traceTransaction", f"0x{bytes(32).hex()}", {})
        assert await client.call("debug_traceBlockByHash", f"0x{bytes(32).hex()}", {}) == []
        assert await client.call("eth_getBlockReceipts", f"0x{bytes(32).hex()}") is None
        with pytest.raises(engine_api.RpcError, match="not found"):
            await client.call("eth_getProof", f"0x{bytes(20).hex()}", [], {"blockHash": f"0x{bytes(32).hex()}"})

    ask(chain, asking)


def test_values_are_those_after_the_block(imported: tuple[PrivateChain, list[ImportOutcome]], tmp_path: Path) -> None:
    """Against what an executor recorded that keeps the sections."""
    chain, outcomes = imported
    genesis = load_genesis(bundled_chain() / "genesis.json")
    store = WitnessStore(tmp_path / "witnesses", Retention(count=BLOCKS), sync=False)
    with EmbeddedExecutor(tmp_path / "state", genesis, store, sync=False) as executor:
        recorded = [executor.import_block(each) for each in islice(load_blocks(bundled_chain() / "chain.rlp"), 8)]
    states = [decode_poststate(each.witness.poststate) for each in recorded if each.witness and each.witness.poststate]
    assert len(states) == len(recorded)

    async def asking(client: engine_api.ExecutionRpc) -> None:
        reader = RpcStateReader(client, "node")
        for outcome, state in zip(outcomes, states, strict=False):
            keys = {address: frozenset(() if account is None else account.slots) for address, account in state.items()}
            assert await reader.read(outcome.block.hash, keys) == state

    ask(chain, asking)
    store.close()
