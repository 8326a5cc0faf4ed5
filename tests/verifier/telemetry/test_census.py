from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from verifier.domain.event import StatusChanged
from verifier.domain.gate import GateMode
from verifier.domain.quorum import Verdict
from verifier.domain.status import BlockStatus
from verifier.telemetry.census import Census

from . import story

CHANGES = st.lists(st.tuples(st.integers(0, 9), st.sampled_from(BlockStatus), st.booleans()), max_size=40)


@given(CHANGES)
def test_the_counts_are_those_of_the_blocks_that_are_known(changes: list[tuple[int, BlockStatus, bool]]) -> None:
    census = Census(limit=5)
    for number, status, anchor in changes:
        census.apply(StatusChanged(story.tracked(number, status, anchor=anchor), None))
        counted = Counter(block.status for block in census.blocks.values())
        assert {status: census.count(status) for status in BlockStatus} == {each: counted[each] for each in BlockStatus}
        assert len(census.blocks) <= 5
        if anchor:
            assert all(block.block.number >= number for block in census.blocks.values())


def test_a_verdict_counts_before_the_status_follows() -> None:
    census = Census()
    census.restore([story.anchor(99).block, story.tracked(100, BlockStatus.AVAILABLE)])
    assert census.gate_state(GateMode.EVERY_BLOCK, story.block_hash(100)) == "closed"
    assert census.gate_state(GateMode.EVERY_BLOCK, story.block_hash(100), Verdict.ATTEST) == "open"
    assert census.blocks[story.block_hash(100)].status is BlockStatus.AVAILABLE
    assert census.gate_state(GateMode.EPOCH_TARGET, story.block_hash(100), Verdict.HOLD) == "open"
    assert census.gate_state(GateMode.EPOCH_TARGET, story.block_hash(100), Verdict.REJECT) == "closed"


def test_a_block_that_is_not_known_is_closed_in_every_mode() -> None:
    for mode in (GateMode.EVERY_BLOCK, GateMode.EPOCH_TARGET):
        assert Census().gate_state(mode, story.block_hash(1), Verdict.ATTEST) == "closed"
