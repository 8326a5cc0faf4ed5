"""What the gates answer: no VALID and no message before a block stands, and nothing at all changed in monitor mode."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.domain.gate import (
    GateMode,
    HoldAnswer,
    PayloadStatus,
    attestation_permission,
    engine_answer,
    head_permission,
    stands,
    worth_waiting,
)
from verifier.domain.standing import Standing, StandingReport
from verifier.domain.status import BlockStatus, ExecutorStatus

HASH, PARENT, OTHER = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32
UNDECIDED_STATUSES = (BlockStatus.RECEIVED, BlockStatus.EXECUTED, BlockStatus.AVAILABLE, BlockStatus.VERIFIED)


def report(standing: Standing, own: BlockStatus | None = None, *, disputed: bool = False) -> StandingReport:
    return StandingReport(standing, HASH, "why", own, disputed)


VERIFIED = report(Standing.VERIFIED, BlockStatus.VERIFIED)
INVALID = report(Standing.INVALID, BlockStatus.INVALID)
UNKNOWN = report(Standing.UNKNOWN)
UNDECIDED = report(Standing.UNDECIDED, BlockStatus.AVAILABLE)
DISPUTED = report(Standing.UNDECIDED, BlockStatus.DISPUTED, disputed=True)
BELOW_DISPUTED = report(Standing.UNDECIDED, BlockStatus.VERIFIED, disputed=True)
ON_UNDECIDED = report(Standing.UNDECIDED, BlockStatus.VERIFIED)
ALL = (VERIFIED, INVALID, UNKNOWN, UNDECIDED, DISPUTED, BELOW_DISPUTED, ON_UNDECIDED)

reports = st.sampled_from(ALL)
gating = st.sampled_from([GateMode.EVERY_BLOCK, GateMode.EPOCH_TARGET])
modes = st.sampled_from(GateMode)
holds = st.sampled_from(HoldAnswer)
hashes = st.none() | st.sampled_from([HASH, PARENT, OTHER])
answers = st.builds(PayloadStatus, st.sampled_from(ExecutorStatus), hashes, st.none() | st.just("bad"))
VALID_ANSWER = PayloadStatus(ExecutorStatus.VALID, HASH)


@given(modes, holds, answers, reports, hashes)
def test_valid_needs_the_executor_and_the_standing(
    mode: GateMode, hold: HoldAnswer, executor: PayloadStatus, block: StandingReport, latest: bytes | None
) -> None:
    answer = engine_answer(mode, hold, executor, block, latest)
    if answer.payload is not None and answer.payload.status is ExecutorStatus.VALID:
        assert executor.status is ExecutorStatus.VALID
        if mode is GateMode.EVERY_BLOCK:
            passed = hold is HoldAnswer.PASS and block.standing is not Standing.INVALID
            assert block.standing is Standing.VERIFIED or passed
        if mode is GateMode.EPOCH_TARGET:
            assert block.standing is not Standing.INVALID
            assert hold is HoldAnswer.PASS or not (block.disputed or block.standing is Standing.UNKNOWN)


@given(holds, answers, reports, hashes)
def test_monitor_never_changes_an_answer(
    hold: HoldAnswer, executor: PayloadStatus, block: StandingReport, latest: bytes | None
) -> None:
    assert engine_answer(GateMode.MONITOR, hold, executor, block, latest).payload == executor


@given(reports, reports)
def test_monitor_never_refuses(head: StandingReport, target: StandingReport) -> None:
    assert head_permission(GateMode.MONITOR, head).allowed
    permission = attestation_permission(GateMode.MONITOR, head, target)
    assert permission.allowed
    assert permission.gated is not attestation_permission(GateMode.EVERY_BLOCK, head, target).allowed


@given(gating, holds, answers, hashes)
def test_invalid_outweighs_every_other_word(
    mode: GateMode, hold: HoldAnswer, executor: PayloadStatus, latest: bytes | None
) -> None:
    answer = engine_answer(mode, hold, executor, INVALID, latest)
    assert answer.payload is not None
    assert answer.payload.status is ExecutorStatus.INVALID
    assert answer.payload.latest_valid_hash == latest


@given(gating, holds, reports, hashes, hashes)
def test_no_unverified_latest_valid_hash_goes_out(
    mode: GateMode, hold: HoldAnswer, block: StandingReport, latest: bytes | None, executors: bytes | None
) -> None:
    executor = PayloadStatus(ExecutorStatus.INVALID, executors, "bad root")
    answer = engine_answer(mode, hold, executor, block, latest)
    assert answer.payload == PayloadStatus(ExecutorStatus.INVALID, latest, "bad root")
    assert answer.gated is (executors != latest)


@given(modes, holds, answers, reports, hashes)
def test_what_is_changed_is_said(
    mode: GateMode, hold: HoldAnswer, executor: PayloadStatus, block: StandingReport, latest: bytes | None
) -> None:
    answer = engine_answer(mode, hold, executor, block, latest)
    assert bool(answer.reason) is answer.gated
    if answer.payload != executor:
        assert answer.gated


@pytest.mark.parametrize("undecided", [UNKNOWN, UNDECIDED, DISPUTED, BELOW_DISPUTED, ON_UNDECIDED])
def test_what_is_answered_meanwhile(undecided: StandingReport) -> None:
    def answered(hold: HoldAnswer) -> PayloadStatus | None:
        return engine_answer(GateMode.EVERY_BLOCK, hold, VALID_ANSWER, undecided, None).payload

    assert answered(HoldAnswer.SYNCING) == PayloadStatus(ExecutorStatus.SYNCING)
    assert answered(HoldAnswer.ERROR) is None
    assert answered(HoldAnswer.PASS) == VALID_ANSWER


@given(reports, reports)
def test_every_block_attests_only_what_is_verified(head: StandingReport, target: StandingReport) -> None:
    permission = attestation_permission(GateMode.EVERY_BLOCK, head, target)
    assert permission.allowed is (head.standing is target.standing is Standing.VERIFIED)
    assert permission.gated is not permission.allowed
    assert bool(permission.reason) is permission.gated


@given(reports, reports)
def test_epoch_target_attests_only_judged_targets_and_nothing_doubtful(
    head: StandingReport, target: StandingReport
) -> None:
    if attestation_permission(GateMode.EPOCH_TARGET, head, target).allowed:
        assert target.own is BlockStatus.VERIFIED
        for each in (head, target):
            assert each.standing in (Standing.VERIFIED, Standing.UNDECIDED)
            assert not each.disputed


def test_epoch_target_passes_heads_that_nobody_judged() -> None:
    assert attestation_permission(GateMode.EPOCH_TARGET, UNDECIDED, ON_UNDECIDED).allowed
    refused = attestation_permission(GateMode.EPOCH_TARGET, UNDECIDED, UNDECIDED)
    assert (refused.allowed, refused.reason) == (False, "target 0x01010101… undecided: why")


@given(modes, reports)
def test_nobody_waits_for_what_votes_cannot_change(mode: GateMode, block: StandingReport) -> None:
    if worth_waiting(mode, block):
        assert not block.decided
        assert not block.disputed
        assert not (mode is GateMode.EPOCH_TARGET and block.own is BlockStatus.VERIFIED)
    elif mode is not GateMode.EPOCH_TARGET:
        assert block.decided or block.disputed
    else:
        assert attestation_permission(mode, block, block).allowed or block.decided or block.disputed


@given(modes, reports)
def test_stands(mode: GateMode, block: StandingReport) -> None:
    if block.standing in (Standing.INVALID, Standing.UNKNOWN) or block.disputed:
        assert not stands(mode, block)
    if block.standing is Standing.VERIFIED:
        assert stands(mode, block)
