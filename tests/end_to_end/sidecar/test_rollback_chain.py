"""A chain of 64 blocks goes back from block 54, which the majority takes for valid; also where it is killed.

ROLLBACK_KILLS: how often, ROLLBACK_SEED: of the moments. With 100 and more, each stage must have been hit.
"""

import asyncio
import os
import random
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from tests.end_to_end.sidecar import rollback_story
from tests.end_to_end.sidecar.guarded_chain import hash_of
from tests.end_to_end.sidecar.mutated_majority import HONEST, MAJORITY, MutatedMajority, mutated_majority
from tests.end_to_end.sidecar.resting_state import CONCLUDED, DONE, MOVED, STAGES, check
from tests.end_to_end.sidecar.rollback_kills import Killer
from tests.end_to_end.sidecar.rollback_story import DESCENDANTS, GOOD, RIGHT, Story
from verifier.domain.localization import Place
from verifier.domain.status import BlockStatus
from verifier.domain.vote import VoteKind

pytestmark = pytest.mark.xdist_group("rollback chain")

KILLS = int(os.environ.get("ROLLBACK_KILLS", "6"))
SEED = int(os.environ.get("ROLLBACK_SEED", "6"))
MANY = 100  # kills after which each stage has been hit
USUAL = {"anchored", "block_disputed", "block_invalid"}  # alarms
# Alarms that would say that a kill, or a part of the rollback, went wrong.
FAILURES = {
    *("rollback_stalled", "rollback_without_target", "evidence_not_kept", "embedded_executor_not_moved"),
    *("execution_client_not_moved", "dispute_work_failed", "dispute_unresolved", "disputes_not_stored"),
    *("statements_not_stored", "ledger_failed", "witness_store_failed", "adapter_misbehaved", "adapter_quarantined"),
}


@dataclass
class Told:
    """The story, and the network in which it happened, which still runs."""

    runner: asyncio.Runner
    network: MutatedMajority
    story: Story


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    directory = tmp_path_factory.mktemp("rollback")
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            network = runner.run(stack.enter_async_context(mutated_majority(directory / "network")))
            yield Told(runner, network, runner.run(rollback_story.tell(network, directory)))
        finally:
            runner.run(stack.aclose())


@pytest.fixture
def story(told: Told) -> Story:
    return told.story


def test_the_chain_is_as_long_as_it_should_be(story: Story) -> None:
    assert [each.number for each in (*story.good, *story.bad)] == list(range(1, GOOD + 1 + DESCENDANTS + 1))
    assert [each.number for each in story.right] == list(range(GOOD + 1, GOOD + 1 + RIGHT))
    assert story.right[0].payload["parentHash"] == story.bad[0].payload["parentHash"] == story.good[-1].hash


def test_nothing_is_let_out_of_the_bad_branch_while_too_few_can_judge(story: Story) -> None:
    # What leaves the gates is audited besides, at the moment at which it leaves.
    assert story.held == {"SYNCING", 503}
    assert not story.vouched & set(story.branches.bad)


def test_the_majority_takes_the_bad_block_for_valid(story: Story) -> None:
    (dispute,) = story.kept.disputes
    said = {each.lineage: each.kind for each in dispute.statements}
    assert {lineage for lineage, kind in said.items() if kind is VoteKind.VALID} == MAJORITY
    assert {lineage for lineage, kind in said.items() if kind is VoteKind.INVALID} == set(HONEST)
    assert len(MAJORITY) > len(said) / 2


def test_every_part_goes_back(story: Story) -> None:
    branches, kept = story.branches, story.kept
    assert kept.stage == DONE
    assert kept.client == kept.embedded == branches.target
    assert {kept.statuses[each] for each in branches.bad} == {BlockStatus.INVALID}
    check(kept, branches)


def test_both_gates_refuse_the_bad_branch_for_good(story: Story) -> None:
    assert story.refused == {("INVALID", story.good[-1].hash), (503,)}


def test_the_instruction_is_named_and_kept_as_evidence(story: Story) -> None:
    evidence = story.evidence
    assert evidence.dispute.block.hash == hash_of(story.bad[0])
    found = evidence.localization
    assert found is not None
    assert found.instruction is not None
    assert (found.place, found.instruction.name, found.transaction) == (Place.STEP, "EXP", 0)
    assert evidence.request.pre_state_root == bytes.fromhex(story.good[-1].payload["stateRoot"][2:])


def test_the_right_branch_is_adopted_and_attested_to(story: Story) -> None:
    assert story.vouched >= {*story.branches.good, *map(hash_of, story.right)}
    assert story.head == hash_of(story.right[-1])


def test_no_alarm_is_raised_but_of_the_bad_block(story: Story) -> None:
    assert {each["alarm"] for each in story.log if "alarm" in each} == USUAL


def test_report_what_it_takes(story: Story, record_property: Callable[[str, object], None]) -> None:
    begun = story.stages[CONCLUDED]
    figures = {
        "answers until concluded": begun - story.answering,
        **{f"concluded until {STAGES[stage]}": at - begun for stage, at in story.stages.items() if stage > CONCLUDED},
        "concluded until attested to on the right branch": story.attested - begun,
    }
    for what, seconds in figures.items():
        record_property(what, seconds)
        print(f"{what}: {seconds * 1000:.0f} ms")


@pytest.mark.timeout(300 + 60 * KILLS)  # seconds: a start takes ten of them on a busy machine
def test_killed_at_random_moments(told: Told, tmp_path_factory: pytest.TempPathFactory) -> None:
    killer = Killer(told.network, told.story, tmp_path_factory.mktemp("copy"), random.Random(SEED))
    told.runner.run(killer.kill(KILLS))
    assert killer.tally.at.total() >= KILLS
    assert not killer.tally.alarms & FAILURES
    if KILLS >= MANY:
        assert set(killer.tally.at) == set(map(str, STAGES[CONCLUDED : MOVED + 1]))
