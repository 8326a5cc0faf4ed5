"""Where clients part is found and named: adapters that are made to lie, and a geth with one rule changed."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from tests.end_to_end.running import RunningAdapters
from tests.peers.geth_node import GethNode
from tests.peers.mutated_geth import (
    LOST_CLEARING,
    LOST_SLOT,
    POWER_INIT,
    STRAY_SETTING,
    STRAY_SLOT,
    WRONG_POWER,
    mutated_geth,
)
from tests.verifier.services.lying_tracer import LyingTracer
from verifier.app import bundled_chain
from verifier.demo.driver import Built, ConsensusDriver
from verifier.demo.genesis import private_genesis, wallets
from verifier.demo.json_rpc import JsonRpc
from verifier.demo.traffic import Traffic
from verifier.domain.localization import Localization, Place
from verifier.domain.result import Computed, Mode, Receipt, Result
from verifier.domain.trace import Step
from verifier.domain.vote import Vote, VoteKind, cast_vote
from verifier.executors.stateful.embedded.sample_contracts import ADDRESSES
from verifier.executors.stateful.embedded.signing import DYNAMIC_FEE, Call
from verifier.executors.stateful.engine_api import ExecutionClientSource, ExecutionRpc
from verifier.executors.stateful.rpc_tracer import RpcTracer
from verifier.executors.stateful.state_reader import RpcStateReader
from verifier.executors.stateless.base import ExecutionRequest, StatelessExecutor
from verifier.executors.stateless.tracer import Tracer
from verifier.services.localizing import Localizer
from verifier.services.recording import RecordOptions, record
from verifier.services.tracing import BlockTrace, TraceOptions, compare_traces
from witness.chain_config import encode_chain_config, parse_chain_config
from witness.file import check_binding, map_witness_file, parent_state_root, write_witness_file

HONEST, LIAR = "geth", "revm"
DEADLINE = 60.0  # seconds a request, on two busy cores
BUSY_BLOCK = 30  # of the bundled chain: Osaka, with storage, creations and calls
TRANSACTION, STEP = 2, 5  # that the liar lies about
GENESIS = private_genesis("osaka", 1_700_000_000)
NODE = "node"


@pytest.fixture(scope="module")
def busy_block(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The witness file of a block of the bundled chain."""
    directory = tmp_path_factory.mktemp("chain")
    options = RecordOptions(directory, bundled_chain() / "genesis.json", None, None, sync=False)
    paths = [event.path for event in record(bundled_chain() / "chain.rlp", options) if event.path is not None]
    return paths[BUSY_BLOCK]


@pytest.fixture
def both(adapters: RunningAdapters) -> RunningAdapters:
    absent = {HONEST, LIAR} - set(adapters.names)
    if absent:
        pytest.skip(f"not available: {', '.join(absent)}")
    return adapters


def request_for(path: Path) -> ExecutionRequest:
    content = map_witness_file(path)
    root = parent_state_root(content, check_binding(content))
    assert root is not None
    return ExecutionRequest(path, content.hash, root, DEADLINE)


def results_of(adapters: RunningAdapters, path: Path, names: Sequence[str]) -> dict[str, Result]:
    async def ask() -> list[Result]:
        return list(await asyncio.gather(*(each.execute(request_for(path)) for each in adapters.executors(names))))

    return {each.adapter: each for each in adapters.run(ask())}


class LyingExecutor:
    """An adapter that leaves another value in a slot, where it is executed on bare values."""

    def __init__(self, executor: StatelessExecutor) -> None:
        self.name, self.lineage, self.expected_ms = executor.name, executor.lineage, 0.0
        self._executor = executor
        self.told: tuple[bytes, bytes] = b"", b""

    async def execute(self, request: ExecutionRequest) -> Result:
        result = await self._executor.execute(request)
        if request.mode is Mode.PROOF:
            return result
        outcome = result.outcome
        assert isinstance(outcome, Computed), outcome
        state = dict(outcome.post_state or {})
        address, account = next((address, each) for address, each in sorted(state.items()) if each and each.slots)
        key = min(account.slots)
        self.told = address, key
        state[address] = replace(account, slots={**account.slots, key: account.slots[key] ^ 1})
        return replace(result, outcome=replace(outcome, post_state=state))


