"""Each bug of the catalogue again, one client of six: caught or not, by what, and how long it takes."""

import os
from pathlib import Path

import pytest

from tests.faults.catalogue import CATALOGUE, Bug
from tests.faults.clients import FaultyClients
from verifier.domain.localization import Place
from verifier.domain.quorum import Verdict
from verifier.domain.result import Computed
from verifier.domain.vote import VoteKind
from verifier.services.contract.tampering import POSITION, decoded, rebuilt
from verifier.services.replay import BlockReport
from witness.file import map_witness_file
from witness.model import BlockWitness

pytestmark = pytest.mark.xdist_group("faults")

BUGS = pytest.mark.parametrize("bug", CATALOGUE, ids=lambda bug: bug.block)
# Those whose client makes another block of the same transactions: who refuses a block makes none of it.
COMPUTING = pytest.mark.parametrize("bug", [bug for bug in CATALOGUE if bug.fields], ids=lambda bug: bug.block)


@pytest.fixture
def mutated(clients: FaultyClients, bug: Bug) -> str:
    name = clients.mutated(bug)
    if name is None:
        if os.environ.get("CI"):
            raise RuntimeError(f"in CI every client must be there: no mutated {bug.client}")
        pytest.skip(f"the mutated {bug.client} cannot be started here")
    return name


@BUGS
def test_a_valid_block_is_attested_and_the_mutated_client_named(
    clients: FaultyClients, blocks: dict[str, Path], bug: Bug, mutated: str
) -> None:
    report = clients.judge_with(bug, blocks[bug.block], clients.beside(mutated, bug))
    votes = {vote.adapter: vote for vote in report.votes}
    wrong = votes.pop(mutated)
    assert {vote.kind for vote in votes.values()} == {VoteKind.VALID}, votes
    assert wrong.kind is VoteKind.INVALID
    assert {each.field for each in wrong.differences} == set(bug.fields)
    assert (wrong.reason or "").startswith(f"broken_rule: {bug.rule}: " if bug.rule else "differs: ")
    assert report.decision.verdict is Verdict.ATTEST
    assert report.decision.disagreement
    print(f"{bug.name}: verdict after {report.settled_ms:.0f} ms, all votes after {report.total_ms:.0f} ms")


@BUGS
def test_without_its_bug_the_client_agrees(clients: FaultyClients, blocks: dict[str, Path], bug: Bug) -> None:
    report = clients.judge_by(clients.executors(clients.voters(bug)), blocks[bug.block])
    assert {vote.kind for vote in report.votes} == {VoteKind.VALID}, report.votes


@COMPUTING
def test_the_block_that_the_mutated_client_would_make_is_rejected(
    clients: FaultyClients, blocks: dict[str, Path], bug: Bug, mutated: str, tmp_path: Path
) -> None:
    content = map_witness_file(blocks[bug.block])
    alone = clients.judge_with(bug, blocks[bug.block], [mutated])
    own = with_values(content, alone)
    report = clients.judge_content(bug, own, tmp_path, clients.beside(mutated, bug))
    votes = {vote.adapter: vote.kind for vote in report.votes}
    assert votes.pop(mutated) is VoteKind.VALID
    assert set(votes.values()) == {VoteKind.INVALID}
    assert report.decision.verdict is Verdict.REJECT
    assert report.decision.disagreement
    # What a verifier of this client alone would do.
    assert clients.judge_content(bug, own, tmp_path, [mutated]).decision.verdict is Verdict.ATTEST


@BUGS
def test_the_localizer_names_what_differs(
    clients: FaultyClients, blocks: dict[str, Path], bug: Bug, mutated: str
) -> None:
    _, found = clients.localize_with(bug, blocks[bug.block], clients.beside(mutated, bug))
    assert {mutated} in [set(side.adapters) for side in found.sides]
    assert {each.field for each in found.fields} == (set(bug.fields) or {"rule"})
    assert found.transaction == bug.transaction, found
    assert (None if found.instruction is None else found.instruction.name) == bug.opcode, found
    assert [(each.address, each.what) for each in found.state] == ([bug.state] if bug.state else []), found
    assert found.place is place_of(bug), found
    for name in (bug.opcode, bug.state[1] if bug.state else None, bug.rule):
        assert name is None or name in found.text
    print(f"{bug.name}: localized after {found.seconds * 1000:.0f} ms: {found.text}")


def place_of(bug: Bug) -> Place:
    if bug.opcode is not None:
        return Place.STEP
    if bug.rule:
        return Place.RULE
    return Place.POST_STATE if bug.transaction is None else Place.TRANSACTION


def with_values(content: BlockWitness, report: BlockReport) -> BlockWitness:
    """The block with the header that follows from what the only client computed."""
    (result,) = report.results
    assert isinstance(result.outcome, Computed)
    block = decoded(content)
    for field in ("state_root", "receipts_root", "logs_bloom", "gas_used"):
        value = getattr(result.outcome, field)
        if isinstance(value, int):
            value = value.to_bytes((value.bit_length() + 7) // 8, "big")
        block[0][POSITION[field]] = value
    return rebuilt(content, block)
