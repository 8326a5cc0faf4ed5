"""Disputes as they run: what opens and ends them, what follows from it, and what outlives a restart."""

import asyncio
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest

from tests.verifier.services.judging_setting import (
    HOLD_SECONDS,
    Court,
    Gated,
    Setting,
    embedded,
    honest,
    live,
    lying,
    policy_of,
    run,
    silent,
)
from verifier.domain.dispute import Conclusion, dispute_rule
from verifier.domain.event import (
    AdapterMisbehaved,
    AdapterQuarantined,
    Alarm,
    DisagreementLocalized,
    DisputeChanged,
    VerdictReached,
)
from verifier.domain.localization import Localization, Place
from verifier.domain.quorum import Verdict
from verifier.domain.result import Computed, Mode, Outcome
from verifier.domain.standing import Standing
from verifier.domain.status import BlockStatus
from verifier.domain.vote import VoteKind
from verifier.executors.stateless.base import ExecutionRequest, FakeExecutor
from verifier.ledger.base import FakeLedger
from verifier.ledger.dispute_ledger import FakeDisputeLedger, named
from verifier.ledger.errors import LedgerFullError
from verifier.services.analysis import FakeAnalyst

FULL = LedgerFullError("ledger.db: cannot be written: database or disk is full")


def changing(*answers: object) -> tuple[list[int], object]:
    """An answer that a test changes: the first one until a number is put into the list."""
    turn: list[int] = []

    def answer(request: ExecutionRequest) -> Outcome:
        chosen = answers[turn[-1] if turn else 0]
        return chosen(request)  # type: ignore[operator,no-any-return]

    return turn, answer


def on_values(answer: Callable[[ExecutionRequest], Outcome]) -> Callable[[ExecutionRequest], Outcome]:
    """The same answer, in prestate mode."""

    def answered(request: ExecutionRequest) -> Outcome:
        outcome = answer(request)
        assert isinstance(outcome, Computed)
        return replace(outcome, state_root=None, post_state={})

    return answered


def lying_of_gas(request: ExecutionRequest) -> Outcome:
    outcome = honest(request)
    assert isinstance(outcome, Computed)
    return replace(outcome, gas_used=(outcome.gas_used or 0) + 1)


async def concluded(setting: Setting, conclusion: Conclusion) -> DisputeChanged:
    return await setting.recorder.wait(DisputeChanged, lambda event: event.dispute.conclusion is conclusion)


def test_a_lone_liar_is_put_in_quarantine_and_weighs_nothing_afterwards(tmp_path: Path) -> None:
    court = Court()

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        assert await setting.wait(1) is Standing.VERIFIED
        heard = (await concluded(setting, Conclusion.VALID)).dispute
        assert heard.why.startswith("ATTEST: VALID by ")
        await setting.settled()
        assert named(court.ledger.quarantines()) == setting.disputes.quarantined == {"ethrex"}
        (event,) = setting.recorder.of(AdapterQuarantined)
        assert event.adapter == "ethrex"
        assert event.why.startswith(f"dispute {heard.id} is concluded VALID: INVALID 0x")
        setting.payload(2)
        decision = (await setting.final(2)).decision
        assert (decision.verdict, decision.disagreement) == (Verdict.ATTEST, False)
        assert "in quarantine: ethrex" in setting.chain.blocks[setting.blocks.hash(2)].why
        assert setting.disputes.on(setting.blocks.hash(2)) is None

    run(scenario, tmp_path, live(honest, lying, honest), court=court)


def test_what_enough_lineages_call_invalid_becomes_so_and_is_gone_back_from(tmp_path: Path) -> None:
    court = Court()

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        setting.payload(2)
        why = (await setting.until(1, BlockStatus.INVALID)).why
        assert why.startswith(f"dispute {setting.dispute(1).id} is concluded INVALID: 3 of 4 lineages say INVALID")
        await setting.settled()
        assert setting.standing(2) is Standing.INVALID
        assert setting.dispute(1).conclusion is Conclusion.INVALID
        assert setting.disputes.quarantined == frozenset()  # only a conclusion of VALID puts anybody there

    run(scenario, tmp_path, live(lying, lying, lying), court=court)