def localize(
    adapters: RunningAdapters,
    path: Path,
    lie: Computed,
    executors: Sequence[StatelessExecutor],
    tracers: Sequence[Tracer],
) -> Localization:
    """What is found where the liar votes on `lie`."""
    content = map_witness_file(path)
    honest = results_of(adapters, path, [HONEST])[HONEST]
    results = [honest, Result(LIAR, LIAR, lie, 1.0)]
    votes = [cast_vote(check_binding(content), each) for each in results]
    assert [each.kind for each in votes] == [VoteKind.VALID, VoteKind.INVALID]

    async def scenario() -> Localization:
        return await Localizer(executors, tracers).localize(request_for(path), content, results, votes)

    return adapters.run(scenario())


def computed_by(adapters: RunningAdapters, path: Path, name: str) -> Computed:
    outcome = results_of(adapters, path, [name])[name].outcome
    assert isinstance(outcome, Computed)
    return outcome


def more_gas(receipts: Sequence[Receipt], first: int) -> tuple[Receipt, ...]:
    """Receipts of a client that uses more gas in one transaction."""
    return tuple(
        replace(each, cumulative_gas_used=each.cumulative_gas_used + (7 if index >= first else 0))
        for index, each in enumerate(receipts)
    )


def test_the_very_step_of_a_lie_is_named(both: RunningAdapters, busy_block: Path) -> None:
    right = computed_by(both, busy_block, LIAR)
    assert right.gas_used is not None
    lie = replace(
        right,
        state_root=b"\x99" * 32,
        receipts_root=b"\x98" * 32,
        gas_used=right.gas_used + 7,
        receipts=more_gas(right.receipts, TRANSACTION),
    )
    (honest,), (tracer,) = both.tracers([HONEST]), both.tracers([LIAR])
    seen: list[Step] = []

    def change(step: Step) -> Step:
        seen.append(step)
        return replace(step, gas=step.gas - 7)

    lying = LyingTracer(tracer, TRANSACTION, STEP, change)
    found = localize(both, busy_block, lie, both.executors([HONEST, LIAR]), [honest, lying])
    assert (found.place, found.transaction) == (Place.STEP, TRANSACTION)
    assert found.divergence is not None
    assert (found.divergence.step, found.divergence.fields) == (STEP, ("gas",))
    assert seen[0] in [group.event for group in found.divergence.groups]
    assert found.instruction is not None
    assert found.instruction.step == STEP - 1
    assert found.instruction.name in found.text
    assert [each.field for each in found.fields] == ["state_root", "receipts_root", "gas_used"]


def test_a_wrong_root_alone_is_the_tries(both: RunningAdapters, busy_block: Path) -> None:
    """The sections of this block are derived for it: the recorded file keeps them, so they are taken away."""
    lie = replace(computed_by(both, busy_block, LIAR), state_root=b"\x99" * 32)
    bare = replace(map_witness_file(busy_block), prestate=None, poststate=None)
    directory = busy_block.parent / "bare"
    directory.mkdir()
    path = write_witness_file(bare, directory, sync=False)
    found = localize(both, path, lie, both.executors([HONEST, LIAR]), both.tracers([HONEST, LIAR]))
    assert (found.place, found.transaction, found.state) == (Place.TRIE, None, ()), found.notes
    assert f"{LIAR} comes to another result when it is traced than it voted on" in found.notes


