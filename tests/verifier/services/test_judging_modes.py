"""Judging in modes other than every-block, finality, and the embedded executor beside the execution client."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.verifier.services.builders import CONFIG
from tests.verifier.services.judging_setting import (
    HOLD_SECONDS,
    SCHEDULE,
    Blocks,
    Court,
    Setting,
    embedded,
    honest,
    live,
    lying,
    policy_of,
    run,
)
from tests.verifier.services.observing import Recorder
from verifier.domain.event import (
    Alarm,
    VerdictReached,
)
from verifier.domain.gate import GateMode
from verifier.domain.quorum import Verdict
from verifier.domain.result import BrokenRule, Outcome
from verifier.domain.standing import Standing
from verifier.domain.status import BlockStatus
from verifier.domain.vote import VoteKind, cast_vote
from verifier.errors import UsageError
from verifier.executors.stateless.base import ExecutionRequest
from verifier.ledger.base import FakeLedger
from verifier.services.ballot import acceptance
from verifier.services.catch_up import tracked_from
from verifier.services.chain import Chain
from verifier.services.judgement import Jury
from verifier.services.judging import Judge, JudgingOptions
from witness.model import Header
from witness.store import WitnessStore


def test_epoch_target_judges_targets_at_once_and_others_when_they_are_demanded(tmp_path: Path) -> None:
    executors = live(honest, honest)

    async def scenario(setting: Setting) -> None:
        for number in range(1, 10):
            setting.payload(number)
        await setting.idle()
        judged = {number for number in range(1, 10) if setting.status(number) is BlockStatus.VERIFIED}
        assert judged == {4, 8}
        # Slot 12 is empty: the beacon node names the block of slot 9 as the target.
        report = await setting.chain.wait(setting.blocks.hash(9), HOLD_SECONDS)
        assert report.own is BlockStatus.VERIFIED
        assert setting.status(7) is BlockStatus.EXECUTED

    run(scenario, tmp_path, executors, mode=GateMode.EPOCH_TARGET, schedule=SCHEDULE)


def test_epoch_target_judges_nothing_on_a_disputed_block(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        for number in range(1, 8):
            setting.payload(number)
        await setting.until(4, BlockStatus.DISPUTED)
        await setting.idle()
        setting.payload(8)  # starts an epoch
        await setting.idle()
        for number in (5, 7):  # whoever asks about a head that is held
            assert (await setting.chain.wait(setting.blocks.hash(number), HOLD_SECONDS)).disputed
        await setting.idle()
        assert [number for number in range(1, 9) if setting.ledger.votes.get(setting.blocks.hash(number))] == [4, 8]

    executors = live(lying, lying)
    run(scenario, tmp_path, executors, mode=GateMode.EPOCH_TARGET, schedule=SCHEDULE)


def test_epoch_target_after_a_restart_needs_no_more_than_the_parents_header(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        report = await setting.chain.wait(setting.blocks.hash(8), HOLD_SECONDS)
        assert report.own is BlockStatus.VERIFIED
        assert set(setting.chain.blocks) == {setting.blocks.hash(number) for number in (0, 7, 8)}

    run(scenario, tmp_path, live(honest, honest), mode=GateMode.EPOCH_TARGET, schedule=SCHEDULE)


def test_in_monitor_mode_everything_is_judged(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        setting.payload(3)
        assert await setting.wait(3) is Standing.VERIFIED

    run(scenario, tmp_path, live(honest, honest), mode=GateMode.MONITOR)


def test_finality_prunes(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        for number in (1, 2, 3):
            setting.payload(number)
        assert await setting.wait(3) is Standing.VERIFIED
        setting.judge.finalized(setting.blocks.hash(2))
        assert set(setting.chain.blocks) == {setting.blocks.hash(2), setting.blocks.hash(3)}
        setting.payload(4)
        assert await setting.wait(4) is Standing.VERIFIED

    run(scenario, tmp_path, live(honest, honest))


def test_a_live_adapter_outside_the_quorum_is_refused(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        raise AssertionError("not reached")

    executors = live(honest, honest)
    with pytest.raises(UsageError, match="not in the quorum: ethrex"):
        run(scenario, tmp_path, executors, policy=policy_of(executors[:1]))


def test_a_header_with_unknown_fields_is_never_valid_by_the_executors_word(tmp_path: Path) -> None:
    header: Header = replace(Blocks(1).headers[1], unknown_fields=1)
    ballot_vote = cast_vote(header, acceptance(header, "node", "geth"))
    assert ballot_vote.kind is VoteKind.ABSTAIN


def test_a_witness_that_is_not_the_clients_is_no_vote_of_the_client(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        setting.source.accepted = False
        setting.chain.receive(tracked_from(1337, setting.blocks.headers[1]))
        setting.judge.demand(setting.blocks.hash(1))  # of the client's acceptance nobody has heard
        verdict = await setting.final(1)
        assert [vote.adapter for vote in verdict.votes] == ["revm", "ethrex"]
        setting.payload(2)
        assert "node" in [vote.adapter for vote in (await setting.final(2)).votes]

    run(scenario, tmp_path, live(honest, honest))


def test_what_the_execution_client_alone_calls_invalid_stays_so_and_is_said(tmp_path: Path) -> None:
    executors = [*live(honest, honest), embedded(honest)]

    async def scenario(setting: Setting) -> None:
        setting.source.accepted = False
        setting.payload(1, valid=False)
        alarm = await setting.recorder.wait(Alarm, lambda event: event.name == "executor_alone_invalid")
        assert "alone says INVALID (bad root); VALID by embedded, ethrex, revm" in alarm.text
        await setting.idle()
        assert (setting.status(1), setting.standing(1)) == (BlockStatus.INVALID, Standing.INVALID)
        assert setting.ledger.stored[setting.blocks.hash(1)].status is BlockStatus.INVALID
        votes = setting.ledger.votes[setting.blocks.hash(1)][-1][1]
        assert {vote.adapter: vote.kind for vote in votes if vote.kind is not VoteKind.VALID} == {
            "node": VoteKind.INVALID
        }
        assert not setting.recorder.of(VerdictReached)  # there is none on a block that is invalid
        asked = len(setting.source.asked)
        setting.payload(1, valid=False)
        await setting.idle()
        assert len(setting.source.asked) == asked  # once is enough

    run(scenario, tmp_path, executors, own="embedded")


@pytest.mark.parametrize(("answers", "own"), [((honest, lying), "embedded"), ((honest, honest), "")])
def test_no_alarm_where_others_agree_that_it_is_invalid_nor_without_a_witness_of_our_own(
    tmp_path: Path, answers: tuple[Callable[[ExecutionRequest], Outcome], ...], own: str
) -> None:
    executors = [*live(*answers), embedded(honest)]

    async def scenario(setting: Setting) -> None:
        setting.payload(1, valid=False)
        await setting.idle()
        assert setting.status(1) is BlockStatus.INVALID
        assert "executor_alone_invalid" not in setting.recorder.alarms()
        assert bool(setting.source.asked) is bool(own)

    run(scenario, tmp_path, executors, own=own)


def test_what_the_embedded_executor_alone_calls_invalid_is_said_whatever_the_quorum(tmp_path: Path) -> None:
    executors = [*live(honest, honest), embedded(lambda _: BrokenRule("embedded_executor", "its root is another"))]

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        alarm = await setting.recorder.wait(Alarm, lambda event: event.name == "embedded_contradicts")
        assert "its root is another" in alarm.text
        verdict = await setting.final(1)
        assert (verdict.decision.verdict, verdict.decision.disagreement) == (Verdict.ATTEST, True)

    run(scenario, tmp_path, executors, own="embedded")


def test_payloads_are_told_as_they_come(tmp_path: Path) -> None:
    followed: list[bytes] = []

    async def scenario() -> None:
        blocks = Blocks(1)
        options = JudgingOptions(policy_of(live(honest, honest)), CONFIG)
        chain = Chain(FakeLedger(), Recorder())
        with WitnessStore(tmp_path / "store", sync=False) as store:
            disputes = Court().disputes(chain, options.policy, {}, Recorder())
            judge = Judge(
                chain, store, blocks.source(), Jury(()), options, Recorder(), disputes, follow=followed.append
            )
            async with judge:
                judge.receive(bytes(blocks.content(1).block), blocks.headers[1])
        chain.close()
        assert followed == [blocks.content(1).block]

    asyncio.run(scenario())