def test_a_late_invalid_against_the_quorum_closes_the_block_until_the_dispute_is_ended(tmp_path: Path) -> None:
    late, court = Gated("eels", "eels", lying), Court()

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        assert await setting.wait(1) is Standing.VERIFIED
        assert not court.ledger.kept
        late.opened.set()
        await setting.until(1, BlockStatus.DISPUTED)
        await concluded(setting, Conclusion.VALID)
        await setting.settled()
        # Neither the conclusion nor the last word of the judgement, which comes after it, closes it again.
        assert setting.status(1) is BlockStatus.VERIFIED
        assert setting.disputes.quarantined == {"eels"}
        assert setting.chain.blocks[setting.blocks.hash(1)].why.startswith("dispute 1-")

    run(scenario, tmp_path, live(honest, honest), late=[late], court=court)


def test_where_all_have_to_agree_a_lone_late_dissenter_is_a_persons_matter_and_not_in_quarantine(
    tmp_path: Path,
) -> None:
    """`disputes.valid` = all lineages: for whom a block that one client rejects is better left closed."""
    late, executors = FakeExecutor("eels", "eels", lying), live(honest, honest)
    court = Court(rule=dispute_rule(policy_of(executors), {"eels": "eels"}, valid=4))

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        await setting.until(1, BlockStatus.DISPUTED)
        await setting.settled()
        court.wall.now = setting.dispute(1).deadline
        setting.disputes.expire()
        await concluded(setting, Conclusion.UNRESOLVED)
        await setting.settled()
        assert setting.status(1) is BlockStatus.DISPUTED
        assert setting.disputes.quarantined == frozenset()

    run(scenario, tmp_path, executors, late=[late], court=court)


def test_no_verdict_waits_for_a_dispute(tmp_path: Path) -> None:
    """The analysis never ends here: blocks are judged all the same."""
    court = Court()
    court.analyst.opened.clear()

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        assert await setting.wait(1) is Standing.VERIFIED
        await concluded(setting, Conclusion.VALID)
        await setting.idle()
        for number in (2, 3):
            setting.payload(number)
            assert await setting.wait(number) is Standing.VERIFIED
        assert setting.disputes.under_way  # it waits for `opened`
        kinds = [type(event) for event in setting.recorder.events]
        assert kinds.index(VerdictReached) < kinds.index(DisputeChanged)

    run(scenario, tmp_path, live(honest, honest, lying), court=court)


def test_the_disagreement_is_localized_then_bundled_with_the_conclusion(tmp_path: Path) -> None:
    court = Court()

    async def scenario(setting: Setting) -> None:
        block = setting.chain.blocks[setting.blocks.hash(0)].block
        court.analyst.localization = Localization(block, Place.FIELD, (), (), "state_root: ethrex has 0x66…")
        setting.payload(1)
        event = await setting.recorder.wait(DisagreementLocalized)
        assert event.localization is court.analyst.localization
        await setting.settled()
        asked = [what for what, _ in court.analyst.asked]
        assert asked.count("localize") == 1
        assert asked.index("secure") < asked.index("localize") < asked.index("keep")
        dispute, localization, case = court.analyst.bundled[-1]
        assert (dispute.conclusion, localization) == (Conclusion.VALID, court.analyst.localization)
        assert case.ended
        assert [each.adapter for each in case.results] == ["revm", "ethrex", "ethereumjs"]
        assert {vote.adapter for vote in case.given} == {"node", "revm", "ethrex", "ethereumjs"}
        assert setting.dispute(1).evidence == "bundle"

    run(scenario, tmp_path, live(honest, lying, honest), court=court)


def test_unresolved_at_the_deadline_and_closed_whoever_changes_his_mind(tmp_path: Path) -> None:
    turn, answer = changing(silent, honest)
    executors = [*live(lying, answer, answer)]  # type: ignore[arg-type]
    court = Court(analyst=FakeAnalyst(name=""))

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        assert (await setting.final(1)).decision.verdict is Verdict.HOLD
        await setting.settled()
        assert setting.dispute(1).open
        assert setting.dispute(1).silent == {"ethrex", "ethereumjs"}
        before = setting.dispute(1).evidence
        assert not court.analyst.discarded
        court.wall.now = setting.dispute(1).deadline
        setting.disputes.expire()
        await setting.settled()
        assert setting.dispute(1).conclusion is Conclusion.UNRESOLVED
        alarm = next(each for each in setting.recorder.of(Alarm) if each.name == "dispute_unresolved")
        assert "stays available; it is for you to decide" in alarm.text
        assert court.analyst.discarded == [(before, setting.dispute(1).evidence)]  # bundled again, with its end
        turn.append(1)
        setting.clock.now += 10_000.0
        assert await setting.wait(1, 0.0) is Standing.UNDECIDED
        await setting.settled()
        assert setting.status(1) is BlockStatus.AVAILABLE
        setting.payload(1)  # the consensus client asks again
        await setting.settled()
        assert setting.status(1) is BlockStatus.AVAILABLE

    run(scenario, tmp_path, executors, court=court)