def test_the_slot_is_named_where_no_instruction_differs(both: RunningAdapters, busy_block: Path) -> None:
    lie = replace(computed_by(both, busy_block, LIAR), state_root=b"\x99" * 32)
    lying = LyingExecutor(both.executors([LIAR])[0])
    executors = [*both.executors([HONEST]), lying]
    found = localize(both, busy_block, lie, executors, both.tracers([HONEST, LIAR]))
    assert found.place is Place.POST_STATE, found.notes
    address, key = lying.told
    assert [(each.address, each.what) for each in found.state] == [(address, f"slot 0x{key.hex()}")]
    assert address.hex() in found.text


class MutatedChain:
    """A chain whose execution client has bugs, over all that it is asked by."""

    def __init__(self, node: GethNode, session: aiohttp.ClientSession, directory: Path) -> None:
        self._rpc = JsonRpc(session, node.rpc_url)
        self._client = ExecutionRpc(node.rpc_url, session)
        self._directory = directory
        self._config = encode_chain_config(GENESIS["config"])
        self.tracer = RpcTracer(self._client, NODE, NODE)
        self.reader = RpcStateReader(self._client, NODE)
        engine = JsonRpc(session, node.engine_url, node.secret)
        self.driver = ConsensusDriver(engine, parse_chain_config(self._config))

    async def build(self, transactions: Sequence[bytes]) -> Built:
        """The next block, after the pool was given transactions."""
        for encoded in transactions:
            await self._rpc.call("eth_sendRawTransaction", f"0x{encoded.hex()}")
        return await self.driver.build()

    async def witness(self, block: Built) -> Path:
        """Its witness file, as the client gives it."""
        encoded = await self._client.block(bytes.fromhex(block.hash[2:]))
        assert encoded is not None
        recorded = await ExecutionClientSource(self._client, self._config).witness(encoded)
        return write_witness_file(recorded.content, self._directory, sync=False)


@pytest.fixture(scope="module")
def mutated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GethNode]:
    with GethNode(mutated_geth(WRONG_POWER), tmp_path_factory.mktemp("mutated"), GENESIS) as node:
        yield node


def test_the_execution_clients_own_bug_is_named(both: RunningAdapters, mutated: GethNode, tmp_path: Path) -> None:
    """Its trace is that of our adapters, whatever the traffic does, until a block uses EXP."""

    async def equal(chain: MutatedChain, block: Built) -> bool | None:
        path = await chain.witness(block)
        tracers = [chain.tracer, *both.tracers([HONEST, LIAR])]
        async with aclosing(compare_traces(tracers, path, map_witness_file(path), TraceOptions())) as traces:
            async for each in traces:
                if isinstance(each, BlockTrace):
                    assert not each.apart, each
                    return each.equal
        return None

    async def check_state(chain: MutatedChain, block: Built) -> None:
        """Where only the root differs, what the client has after the block is what adapters leave."""
        path = await chain.witness(block)
        content, request = map_witness_file(path), request_for(path)
        (executor,) = both.executors([HONEST])
        result = await executor.execute(request)
        assert isinstance(result.outcome, Computed)
        lie = replace(result, outcome=replace(result.outcome, state_root=b"\x99" * 32))
        votes = [Vote(NODE, NODE, VoteKind.VALID), cast_vote(check_binding(content), lie)]
        tracers = [*both.tracers([HONEST]), chain.tracer]
        localizer = Localizer([executor, chain.tracer], tracers, readers=[chain.reader])
        found = await localizer.localize(request, content, [lie], votes)
        assert found.place is Place.TRIE, found

    async def scenario() -> Localization:
        traffic = Traffic("osaka")
        async with aiohttp.ClientSession() as session:
            chain = MutatedChain(mutated, session, tmp_path)
            await chain.driver.attach()
            for number in range(1, traffic.period + 1):
                block = await chain.build(traffic.transactions(number))
                assert (await chain.driver.submit(block))["status"] == "VALID"
                assert await equal(chain, block), number  # not canonical yet
                await chain.driver.adopt(block)
                assert await equal(chain, block), number
            await check_state(chain, block)
            power = wallets()["visitor"].sign(DYNAMIC_FEE, Call(data=POWER_INIT))
            bad = await chain.build([*traffic.transactions(1), power])
            assert (await chain.driver.submit(bad))["status"] == "VALID"
            path = await chain.witness(bad)
            content, request = map_witness_file(path), request_for(path)
            executors = both.executors([HONEST, LIAR])
            results = list(await asyncio.gather(*(each.execute(request) for each in executors)))
            votes = [cast_vote(check_binding(content), each) for each in results]
            assert {each.kind for each in votes} == {VoteKind.INVALID}
            own = Vote(NODE, NODE, VoteKind.VALID)
            localizer = Localizer([*executors, chain.tracer], [*both.tracers([HONEST, LIAR]), chain.tracer])
            return await localizer.localize(request, content, results, [own, *votes])

    found = both.run(scenario())
    assert found.place is Place.STEP, found
    assert found.instruction is not None
    assert found.instruction.name == "EXP"
    assert "EXP at pc" in found.text
    assert [set(side.adapters) for side in found.sides] == [{HONEST, LIAR}, {NODE}]
    assert found.divergence is not None
    # One adapter of each side is traced.
    assert [len(group.adapters) for group in found.divergence.groups] == [1, 1]
    assert (NODE,) in [group.adapters for group in found.divergence.groups]


