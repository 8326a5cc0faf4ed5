"""Clients with a wrong deposit contract: one alone is named, three of five carry their block or hold everything up.

Adapters take the chain config from the request. So each is the real client, with one constant of its own patched.
"""

import json
from pathlib import Path

import pytest

from tests.faults.clients import FaultyClients
from tests.faults.decorations import Misconfigured
from tests.faults.tripping_blocks import deposit
from tests.faults.wrong_majority import FIELD, LINEAGES, POLICIES, WRONG, WRONG_CONTRACT, Policy
from verifier.domain.localization import Place
from verifier.domain.quorum import Verdict, quorum_policy
from verifier.domain.vote import VoteKind
from verifier.executors.stateless.base import StatelessExecutor
from verifier.services.contract.tampering import POSITION, decoded, rebuilt
from witness.file import map_witness_file, write_witness_file

pytestmark = pytest.mark.xdist_group("faults")

RIGHT = frozenset(LINEAGES) - frozenset(WRONG)
# SHA-256 of nothing: no requests (EIP-7685).
NO_REQUESTS = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")


def misconfigured(executor: StatelessExecutor, block: Path) -> StatelessExecutor:
    """The executor, started with another deposit contract."""
    config = json.loads(bytes(map_witness_file(block).chain_config))
    return Misconfigured(executor, json.dumps({**config, "depositContractAddress": WRONG_CONTRACT}).encode())


@pytest.fixture
def right_block(blocks: dict[str, Path]) -> Path:
    """A block with a deposit, and the request that it makes."""
    return blocks[deposit.__name__]


@pytest.fixture
def their_block(right_block: Path, tmp_path: Path) -> Path:
    """The block as a client with the wrong contract makes it: without the request. It is invalid."""
    content = map_witness_file(right_block)
    block = decoded(content)
    block[0][POSITION[FIELD]] = NO_REQUESTS
    return write_witness_file(rebuilt(content, block), tmp_path, sync=False)


@pytest.mark.parametrize("wrong", ["geth", "ethrex", "revm", "ethereumjs", "eels", "pyevm"])
def test_one_alone_is_named(clients: FaultyClients, right_block: Path, their_block: Path, wrong: str) -> None:
    executors = clients.executors(clients.honest)
    assert len(executors) == 6
    mixed = [misconfigured(each, right_block) if each.name == wrong else each for each in executors]
    report, found = clients.localize_by(mixed, right_block)
    assert report.decision.invalid == {wrong}
    assert report.decision.verdict is Verdict.ATTEST
    assert (found.place, [each.field for each in found.fields]) == (Place.FIELD, [FIELD])
    assert [each.adapters for each in found.sides][1:] == [(wrong,)]
    report = clients.judge_by(mixed, their_block)
    assert report.decision.valid == {wrong}
    assert report.decision.verdict is Verdict.REJECT


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.heading)
def test_a_wrong_majority_is_not_seen_through(
    clients: FaultyClients, right_block: Path, their_block: Path, policy: Policy
) -> None:
    """Three of five are a quorum of three: the verifier is as wrong as they are, and says that two disagree."""
    executors = clients.executors(LINEAGES)
    assert len(executors) == len(LINEAGES)
    mixed = [misconfigured(each, right_block) if each.name in WRONG else each for each in executors]
    configured = quorum_policy(
        {each.name: each.lineage for each in mixed}, policy.required, None if policy.by_default else policy.rejecting
    )
    assert configured.rejecting == policy.rejecting
    report = clients.judge_by(mixed, their_block, configured)
    assert (report.decision.valid, report.decision.invalid) == (frozenset(WRONG), RIGHT)
    assert report.decision.verdict is policy.theirs
    assert report.decision.disagreement
    assert {each.field for vote in report.votes for each in vote.differences} == {FIELD}
    report = clients.judge_by(mixed, right_block, configured)
    assert (report.decision.valid, report.decision.invalid) == (RIGHT, frozenset(WRONG))
    assert report.decision.verdict is policy.right
    assert report.decision.disagreement
    assert {vote.kind for vote in report.votes} == {VoteKind.VALID, VoteKind.INVALID}
