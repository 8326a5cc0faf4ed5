"""One adapter of six wrong in each way: what is read from it, and that it brings about no wrong verdict alone."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.clients import FaultyClients
from tests.faults.decorations import (
    AcceptsAnything,
    Crashing,
    DoubleVote,
    FalseInvalid,
    Faulty,
    Hanging,
    IncompleteWitnessUnnoticed,
    WrongGas,
    WrongGasTracer,
    WrongReceipts,
    WrongRequests,
    WrongStateRoot,
)
from tests.faults.tripping_blocks import cleared_slots, deposit
from verifier.domain.opcode import opcode_name
from verifier.domain.quorum import Verdict, quorum_policy
from verifier.domain.result import Abstention, AbstentionReason, Mode
from verifier.domain.statement import contradicts, state
from verifier.domain.vote import Vote, VoteKind
from verifier.executors.stateless.base import ExecutionRequest, StatelessExecutor
from verifier.executors.stateless.pool import execute_on_all
from verifier.services.ballot import Ballot
from verifier.services.contract.bundled_block import bundled
from verifier.services.contract.tampering import POSITION, decoded, flipped, rebuilt
from verifier.services.replay import BlockReport
from witness.file import check_binding, map_witness_file, write_witness_file
from witness.model import BlockWitness

pytestmark = pytest.mark.xdist_group("faults")

DEADLINE = 120.0  # seconds; nothing here comes near it unless it is broken
FAULTY = "revm"  # the one that is decorated: fast, and its lineage has no other adapter


@pytest.fixture(scope="module")
def good(blocks: dict[str, Path]) -> Path:
    return blocks[deposit.__name__]


@pytest.fixture(scope="module")
def bad(good: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The good block with another state root in its header."""
    content = map_witness_file(good)
    block = decoded(content)
    block[0][POSITION["state_root"]] = flipped(block[0][POSITION["state_root"]])
    return write_witness_file(rebuilt(content, block), tmp_path_factory.mktemp("bad"), sync=False)


def decorated(clients: FaultyClients, decoration: type[Faulty]) -> list[StatelessExecutor]:
    """One adapter a lineage, one of them decorated."""
    executors = clients.executors(clients.honest)
    return [decoration(each) if each.name == FAULTY else each for each in executors]


def judged(clients: FaultyClients, decoration: type[Faulty], path: Path) -> tuple[BlockReport, Vote]:
    """The report, and the decorated adapter's vote; all others voted alike."""
    report = clients.judge_by(decorated(clients, decoration), path)
    votes = {vote.adapter: vote for vote in report.votes}
    wrong = votes.pop(FAULTY)
    assert len({vote.kind for vote in votes.values()}) == 1, report.votes
    assert len(votes) == len(clients.honest) - 1
    return report, wrong


WRONG_VALUES: dict[type[Faulty], set[str]] = {
    WrongGas: {"gas_used", "receipts_root"},
    WrongStateRoot: {"state_root"},
    WrongReceipts: {"receipts_root"},
    WrongRequests: {"requests_hash"},
}


@pytest.mark.parametrize("decoration", WRONG_VALUES, ids=lambda each: each.__name__)
def test_wrong_values_are_named_and_outvoted(clients: FaultyClients, good: Path, decoration: type[Faulty]) -> None:
    report, vote = judged(clients, decoration, good)
    assert vote.kind is VoteKind.INVALID
    assert {difference.field for difference in vote.differences} == WRONG_VALUES[decoration]
    assert report.decision.verdict is Verdict.ATTEST
    assert report.decision.disagreement
    assert report.decision.invalid == {FAULTY}


def test_false_invalid_is_outvoted(clients: FaultyClients, good: Path) -> None:
    report, vote = judged(clients, FalseInvalid, good)
    assert (vote.kind, vote.reason) == (
        VoteKind.INVALID,
        "broken_rule: base_fee: not what the parent's header makes it",
    )
    assert report.decision.verdict is Verdict.ATTEST
    assert report.decision.disagreement


def test_a_crash_is_no_vote(clients: FaultyClients, good: Path) -> None:
    report, vote = judged(clients, Crashing, good)
    assert vote.kind is VoteKind.ABSTAIN
    assert (vote.reason or "").startswith("crashed: ")
    assert report.decision.verdict is Verdict.ATTEST
    assert not report.decision.disagreement


def test_who_accepts_anything_is_not_noticed_on_a_good_block(clients: FaultyClients, good: Path) -> None:
    report, vote = judged(clients, AcceptsAnything, good)
    assert vote.kind is VoteKind.VALID
    assert report.decision.verdict is Verdict.ATTEST
    assert not report.decision.disagreement