@pytest.fixture
def forgetful(tmp_path: Path) -> Iterator[GethNode]:
    with GethNode(mutated_geth(LOST_CLEARING, STRAY_SETTING), tmp_path / "node", GENESIS) as node:
        yield node


def test_what_the_execution_clients_trie_alone_has_wrong(
    both: RunningAdapters, forgetful: GethNode, tmp_path: Path
) -> None:
    """A lost update is named; where nobody could know which slot to ask for, nothing is made up, and no trie blamed."""
    lost, stray = (bytes([first]).ljust(32, b"\0") for first in (LOST_SLOT, STRAY_SLOT))
    wallet = wallets()["visitor"]

    async def write(chain: MutatedChain, key: bytes, value: int) -> Localization:
        data = key + value.to_bytes(32, "big")
        block = await chain.build([wallet.sign(DYNAMIC_FEE, Call(to=ADDRESSES["writer"], data=data))])
        assert (await chain.driver.submit(block))["status"] == "VALID"
        await chain.driver.adopt(block)
        path = await chain.witness(block)
        content, request = map_witness_file(path), request_for(path)
        executors = both.executors([HONEST, LIAR])
        results = list(await asyncio.gather(*(each.execute(request) for each in executors)))
        votes = [Vote(NODE, NODE, VoteKind.VALID), *(cast_vote(check_binding(content), each) for each in results)]
        tracers = [*both.tracers([HONEST, LIAR]), chain.tracer]
        localizer = Localizer([*executors, chain.tracer], tracers, readers=[chain.reader])
        return await localizer.localize(request, content, results, votes)

    async def scenario() -> list[Localization]:
        async with aiohttp.ClientSession() as session:
            chain = MutatedChain(forgetful, session, tmp_path)
            await chain.driver.attach()
            return [await write(chain, key, value) for key, value in ((lost, 1), (lost, 0), (stray, 1))]

    agreed, clearing, setting = both.run(scenario())
    assert len(agreed.sides) == 1
    for found in (clearing, setting):
        assert [set(side.adapters) for side in found.sides] == [{HONEST, LIAR}, {NODE}]
        assert [each.field for each in found.fields] == ["state_root"]
        assert (found.transaction, found.instruction) == (None, None)
    assert clearing.place is Place.POST_STATE, clearing.notes
    assert [(each.address, each.what, each.values) for each in clearing.state] == [
        (ADDRESSES["writer"], f"slot 0x{lost.hex()}", ("0x0", "0x1"))
    ]
    assert setting.place is Place.FIELD, setting
    assert f"{NODE} may have changed values that nobody else did" in setting.notes