def test_a_judgement_that_outlasts_the_deadline_opens_nothing(tmp_path: Path) -> None:
    slow, court = Gated("ethereumjs", "ethereumjs", honest), Court()
    executors = [*live(lying, honest), slow]

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        await slow.asked.wait()
        await setting.recorder.wait(DisputeChanged)
        court.wall.now = setting.dispute(1).deadline
        setting.disputes.expire()
        await concluded(setting, Conclusion.UNRESOLVED)
        slow.opened.set()
        assert (await setting.final(1)).decision.verdict is Verdict.ATTEST  # recorded, and of no effect
        assert setting.status(1) is BlockStatus.AVAILABLE

    run(scenario, tmp_path, executors, court=court, deadline=0.0)


def test_asked_again_the_silent_can_conclude_it(tmp_path: Path) -> None:
    turn, answer = changing(silent, honest)
    court = Court()

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        await setting.final(1)
        await setting.settled()
        assert setting.dispute(1).open
        turn.append(1)
        setting.clock.now += 13.0
        assert await setting.wait(1) is Standing.VERIFIED
        await setting.settled()
        assert setting.dispute(1).conclusion is Conclusion.VALID
        assert setting.disputes.quarantined == {"revm"}

    run(scenario, tmp_path, live(lying, answer, answer), court=court)  # type: ignore[arg-type]


def test_abstentions_are_no_dispute(tmp_path: Path) -> None:
    court = Court()

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        await setting.final(1)
        await setting.settled()
        assert not court.ledger.kept
        assert {each.adapter for each in court.ledger.said} == {"node"}  # its acceptance is a statement

    run(scenario, tmp_path, live(silent, silent, silent), court=court)


def test_two_words_of_one_adapter_are_misbehaviour_with_both_as_proof(tmp_path: Path) -> None:
    turn, answer = changing(lying, honest)
    court = Court(disputed=False)

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        assert (await setting.final(1)).decision.verdict is Verdict.HOLD
        turn.append(1)
        await setting.idle()
        setting.clock.now += 13.0
        await setting.wait(1, 0.0)
        await setting.settled()
        (event,) = setting.recorder.of(AdapterMisbehaved)
        first, second = event.misbehaviour.first, event.misbehaviour.second
        assert (first.adapter, first.kind, second.kind) == ("revm", VoteKind.INVALID, VoteKind.VALID)
        assert named(court.ledger.quarantines()) == {"revm"}
        assert {each.kind for each in court.ledger.said if each.adapter == "revm"} == {
            VoteKind.VALID,
            VoteKind.INVALID,
        }
        # Its own word is worth nothing in the decision that it is part of.
        decision = setting.ledger.votes[setting.blocks.hash(1)][-1][0]
        assert "revm" not in decision.valid | decision.invalid
        assert {"adapter_misbehaved", "adapter_quarantined"} <= set(setting.recorder.alarms())

    run(scenario, tmp_path, live(answer, silent, silent), court=court)  # type: ignore[arg-type]


def test_the_execution_client_cannot_vote_twice(tmp_path: Path) -> None:
    court = Court()

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        assert await setting.wait(1) is Standing.VERIFIED
        await setting.idle()
        setting.payload(1, valid=False)
        assert setting.status(1) is BlockStatus.DISPUTED
        assert [each.misbehaviour.first.adapter for each in setting.recorder.of(AdapterMisbehaved)] == ["node"]
        await concluded(setting, Conclusion.VALID)
        await setting.settled()
        assert setting.status(1) is BlockStatus.VERIFIED
        setting.payload(1, valid=False)  # consensus clients ask again and again
        assert setting.status(1) is BlockStatus.VERIFIED
        await setting.settled()
        assert setting.status(1) is BlockStatus.VERIFIED
        assert [what for what, _ in court.analyst.asked].count(
            "localize"
        ) == 1  # the others were asked once more for it
        assert setting.dispute(1).evidence

    run(scenario, tmp_path, live(honest, honest, honest), court=court)