def test_who_accepts_anything_is_alone_on_a_bad_block(clients: FaultyClients, bad: Path) -> None:
    report, vote = judged(clients, AcceptsAnything, bad)
    assert vote.kind is VoteKind.VALID
    assert report.decision.verdict is Verdict.REJECT
    assert report.decision.disagreement
    assert report.decision.valid == {FAULTY}


ANY_FAULT = (*WRONG_VALUES, FalseInvalid, Crashing, DoubleVote, IncompleteWitnessUnnoticed)


@pytest.mark.parametrize("decoration", ANY_FAULT, ids=lambda each: each.__name__)
def test_a_bad_block_is_never_attested(clients: FaultyClients, bad: Path, decoration: type[Faulty]) -> None:
    report, _ = judged(clients, decoration, bad)
    assert report.decision.verdict is Verdict.REJECT
    assert not report.decision.valid


def test_an_incomplete_witness_that_one_does_not_notice_is_held(
    clients: FaultyClients, good: Path, tmp_path: Path
) -> None:
    incomplete = write_witness_file(without_a_node(map_witness_file(good)), tmp_path, sync=False)
    report, vote = judged(clients, IncompleteWitnessUnnoticed, incomplete)
    assert vote.kind is VoteKind.INVALID
    assert {difference.field for difference in vote.differences} == {"state_root"}
    assert {each.kind for each in report.votes if each.adapter != FAULTY} == {VoteKind.ABSTAIN}
    assert report.decision.verdict is Verdict.HOLD
    assert not report.decision.disagreement  # nobody says VALID


def without_a_node(content: BlockWitness) -> BlockWitness:
    """The witness without the largest of its nodes, which is the root of the state."""
    largest = max(content.witness.state, key=len)
    nodes = tuple(node for node in content.witness.state if node != largest)
    return replace(content, witness=replace(content.witness, state=nodes))


def test_a_verdict_does_not_wait_for_who_hangs(clients: FaultyClients, good: Path) -> None:
    executors = decorated(clients, Hanging)
    (hanging,) = (each for each in executors if isinstance(each, Hanging))
    ballot = clients.run(until_settled(executors, good))
    assert ballot.decision().verdict is Verdict.ATTEST
    assert hanging.cancelled == 1
    assert FAULTY not in {vote.adapter for vote in ballot.votes}


async def until_settled(executors: Sequence[StatelessExecutor], path: Path) -> Ballot:
    """The votes when the verdict is settled, with those who had not answered cancelled."""
    content = map_witness_file(path)
    policy = quorum_policy({each.name: each.lineage for each in executors})
    ballot = Ballot(check_binding(content), content, policy, Mode.PROOF)
    results = execute_on_all(executors, request_for(path))
    assert isinstance(results, AsyncGenerator)
    async with aclosing(results):
        async for result in results:
            ballot.add(result)
            if ballot.decision().settled:
                break
    return ballot


def request_for(path: Path, deadline: float = DEADLINE) -> ExecutionRequest:
    """What the judge asks, for a block whose parent's header is in its witness."""
    block = bundled(path)
    return ExecutionRequest(path, block.header.hash, block.root, deadline)


def test_who_hangs_abstains_at_the_deadline(clients: FaultyClients, good: Path) -> None:
    (within,) = clients.executors([FAULTY])
    result = clients.run(Hanging(within).execute(request_for(good, deadline=0.0)))
    assert isinstance(result.outcome, Abstention)
    assert result.outcome.reason is AbstentionReason.TIMEOUT


def test_two_votes_of_one_adapter_contradict_each_other(clients: FaultyClients, good: Path) -> None:
    executors = decorated(clients, DoubleVote)
    reports = [clients.judge_by(executors, good) for _ in range(3)]
    statements = []
    for at, report in enumerate(reports):
        assert report.decision.verdict is Verdict.ATTEST
        (vote,) = (each for each in report.votes if each.adapter == FAULTY)
        (result,) = (each for each in report.results if each.adapter == FAULTY)
        statement = state(report.block, Mode.PROOF, result, vote, float(at))
        assert statement is not None
        statements.append(statement)
    first, second, third = statements
    assert [each.kind for each in statements] == [VoteKind.VALID, VoteKind.INVALID, VoteKind.VALID]
    assert contradicts(first, second)
    assert contradicts(second, third)
    assert not contradicts(first, third)


def test_a_wrong_trace_is_named_to_the_step(clients: FaultyClients, blocks: dict[str, Path]) -> None:
    tracers = [WrongGasTracer(each) if each.name == FAULTY else each for each in clients.tracers(clients.honest)]
    trace = clients.trace_by(tracers, blocks[cleared_slots.__name__])
    assert trace.divergence is not None
    assert trace.divergence.fields == ("gas",)
    assert trace.divergence.groups[-1].adapters == (FAULTY,)
    assert trace.divergence.transaction is not None
    assert opcode_name(trace.divergence.before[-1].op) == "SSTORE"
