"""Real witnesses, a real ledger, and an adapter in a process of its own: from payload to verdict, over a restart."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import rlp

from tests.verifier.executors.stateful.chains import sample_blocks, sample_genesis
from tests.verifier.services.judging_setting import Court
from tests.verifier.services.observing import Recorder
from verifier.app import configured_adapters
from verifier.domain.event import VerdictReached
from verifier.domain.quorum import Verdict, quorum_policy
from verifier.domain.standing import Standing
from verifier.domain.status import BlockStatus
from verifier.domain.vote import VoteKind
from verifier.executors.stateful.embedded.executor import EmbeddedExecutor
from verifier.executors.stateful.fake import MemorySink
from verifier.executors.stateful.source import FakeSource
from verifier.executors.stateless.pool import AdapterPool
from verifier.ledger.sqlite import SqliteLedger
from verifier.services.catch_up import tracked_from
from verifier.services.chain import Chain
from verifier.services.judgement import Jury
from verifier.services.judging import Judge, JudgingOptions
from witness.header import decode_block_header, decode_header, keccak256
from witness.model import BlockWitness
from witness.store import WitnessStore

LENGTH = 4
HOLD_SECONDS = 240.0  # for an adapter to become warm and answer, on two busy cores
STATE_ROOT = 3  # place in a header's RLP


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> list[BlockWitness]:
    """The first blocks of the sample chain, witnessed by the embedded executor."""
    state = tmp_path_factory.mktemp("real") / "state"
    with EmbeddedExecutor(state, sample_genesis(), MemorySink(), sync=False) as executor:
        outcomes = [executor.import_block(block) for block in sample_blocks()[:LENGTH]]
    witnessed = [each.witness for each in outcomes]
    assert None not in witnessed
    return [each for each in witnessed if each is not None]


def with_wrong_root(content: BlockWitness) -> BlockWitness:
    """The block as an executor with a bug proposes it: another state root in the header, so another hash."""
    header, *rest = rlp.decode(bytes(content.block))
    header[STATE_ROOT] = b"\x66" * 32
    return replace(content, block=rlp.encode([header, *rest]), hash=keccak256(rlp.encode(header)))


Scenario = Callable[[Judge, Chain, Recorder], Awaitable[None]]


def run(scenarios: list[Scenario], directory: Path, contents: list[BlockWitness]) -> None:
    """Each scenario in a verifier started anew; the real adapter pyevm, and an execution client that accepts all."""
    manifests = configured_adapters(["pyevm"])
    policy = quorum_policy({"node": "geth", **{each.name: each.lineage for each in manifests}})
    genesis = decode_header(contents[0].witness.headers[-1])
    chain_id = contents[0].chain_id

    async def run_one(scenario: Scenario, pool: AdapterPool) -> None:
        recorder = Recorder()
        with (
            SqliteLedger(directory / "ledger.db", chain_id, genesis.hash) as ledger,
            WitnessStore(directory / "store", sync=False) as store,
        ):
            chain = Chain(ledger, recorder)
            chain.trust(tracked_from(chain_id, genesis), "the genesis block")
            source = FakeSource({each.hash: each for each in contents})
            options = JudgingOptions(policy, bytes(contents[0].chain_config), executor="node", deadline=HOLD_SECONDS)
            disputes = Court().disputes(chain, policy, {}, recorder)
            judge = Judge(chain, store, source, Jury(pool.executors), options, recorder, disputes)
            async with disputes, judge:
                await scenario(judge, chain, recorder)
            chain.close()

    async def run_all() -> None:
        async with AdapterPool(manifests) as pool:
            for scenario in scenarios:
                await run_one(scenario, pool)

    asyncio.run(run_all())


def payload(judge: Judge, content: BlockWitness, *, given: bool = True) -> None:
    header = decode_block_header(content.block)
    judge.receive(bytes(content.block), header)
    judge.executed(header, content if given else None, valid=True)


def test_from_payload_to_verdict_and_over_a_restart(tmp_path: Path, contents: list[BlockWitness]) -> None:
    bad = with_wrong_root(contents[2])

    async def honest_then_a_bug(judge: Judge, chain: Chain, recorder: Recorder) -> None:
        payload(judge, contents[0])
        payload(judge, contents[1], given=False)
        report = await chain.wait(contents[1].hash, HOLD_SECONDS)
        assert report.standing is Standing.VERIFIED, report
        verdicts = recorder.of(VerdictReached)
        assert {verdict.decision.valid for verdict in verdicts} == {frozenset({"geth", "pyevm"})}
        payload(judge, bad)
        verdict = await recorder.wait(VerdictReached, lambda each: each.block.hash == bad.hash)
        assert verdict.decision.verdict is Verdict.REJECT
        (vote,) = (vote for vote in verdict.votes if vote.adapter == "pyevm")
        assert vote.kind is VoteKind.INVALID
        assert [each.field for each in vote.differences] == ["state_root"]
        report = chain.standing(bad.hash)
        assert (report.standing, report.disputed) == (Standing.UNDECIDED, True)

    async def the_other_branch(judge: Judge, chain: Chain, recorder: Recorder) -> None:
        assert chain.standing(contents[1].hash).standing is Standing.VERIFIED
        assert chain.blocks[bad.hash].status is BlockStatus.DISPUTED
        # Nobody told of the block before the head: it is fetched.
        report = await chain.wait(contents[3].hash, HOLD_SECONDS)
        assert report.standing is Standing.VERIFIED, report
        assert chain.blocks[bad.hash].status is BlockStatus.DISPUTED

    run([honest_then_a_bug, the_other_branch], tmp_path, contents)