def test_another_execution_client_after_a_restart_may_say_something_else(tmp_path: Path) -> None:
    court, ledger = Court(), FakeLedger()

    async def before(setting: Setting) -> None:
        setting.payload(1)
        await setting.final(1)

    async def after(setting: Setting) -> None:
        setting.payload(1, valid=False)
        await setting.settled()
        assert not setting.recorder.of(AdapterMisbehaved)

    run(before, tmp_path, live(silent, silent), court=court, ledger=ledger)
    court.wall.now += 60.0
    run(after, tmp_path, live(silent, silent), court=court, ledger=ledger)


def test_too_many_in_quarantine_is_hold_and_an_alarm_never_a_smaller_quorum(tmp_path: Path) -> None:
    court = Court(disputed=False)
    executors = live(honest, honest, honest)

    async def scenario(setting: Setting) -> None:
        setting.disputes.statements.quarantine("revm", "two words")
        assert "quorum_unreachable" not in setting.recorder.alarms()
        setting.disputes.statements.quarantine("ethrex", "two words")
        alarm = next(each for each in setting.recorder.of(Alarm) if each.name == "quorum_unreachable")
        assert alarm.text.startswith("2 of the 3 lineages that have to agree are not in quarantine (ethereumjs, geth)")
        setting.payload(1)
        decision = (await setting.final(1)).decision
        assert (decision.verdict, decision.valid) == (Verdict.HOLD, frozenset({"geth", "ethereumjs"}))

    async def again(setting: Setting) -> None:
        assert {"quorum_unreachable"} <= set(setting.recorder.alarms())
        assert {each.adapter for each in setting.recorder.of(AdapterQuarantined)} == {"revm", "ethrex"}
        setting.payload(1)
        assert (await setting.final(1)).decision.verdict is Verdict.HOLD

    run(scenario, tmp_path, executors, court=court)
    run(again, tmp_path, executors, court=court)


def test_what_the_execution_client_alone_calls_invalid_is_disputed_and_stays_invalid(tmp_path: Path) -> None:
    court = Court()
    executors = [*live(honest, honest), embedded(honest)]

    async def scenario(setting: Setting) -> None:
        setting.source.accepted = False
        setting.payload(1, valid=False)
        await concluded(setting, Conclusion.VALID)
        await setting.settled()
        assert (setting.status(1), setting.standing(1)) == (BlockStatus.INVALID, Standing.INVALID)
        assert setting.disputes.quarantined == {"node"}
        assert ("localize", setting.blocks.hash(1)) in court.analyst.asked

    run(scenario, tmp_path, executors, own="embedded", court=court)


@pytest.mark.parametrize("killed_after", ["opening", "conclusion"])
def test_an_open_dispute_is_taken_up_again_with_its_statements(tmp_path: Path, killed_after: str) -> None:
    """After the conclusion: it was stored, and nothing that follows from it was done."""
    turn, answer = changing(silent, lying)
    court, ledger = Court(), FakeLedger()
    executors = live(lying, lying, answer)  # type: ignore[arg-type]

    async def before(setting: Setting) -> None:
        setting.payload(1)
        await setting.final(1)
        await setting.settled()
        assert setting.dispute(1).open
        assert {each.adapter for each in setting.dispute(1).statements} == {"node", "revm", "ethrex"}

    async def after(setting: Setting) -> None:
        await setting.until(1, BlockStatus.INVALID)
        await setting.settled()
        assert setting.dispute(1).conclusion is Conclusion.INVALID

    run(before, tmp_path, executors, court=court, ledger=ledger)
    if killed_after == "conclusion":
        (dispute,) = court.ledger.kept.values()
        court.ledger.put_dispute(replace(dispute, conclusion=Conclusion.INVALID, concluded_at=1.0, reason="so"))
    else:
        turn.append(1)  # it is asked again without anybody's demanding the block
    run(after, tmp_path, executors, court=court, ledger=ledger)


