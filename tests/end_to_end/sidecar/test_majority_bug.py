"""No vote for a block that a quorum has not verified, though the client that proposes and executes it says VALID."""

from collections import Counter
from collections.abc import Callable
from itertools import chain
from statistics import median
from typing import Any

import pytest

from tests.end_to_end.sidecar import majority_story
from tests.end_to_end.sidecar.majority_story import BAD_PROPOSALS, DESCENDANTS, NEW_BLOCKS, Logged, Story, payload
from tests.peers.installation import require_lodestar

pytestmark = pytest.mark.xdist_group("majority bug")

LOST_SLOTS = 3  # that a busy machine may miss, as without the sidecar (tests/end_to_end/test_peers.py)
NO_ROOT = f"0x{bytes(32).hex()}"  # the source of an attestation before anything is justified
LIVE_LINEAGES = {"geth", "ethrex", "revm", "ethereumjs"}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    require_lodestar()
    return majority_story.tell(tmp_path_factory.mktemp("majority"))


def named(log: Logged, event: str) -> Logged:
    return [each for each in log if each.get("event") == event]


def gate(log: Logged, name: str) -> Logged:
    return [each for each in named(log, "gate") if each["gate"] == name]


def test_every_honest_block_is_attested(story: Story) -> None:
    verdicts: dict[str, set[str]] = {}
    agreeing: dict[str, set[str]] = {}
    for each in named(story.honest_log, "verdict"):
        verdicts.setdefault(each["hash"], set()).add(each["verdict"])
        agreeing.setdefault(each["hash"], set()).update(each["valid"].split(","))
    imported = [payload(block)["block_hash"] for block in story.honest.blocks.values()]
    assert len(imported) >= majority_story.HONEST_SLOTS - LOST_SLOTS
    assert {each: verdicts.get(each) for each in imported} == {each: {"ATTEST"} for each in imported}
    # The last block may still be under way.
    assert {each: agreeing[each] for each in imported[:-1]} == dict.fromkeys(imported[:-1], LIVE_LINEAGES)
    assert not {each["vote"] for each in named(story.honest_log, "vote")} - {"VALID"}
    assert sum(bool(payload(block)["transactions"]) for block in story.honest.blocks.values()) >= len(imported) // 2


def test_no_attestation_is_lost_and_the_chain_is_final(story: Story) -> None:
    refused = Counter(each["request"] for each in gate(story.honest_log, "beacon") if each["answer"] == "refused")
    assert not refused
    # Votes for a slot come with a later block.
    missed = set(range(min(story.honest.blocks), story.honest_slot)) - story.honest.attested
    assert len(missed) <= LOST_SLOTS, sorted(missed)
    assert story.finalized >= 1
    assert {each["alarm"] for each in named(story.honest_log, "alarm")} == {"anchored"}


def test_a_bad_block_is_disputed_and_never_imported(story: Story) -> None:
    assert len(story.refused) >= BAD_PROPOSALS  # every slot's proposer tries
    answers = [each for each in gate(story.refused_log, "engine") if each.get("hash") in story.refused]
    assert {each["answer"] for each in answers} == {"error"}
    assert not {payload(block)["block_hash"] for block in story.blocks.values()} & set(story.refused)


def test_the_chain_goes_on_once_the_client_is_replaced(story: Story) -> None:
    new = [slot for slot in story.recovered.blocks if slot > story.parent]
    assert len(new) >= NEW_BLOCKS
    parent = payload(story.recovered.blocks[story.parent])
    first = payload(story.recovered.blocks[min(new)])
    assert first["parent_hash"] == parent["block_hash"]
    # Attestations to the last good block went out all the time, and are in the chain.
    missed = set(range(min(story.recovered.blocks), story.recovered_slot)) - story.recovered.attested
    assert len(missed) <= LOST_SLOTS, sorted(missed)


def test_proposals_go_on_upon_a_bad_block_that_the_beacon_node_takes_for_valid(story: Story) -> None:
    assert len(story.bad) > DESCENDANTS
    answers = [each for each in gate(story.passed_log, "engine") if each.get("hash") in story.bad_hashes]
    assert {each["answer"] for each in answers} == {"VALID"}
    assert [story.blocks[root]["parent_root"] for root in story.bad[1:]] == story.bad[:-1]


def test_not_one_vote_for_a_bad_block_reaches_the_beacon_node(story: Story) -> None:
    assert len(story.votes) > len(story.blocks)
    for each in story.votes:
        assert each.roots <= story.good | {NO_ROOT}, each
    gated = [
        each for each in gate(story.refused_log + story.passed_log, "beacon") if each.get("hash") in story.bad_hashes
    ]
    assert {each["answer"] for each in gated} <= {"refused", "dropped"}
    assert len({each["hash"] for each in gated}) >= 2  # votes were asked for, slot after slot


def test_the_beacon_node_holds_and_the_chain_contains_no_vote_for_a_bad_block(story: Story) -> None:
    included = chain.from_iterable(block["body"]["attestations"] for block in story.blocks.values())
    for each in chain(included, story.pool):
        roots = {each["data"]["beacon_block_root"], each["data"]["target"]["root"], each["data"]["source"]["root"]}
        assert not roots & set(story.bad), each
    for root in story.bad[1:]:  # what a block says of its parent
        aggregate: dict[str, Any] = story.blocks[root]["body"]["sync_aggregate"]
        assert int(aggregate["sync_committee_bits"], 16) == 0, root


def test_report_what_the_gates_add(story: Story, record_property: Callable[[str, object], None]) -> None:
    engine = [each["waited_ms"] for each in gate(story.honest_log, "engine") if "newPayload" in each["request"]]
    beacon = [each["waited_ms"] for each in gate(story.honest_log, "beacon") if "attestation_data" in each["request"]]
    verdicts = [each["ms"] for each in named(story.honest_log, "verdict") if each["level"] == "info"]
    for name, values in (("engine gate", engine), ("attestation gate", beacon), ("verdict", verdicts)):
        assert len(values) >= majority_story.HONEST_SLOTS - LOST_SLOTS
        text = f"median {median(values):.1f} ms, longest {max(values):.1f} ms, {len(values)} times"
        record_property(name, text)
        print(f"{name}: {text}")
