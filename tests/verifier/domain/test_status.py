"""The state machine of block status: forward only, and INVALID for good."""

from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.domain.block_trees import EVENTS, OWN_EVENTS, tracked
from verifier.domain.quorum import Verdict
from verifier.domain.status import (
    Anchored,
    BlockEvent,
    BlockStatus,
    Concluded,
    ExecutorAnswered,
    ExecutorStatus,
    Judged,
    TrackedBlock,
    WitnessStored,
    advance,
)

RECEIVED = tracked(2, 1, 8)
ATTEST = Judged(Verdict.ATTEST, "2 of 3")
REJECT = Judged(Verdict.REJECT, "2 of 3")
HOLD = Judged(Verdict.HOLD, "1 of 3")
LATE = Judged(Verdict.ATTEST, "2 of 3", late_invalid="eels")
VALID, INVALID = ExecutorAnswered(ExecutorStatus.VALID), ExecutorAnswered(ExecutorStatus.INVALID, "bad root")
RANK = {
    BlockStatus.RECEIVED: 0,
    BlockStatus.EXECUTED: 1,
    BlockStatus.AVAILABLE: 2,
    BlockStatus.VERIFIED: 3,
    BlockStatus.DISPUTED: 4,
    BlockStatus.INVALID: 5,
}


def after(*events: BlockEvent, start: TrackedBlock = RECEIVED) -> TrackedBlock:
    at = start
    for event in events:
        at = advance(at, event)
    return at


def test_the_way_of_a_good_block() -> None:
    statuses = [after(*(VALID, WitnessStored(), ATTEST)[:count]).status for count in range(4)]
    assert statuses == [BlockStatus.RECEIVED, BlockStatus.EXECUTED, BlockStatus.AVAILABLE, BlockStatus.VERIFIED]


def test_rejected_by_votes_is_a_dispute_until_it_is_concluded() -> None:
    assert after(VALID, WitnessStored(), REJECT).status is BlockStatus.DISPUTED
    assert after(REJECT, ATTEST).status is BlockStatus.DISPUTED
    assert after(REJECT, Concluded(True, "they all run a broken build")).status is BlockStatus.VERIFIED
    assert after(REJECT, Concluded(False, "traces")).status is BlockStatus.INVALID


def test_a_late_invalid_disputes_what_was_attested() -> None:
    disputed = after(ATTEST, LATE)
    assert disputed.status is BlockStatus.DISPUTED
    assert "eels says INVALID" in disputed.why


def test_a_quorum_that_was_taken_back_disputes_what_it_attested() -> None:
    disputed = after(ATTEST, Judged(Verdict.HOLD, "1 of 3; INVALID by geth", turned=True))
    assert disputed.status is BlockStatus.DISPUTED
    assert disputed.why == "was attested, and is no more: 1 of 3; INVALID by geth"


def test_the_executors_invalid() -> None:
    assert after(VALID, INVALID).status is BlockStatus.INVALID
    assert after(REJECT, INVALID).status is BlockStatus.INVALID
    contradicted = after(ATTEST, INVALID)
    assert contradicted.status is BlockStatus.DISPUTED
    assert contradicted.executor is ExecutorStatus.INVALID
    assert after(Anchored("configured"), INVALID).status is BlockStatus.DISPUTED
    # Asked again, it says so again: still one contradiction.
    assert advance(contradicted, INVALID) == contradicted


def test_a_hold_says_why_and_changes_nothing_else() -> None:
    held = after(VALID, WitnessStored(), HOLD)
    assert (held.status, held.why) == (BlockStatus.AVAILABLE, "1 of 3")
    assert after(ATTEST, HOLD) == after(ATTEST)


@given(st.lists(EVENTS), st.lists(EVENTS))
def test_invalid_is_sticky(before: list[BlockEvent], later: list[BlockEvent]) -> None:
    invalid = after(*before, Concluded(False, "traces"))
    assert invalid.status is BlockStatus.INVALID
    assert after(*later, start=invalid) == invalid


@given(st.lists(EVENTS), OWN_EVENTS)
def test_nothing_but_a_conclusion_takes_a_block_back(before: list[BlockEvent], event: BlockEvent) -> None:
    at = after(*before)
    assert RANK[advance(at, event).status] >= RANK[at.status]


@given(st.lists(EVENTS), EVENTS)
def test_a_conclusion_only_ends_a_dispute_or_decides(before: list[BlockEvent], event: BlockEvent) -> None:
    at = after(*before)
    changed = advance(at, event)
    if RANK[changed.status] < RANK[at.status]:
        assert (at.status, changed.status) == (BlockStatus.DISPUTED, BlockStatus.VERIFIED)
        assert isinstance(event, Concluded | Anchored)


@given(st.lists(OWN_EVENTS))
def test_verified_takes_a_quorum_and_the_executors_word_is_none(events: list[BlockEvent]) -> None:
    if after(*events).status is BlockStatus.VERIFIED:
        assert any(isinstance(event, Judged) and event.verdict is Verdict.ATTEST for event in events)
        assert not any(isinstance(event, Judged) and event.late_invalid for event in events)
        assert not any(isinstance(event, Judged) and event.verdict is Verdict.REJECT for event in events)
        assert not any(isinstance(event, Judged) and event.turned and event.verdict is Verdict.HOLD for event in events)


@given(st.lists(EVENTS), EVENTS)
def test_what_is_heard_twice_changes_nothing_more(before: list[BlockEvent], event: BlockEvent) -> None:
    once = after(*before, event)
    twice = advance(once, event)
    assert (twice.status, twice.executor, twice.anchor) == (once.status, once.executor, once.anchor)


@given(st.lists(EVENTS))
def test_what_a_block_is_never_changes(events: list[BlockEvent]) -> None:
    at = after(*events)
    assert (at.block, at.parent_hash, at.state_root, at.timestamp) == (
        RECEIVED.block,
        RECEIVED.parent_hash,
        RECEIVED.state_root,
        RECEIVED.timestamp,
    )