@pytest.mark.parametrize(
    ("wrong", "conclusion"), [(("revm",), Conclusion.VALID), (("revm", "ethrex", "ethereumjs"), Conclusion.INVALID)]
)
def test_in_prestate_mode_a_kill_before_the_words_are_stored_changes_no_end(
    tmp_path: Path, wrong: tuple[str, ...], conclusion: Conclusion
) -> None:
    """What is read as VALID or INVALID is only certain when all have answered: until then no word is stored."""
    slow, court, ledger = Gated("eels", "eels", on_values(honest)), Court(), FakeLedger()
    executors = live(
        *(on_values(lying_of_gas if name in wrong else honest) for name in ("revm", "ethrex", "ethereumjs"))
    )
    copies: list[tuple[FakeDisputeLedger, FakeLedger]] = []

    async def before(setting: Setting) -> None:
        setting.payload(1)
        await slow.asked.wait()
        await setting.recorder.wait(DisputeChanged)
        assert {each.adapter for each in court.ledger.said} == {"node"}
        assert setting.dispute(1).open
        copies.append((deepcopy(court.ledger), deepcopy(ledger)))  # what a process that is killed now leaves
        slow.opened.set()

    async def after(setting: Setting) -> None:
        """Nobody asks for the block: it is judged again by itself."""
        await concluded(setting, conclusion)
        await setting.settled()
        assert setting.disputes.quarantined == (set(wrong) if conclusion is Conclusion.VALID else set())
        status = BlockStatus.VERIFIED if conclusion is Conclusion.VALID else BlockStatus.INVALID
        assert setting.status(1) is status

    run(before, tmp_path, executors, late=[slow], court=court, ledger=ledger, execution=Mode.PRESTATE)
    court.ledger, ledger = copies[0]
    run(after, tmp_path, executors, late=[slow], court=court, ledger=ledger, execution=Mode.PRESTATE)


def test_a_valid_conclusion_that_was_not_acted_on_is_acted_on_at_the_start(tmp_path: Path) -> None:
    late, court, ledger = FakeExecutor("eels", "eels", lying), Court(disputed=False), FakeLedger()
    executors = live(honest, honest)

    async def before(setting: Setting) -> None:
        setting.payload(1)
        await setting.until(1, BlockStatus.DISPUTED)
        await setting.idle()

    async def after(setting: Setting) -> None:
        """Disputes are on now: one is opened over what is DISPUTED, from what was said."""
        await setting.until(1, BlockStatus.VERIFIED)
        await setting.settled()
        assert setting.disputes.quarantined == {"eels"}

    run(before, tmp_path, executors, late=[late], court=court, ledger=ledger)
    court.disputed = True
    run(after, tmp_path, executors, late=[late], court=court, ledger=ledger)


def test_a_failing_ledger_acts_on_nothing_and_recovers(tmp_path: Path) -> None:
    late, court = Gated("eels", "eels", lying), Court()

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        assert await setting.wait(1) is Standing.VERIFIED
        await late.asked.wait()
        court.ledger.fail_with = FULL
        late.opened.set()
        await setting.until(1, BlockStatus.DISPUTED)
        await setting.idle()
        await setting.recorder.wait(Alarm, lambda event: event.name == "statements_not_stored")
        await setting.recorder.wait(Alarm, lambda event: event.name == "disputes_not_stored")
        assert setting.status(1) is BlockStatus.DISPUTED
        court.ledger.fail_with = None
        await setting.until(1, BlockStatus.VERIFIED)
        await setting.settled()
        assert named(court.ledger.quarantines()) == {"eels"}
        assert {each.adapter for each in court.ledger.said} == {"node", "revm", "ethrex", "eels"}

    run(scenario, tmp_path, live(honest, honest), late=[late], court=court)


def test_what_was_said_before_cannot_be_read_and_nothing_is_let_out(tmp_path: Path) -> None:
    court = Court()

    async def scenario(setting: Setting) -> None:
        court.ledger.fail_with = FULL
        setting.payload(1)
        await setting.idle()
        assert setting.standing(1) is Standing.UNDECIDED
        court.ledger.fail_with = None
        setting.clock.now += 13.0
        assert await setting.wait(1) is Standing.VERIFIED

    run(scenario, tmp_path, live(honest, honest), court=court)


def test_what_fails_in_a_dispute_is_an_alarm_and_nothing_else(tmp_path: Path) -> None:
    court = Court()

    async def scenario(setting: Setting) -> None:
        court.retreats[0].fail_with = RuntimeError("a fault\nof our own")
        setting.payload(1)
        alarm = await setting.recorder.wait(Alarm, lambda event: event.name == "dispute_work_failed")
        assert alarm.text.endswith("RuntimeError: a fault of our own")
        assert setting.status(1) is BlockStatus.DISPUTED

    run(scenario, tmp_path, live(lying, lying), court=court)


