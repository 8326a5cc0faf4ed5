"""INVALID that comes after a block was held, and imported: both beacon nodes leave its branch."""

from pathlib import Path

import pytest

from tests.end_to_end.sidecar import reorg_story
from tests.end_to_end.sidecar.majority_story import payload
from tests.end_to_end.sidecar.reorg_story import GUARDED, NEW_BLOCKS, Seen, Story
from tests.peers.installation import require_lodestar

pytestmark = pytest.mark.xdist_group("reorganization")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    require_lodestar()
    directory: Path = tmp_path_factory.mktemp("reorganization")
    return reorg_story.tell(directory)


@pytest.fixture(params=["first", "second"])
def seen(story: Story, request: pytest.FixtureRequest) -> Seen:
    return story.seen[("first", "second").index(request.param)]


def answers(seen: Seen, block_hash: str) -> list[str]:
    """What the engine gate answered about a block, in order."""
    said = [each for each in seen.log if each.get("event") == "gate" and each["gate"] == "engine"]
    return [each["answer"] for each in said if each.get("hash") == block_hash]


def test_the_block_was_held_and_imported_before_it_was_known_to_be_invalid(story: Story, seen: Seen) -> None:
    said = answers(seen, story.hashes[0])
    assert said[0] == "SYNCING"
    assert seen.optimistic


def test_a_descendant_is_answered_invalid(story: Story, seen: Seen) -> None:
    assert any("INVALID" in answers(seen, each) for each in story.hashes[1:])
    assert all(set(answers(seen, each)) <= {"SYNCING", "INVALID"} for each in story.hashes)


def test_the_beacon_node_returns_to_the_valid_branch(story: Story, seen: Seen) -> None:
    parent = payload(seen.chain[story.parent])
    above = [payload(block) for slot, block in seen.chain.items() if slot > story.parent]
    assert len(above) >= NEW_BLOCKS
    assert above[0]["parent_hash"] == parent["block_hash"]
    assert not {each["block_hash"] for each in above} & set(story.hashes)
    assert seen.canonical == above[0]["block_hash"]  # and so does the execution client


def test_both_are_on_the_same_chain(story: Story) -> None:
    first, second = (max(seen.chain) for seen in story.seen)
    common = min(first, second)
    hashes = [
        {slot: payload(block)["block_hash"] for slot, block in each.chain.items() if slot <= common}
        for each in story.seen
    ]
    assert hashes[0] == hashes[1]


def test_the_valid_branch_is_voted_for(story: Story, seen: Seen) -> None:
    above = [block for slot, block in seen.chain.items() if slot > story.parent]
    new = {block["parent_root"] for block in above[1:]} | {seen.head}
    assert {root for each in seen.votes for root in each.roots} & new


def test_no_vote_for_the_bad_branch_got_through(story: Story, seen: Seen) -> None:
    assert [each for each in seen.votes if each.roots & set(story.bad)] == []


def test_the_guarded_validators_built_the_valid_branch(story: Story, seen: Seen) -> None:
    proposers = {int(block["proposer_index"]) for slot, block in seen.chain.items() if slot > story.parent}
    assert proposers <= set(GUARDED)
