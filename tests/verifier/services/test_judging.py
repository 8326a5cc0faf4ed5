"""From payload to verdict: who is asked, when, on which root, and what becomes of every kind of answer."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.services.builders import CONFIG
from tests.verifier.services.judging_setting import (
    Court,
    Gated,
    Setting,
    honest,
    live,
    lying,
    policy_of,
    run,
    silent,
)
from verifier.domain.event import (
    StatusChanged,
    VerdictReached,
    VoteCast,
    WitnessFailed,
    WitnessPublished,
)
from verifier.domain.quorum import Verdict
from verifier.domain.result import BrokenRule, Outcome
from verifier.domain.standing import Standing
from verifier.domain.status import BlockStatus, ExecutorStatus
from verifier.domain.vote import VoteKind
from verifier.executors.stateless.base import ExecutionRequest, FakeExecutor
from verifier.ledger.base import FakeLedger
from verifier.services import judging
from verifier.services.catch_up import tracked_from


@pytest.mark.parametrize("given", [True, False])
def test_an_honest_block_is_attested(tmp_path: Path, given: bool) -> None:
    async def scenario(setting: Setting) -> None:
        setting.payload(1, given=given)
        assert await setting.wait(1) is Standing.VERIFIED
        verdict = await setting.final(1)
        assert (verdict.decision.verdict, verdict.decision.valid) == (
            Verdict.ATTEST,
            frozenset({"geth", "revm", "ethrex"}),
        )
        assert [vote.adapter for vote in verdict.votes] == ["node", "revm", "ethrex"]
        assert setting.status(1) is BlockStatus.VERIFIED
        statuses = [event.block.status for event in setting.recorder.of(StatusChanged)][-4:]
        assert statuses == [BlockStatus.RECEIVED, BlockStatus.EXECUTED, BlockStatus.AVAILABLE, BlockStatus.VERIFIED]
        assert [event.source for event in setting.recorder.of(WitnessPublished)] == ["engine" if given else "fake"]
        assert {event.vote.kind for event in setting.recorder.of(VoteCast)} == {VoteKind.VALID}
        recorded = setting.ledger.votes[setting.blocks.hash(1)]
        assert recorded[-1][:2] == (verdict.decision, verdict.votes)
        assert setting.ledger.stored[setting.blocks.hash(1)].status is BlockStatus.VERIFIED
        assert setting.chain.blocks[setting.blocks.hash(1)].why.startswith("2 of 3 lineages VALID, 2 needed")

    run(scenario, tmp_path, live(honest, honest))


def test_adapters_start_from_the_parents_root_as_this_verifier_knows_it(tmp_path: Path) -> None:
    executors = live(honest, honest)

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        await setting.final(1)
        for each in executors:
            assert isinstance(each, FakeExecutor)
            (request,) = each.requests
            assert request.pre_state_root == setting.blocks.headers[0].state_root
            assert request.chain_config == CONFIG
            assert not request.parent_header_optional

    run(scenario, tmp_path, executors)


def test_a_root_that_the_witness_makes_up_is_not_used(tmp_path: Path) -> None:
    executors = live(honest, honest)

    async def scenario(setting: Setting) -> None:
        # The ledger's root is another than the header in the witness has: one of them is wrong, nobody can tell.
        anchor = tracked_from(1337, setting.blocks.headers[0])
        setting.chain.trust(replace(anchor, state_root=b"\x99" * 32), "configured")
        setting.payload(1, given=True)
        verdict = await setting.final(1)
        assert verdict.decision.verdict is Verdict.HOLD
        assert {vote.kind for vote in verdict.votes if vote.adapter != "node"} == {VoteKind.ABSTAIN}
        assert "is not the trusted" in (verdict.votes[1].reason or "")

    run(scenario, tmp_path, executors, anchored=False)


def test_the_executors_acceptance_is_one_vote_and_no_quorum(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        verdict = await setting.final(1)
        assert (verdict.decision.verdict, verdict.decision.valid) == (Verdict.HOLD, frozenset({"geth"}))
        assert setting.standing(1) is Standing.UNDECIDED

    run(scenario, tmp_path, live(silent, silent))


def test_a_client_of_another_lineage_than_is_configured_has_no_vote(tmp_path: Path) -> None:
    """Else a lineage that an adapter has, too, counts as two."""

    async def scenario(setting: Setting) -> None:
        setting.judge.identified("revm")
        setting.judge.identified("revm")
        setting.payload(1)
        verdict = await setting.final(1)
        assert (verdict.decision.verdict, verdict.decision.valid) == (Verdict.HOLD, frozenset({"revm"}))
        assert setting.recorder.alarms().count("execution_client_lineage") == 1
        for lineage in ("geth", None):  # the configured one, and one that does not say
            setting.judge.identified(lineage)
            setting.payload(2 if lineage else 3)
            assert (await setting.final(2 if lineage else 3)).decision.verdict is Verdict.ATTEST

    run(scenario, tmp_path, live(honest, silent))


def test_an_adapter_of_the_executors_lineage_adds_no_vote(tmp_path: Path) -> None:
    executors = [FakeExecutor("geth", "geth", honest), FakeExecutor("revm", "revm", silent)]

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        verdict = await setting.final(1)
        assert (verdict.decision.verdict, verdict.decision.valid) == (Verdict.HOLD, frozenset({"geth"}))

    run(scenario, tmp_path, executors, policy=policy_of(executors, required=2))


def test_lying_adapters_open_a_dispute(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        setting.payload(2)
        waiting = asyncio.create_task(setting.wait(2))
        disputed = await setting.until(1, BlockStatus.DISPUTED)
        assert "INVALID by ethrex, revm" in disputed.why
        report = setting.chain.standing(setting.blocks.hash(2))
        assert (report.standing, report.disputed) == (Standing.UNDECIDED, True)
        assert await waiting is Standing.UNDECIDED
        assert "block_disputed" in setting.recorder.alarms()
        assert (await setting.final(1)).decision.verdict is Verdict.REJECT

    run(scenario, tmp_path, live(lying, lying))


def test_one_liar_among_enough_is_a_disagreement(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        verdict = await setting.final(1)
        assert (verdict.decision.verdict, verdict.decision.disagreement) == (Verdict.ATTEST, True)

    run(scenario, tmp_path, live(honest, lying, honest))


def test_a_broken_rule_is_invalid(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        await setting.until(1, BlockStatus.DISPUTED)

    run(scenario, tmp_path, live(*[lambda _: BrokenRule("base_fee", "8, not 7")] * 2))


def test_a_late_invalid_disputes_the_block_and_closes_its_descendants(tmp_path: Path) -> None:
    late = Gated("eels", "eels", lying)

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        setting.payload(2)
        assert await setting.wait(2) is Standing.VERIFIED
        await late.asked.wait()
        assert setting.standing(1) is Standing.VERIFIED
        late.opened.set()
        disputed = await setting.until(1, BlockStatus.DISPUTED)
        assert disputed.why.startswith("eels says INVALID, late")
        assert setting.chain.standing(setting.blocks.hash(2)).disputed
        assert setting.standing(2) is Standing.UNDECIDED
        verdict = await setting.final(1)
        assert verdict.decision.disagreement
        assert [event.late for event in setting.recorder.of(VoteCast) if event.vote.adapter == "eels"] == [True] * len(
            late.requests
        )

    run(scenario, tmp_path, live(honest, honest), late=[late])


def test_late_adapters_are_not_asked_before_the_verdict(tmp_path: Path) -> None:
    first = Gated("revm", "revm", honest)
    late = Gated("eels", "eels", honest)
    late.opened.set()

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        await first.asked.wait()
        assert not late.asked.is_set()
        first.opened.set()
        await setting.final(1)
        assert late.asked.is_set()

    run(scenario, tmp_path, [first], late=[late])


def test_late_votes_make_no_quorum(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        verdict = await setting.final(1)
        assert verdict.decision.verdict is Verdict.HOLD
        assert {vote.adapter for vote in verdict.votes if vote.kind is VoteKind.VALID} == {"node", "eels", "pyevm"}

    late = [FakeExecutor(name, name, honest) for name in ("eels", "pyevm")]
    run(scenario, tmp_path, live(silent, silent), late=late)


def test_a_slow_live_adapter_still_attests_after_the_deadline(tmp_path: Path) -> None:
    slow = Gated("revm", "revm", honest)

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        overdue = await setting.recorder.wait(VerdictReached)
        assert (overdue.decision.verdict, overdue.expired, overdue.final) == (Verdict.HOLD, True, False)
        assert setting.standing(1) is Standing.UNDECIDED
        waiting = asyncio.create_task(setting.wait(1))
        slow.opened.set()
        assert await waiting is Standing.VERIFIED
        assert setting.verdicts(1)[:2] == [Verdict.HOLD, Verdict.ATTEST]
        assert [event.late for event in setting.recorder.of(VoteCast)] == [False, True]

    run(scenario, tmp_path, [slow], deadline=0.0)


def test_a_slow_live_adapter_can_turn_the_verdict(tmp_path: Path) -> None:
    slow = [Gated(name, name, lying) for name in ("ethrex", "ethereumjs")]
    executors = [FakeExecutor("revm", "revm", honest), *slow]

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        assert await setting.wait(1) is Standing.VERIFIED
        for each in slow:
            each.opened.set()
        await setting.until(1, BlockStatus.DISPUTED)
        assert setting.verdicts(1)[:2] == [Verdict.ATTEST, Verdict.REJECT]

    run(scenario, tmp_path, executors, policy=policy_of(executors, required=2, rejecting=2))


def test_a_quorum_that_a_second_adapter_of_a_lineage_takes_back_stands_no_more(tmp_path: Path) -> None:
    slow = Gated("geth", "geth", lying)  # of the execution client's own lineage
    executors = [FakeExecutor("revm", "revm", honest), slow, FakeExecutor("ethrex", "ethrex", silent)]

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        setting.payload(2)
        assert await setting.wait(2) is Standing.VERIFIED
        slow.opened.set()
        disputed = await setting.until(1, BlockStatus.DISPUTED)
        assert "INVALID by geth" in disputed.why
        assert setting.verdicts(1)[:2] == [Verdict.ATTEST, Verdict.HOLD]
        assert setting.standing(2) is Standing.UNDECIDED

    run(scenario, tmp_path, executors, policy=policy_of(executors, required=2, rejecting=2))


def test_the_executors_invalid_is_final_and_covers_what_comes_after(tmp_path: Path) -> None:
    executors = live(honest, honest)

    async def scenario(setting: Setting) -> None:
        setting.payload(1, valid=False)
        setting.payload(2)
        assert (setting.status(1), setting.status(2)) == (BlockStatus.INVALID, BlockStatus.INVALID)
        assert setting.chain.blocks[setting.blocks.hash(2)].why.startswith("ancestor 1 (0x")
        setting.payload(1)
        assert setting.status(1) is BlockStatus.INVALID
        assert setting.chain.latest_valid_ancestor(setting.blocks.hash(2)) == setting.blocks.hash(0)
        assert setting.judge.under_way == setting.judge.waiting == 0

    run(scenario, tmp_path, executors)
    assert not any(each.requests for each in executors if isinstance(each, FakeExecutor))


def test_the_executor_alone_against_all_others(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        assert await setting.wait(1) is Standing.VERIFIED
        setting.payload(1, valid=False)
        assert setting.status(1) is BlockStatus.DISPUTED
        assert setting.chain.blocks[setting.blocks.hash(1)].executor is ExecutorStatus.INVALID
        assert "block_disputed" in setting.recorder.alarms()

    run(scenario, tmp_path, live(honest, honest))


def test_a_payload_that_comes_again_is_not_judged_again(tmp_path: Path) -> None:
    executors = live(honest, honest)

    async def scenario(setting: Setting) -> None:
        for _ in range(3):
            setting.payload(1)
        await setting.idle()
        setting.payload(1)
        assert setting.judge.under_way == setting.judge.waiting == 0

    run(scenario, tmp_path, executors)
    assert [len(each.requests) for each in executors if isinstance(each, FakeExecutor)] == [1, 1]


def test_without_a_witness_nobody_is_asked_and_nothing_is_let_out(tmp_path: Path) -> None:
    executors = live(honest, honest)

    async def scenario(setting: Setting) -> None:
        setting.source.absent.add(setting.blocks.hash(1))
        setting.payload(1)
        failed = await setting.recorder.wait(WitnessFailed)
        assert failed.reason == "no witness of block 1"
        assert setting.standing(1) is Standing.UNDECIDED
        assert "no witness of block 1" in setting.chain.standing(setting.blocks.hash(1)).why
        # It is there now; but nobody tries again at once, however often it is asked for.
        setting.source.absent.clear()
        setting.clock.now += judging.DEMAND_INTERVAL
        assert await setting.wait(1, 0.0) is Standing.UNDECIDED
        assert len(setting.source.asked) == 1
        setting.clock.now += 12.0
        assert await setting.wait(1) is Standing.VERIFIED

    run(scenario, tmp_path, executors)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"chain_id": 1}, "of chain 1"),
        ({"number": 9}, "the witness is of block 9"),
        ({"hash": b"\x77" * 32}, "the witness is of block 1 (0x77777777…)"),
        ({"block": b"\xc1\xc0"}, "header has 0 fields"),
        ({"block": b"nonsense"}, "the witness of block 1"),
    ],
)
def test_a_witness_of_something_else(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    async def scenario(setting: Setting) -> None:
        header = setting.blocks.headers[1]
        setting.judge.executed(header, replace(setting.blocks.content(1), **change), valid=True)
        failed = await setting.recorder.wait(WitnessFailed)
        assert said in failed.reason or "not the hash" in failed.reason
        assert setting.standing(1) is Standing.UNDECIDED

    run(scenario, tmp_path, live(honest, honest))


def test_held_blocks_are_judged_again_with_a_fresh_witness(tmp_path: Path) -> None:
    working: list[bool] = []

    def sometimes(request: ExecutionRequest) -> Outcome:
        return honest(request) if working else silent(request)

    async def scenario(setting: Setting) -> None:
        for number in (1, 2, 3):
            setting.payload(number, given=True)
            await setting.final(number)
        await setting.idle()
        assert setting.source.asked == []
        working.append(True)
        assert await setting.wait(3, 0.0) is Standing.UNDECIDED
        setting.clock.now += 12.0
        assert await setting.wait(3) is Standing.VERIFIED
        assert setting.source.asked == [setting.blocks.hash(number) for number in (1, 2, 3)]

    run(scenario, tmp_path, live(sometimes, sometimes))


def test_a_block_that_some_say_is_invalid_is_judged_again_and_no_invalid_is_lost(tmp_path: Path) -> None:
    """As many tries as there are: the one that says INVALID is asked again, and what it said once stands."""
    working: list[bool] = []

    def later(request: ExecutionRequest) -> Outcome:
        return honest(request) if working else silent(request)

    def once(request: ExecutionRequest) -> Outcome:
        return silent(request) if working else lying(request)

    executors = live(once, later, silent)

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        assert (await setting.final(1)).decision.verdict is Verdict.HOLD
        await setting.idle()
        working.append(True)
        for _ in range(3):
            setting.clock.now += 10_000.0
            await setting.wait(1, 0.0)
            await setting.idle()
            decision, votes, _ = setting.ledger.votes[setting.blocks.hash(1)][-1]
            assert (decision.verdict, decision.invalid) == (Verdict.HOLD, frozenset({"revm"}))
            (stands,) = (vote for vote in votes if vote.adapter == "revm")
            assert stands.reason == "said before: differs: state_root"

    run(scenario, tmp_path, executors)
    assert [len(each.requests) for each in executors if isinstance(each, FakeExecutor)] == [4, 4, 4]


def test_what_was_said_stands_over_a_restart(tmp_path: Path) -> None:
    court, ledger = Court(disputed=False), FakeLedger()

    async def before(setting: Setting) -> None:
        setting.payload(1)
        assert (await setting.final(1)).decision.invalid == frozenset({"revm"})

    async def after(setting: Setting) -> None:
        setting.payload(1)
        verdict = await setting.final(1)
        assert (verdict.decision.verdict, verdict.decision.invalid) == (Verdict.HOLD, frozenset({"revm"}))

    run(before, tmp_path, live(lying, honest, silent), court=court, ledger=ledger)
    run(after, tmp_path, live(silent, honest, silent), court=court, ledger=ledger)