def test_a_block_is_invalid_before_its_witness_is_secured_and_nothing_goes_back_before_that(tmp_path: Path) -> None:
    """Copying a witness can take as long as a disk does: the gates must not wait for it."""
    court = Court()
    court.analyst.secured.clear()

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        await setting.until(1, BlockStatus.INVALID)
        assert setting.dispute(1).conclusion is Conclusion.INVALID  # stored before, so that a kill now is made good
        assert ("secure", setting.blocks.hash(1)) not in court.analyst.asked
        await setting.idle()
        assert not court.retreats[0].gone  # it waits for the witness
        court.analyst.secured.set()
        await setting.settled()
        assert court.retreats[0].gone == [setting.blocks.hash(1)]
        assert ("secure", setting.blocks.hash(1)) in court.analyst.asked

    run(scenario, tmp_path, live(lying, lying, lying), court=court)


def test_a_rollback_that_could_not_be_ended_is_tried_again_while_the_sidecar_runs(tmp_path: Path) -> None:
    court = Court(unfinished=3, resume_interval=0.001)

    async def scenario(setting: Setting) -> None:
        (retreat,) = court.retreats
        setting.payload(1)
        await setting.until(1, BlockStatus.INVALID)
        async with asyncio.timeout(HOLD_SECONDS):
            while retreat.unfinished:  # noqa: ASYNC110 - a fake tells nobody
                await asyncio.sleep(0.001)
        assert retreat.resumed >= 3
        assert len(retreat.runs) == 1

    run(scenario, tmp_path, live(lying, lying, lying), court=court)


def test_a_late_word_after_the_conclusion_is_kept_and_held_against_it(tmp_path: Path) -> None:
    slow, court = Gated("eels", "eels", lying), Court()
    executors = live(honest, lying, honest)

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        await concluded(setting, Conclusion.VALID)
        await slow.asked.wait()
        assert setting.disputes.quarantined == {"ethrex"}
        slow.opened.set()
        await setting.final(1)
        await setting.settled()
        assert {each.adapter for each in setting.dispute(1).statements} >= {"eels"}
        assert setting.disputes.quarantined == {"ethrex", "eels"}
        assert setting.status(1) is BlockStatus.VERIFIED

    run(scenario, tmp_path, executors, late=[slow], court=court)


def test_descendants_of_an_invalid_block_end_with_it(tmp_path: Path) -> None:
    turn, answer = changing(silent, lying)
    court = Court()

    async def scenario(setting: Setting) -> None:
        for number in (1, 2):
            setting.payload(number)
            await setting.final(number)
        await setting.settled()
        assert setting.dispute(2).open
        turn.append(1)
        setting.clock.now += 13.0
        setting.judge.rehear(setting.blocks.hash(1))
        await setting.until(1, BlockStatus.INVALID)
        await setting.settled()
        dispute = setting.dispute(2)
        assert dispute.conclusion is Conclusion.INVALID
        assert dispute.reason.startswith("ancestor 1 (0x")

    run(scenario, tmp_path, live(lying, lying, answer), court=court)  # type: ignore[arg-type]


def test_old_statements_go_and_those_on_live_blocks_stay(tmp_path: Path) -> None:
    court, ledger = Court(kept=100.0), FakeLedger()
    court.wall.now = 1_700_000_000.0

    async def before(setting: Setting) -> None:
        for number in (1, 2):
            setting.payload(number)
            await setting.final(number)
        await setting.settled()

    async def after(setting: Setting) -> None:
        assert {each.block.number for each in court.ledger.said} == {1, 2}
        setting.judge.finalized(setting.blocks.hash(2))

    executors = live(honest, honest)
    run(before, tmp_path, executors, court=court, ledger=ledger)
    court.wall.now += 1000.0
    court.ledger.said = [replace(each, at=each.at - 59.0 * (each.block.number == 1)) for each in court.ledger.said]
    run(after, tmp_path, executors, court=court, ledger=ledger)  # the genesis block is live, a minute's slack before it
    run(nothing, tmp_path, executors, court=court, ledger=ledger, anchored=False)  # block 2 is the oldest
    assert {each.block.number for each in court.ledger.said} == {2}


async def nothing(_: Setting) -> None:
    """A start and an end."""
