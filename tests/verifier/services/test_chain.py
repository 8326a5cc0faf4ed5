"""The chain: nothing is seen verified that is not stored, nobody waits longer than needed, invalid covers all above."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verifier.domain.block_trees import Tree, histories, name, tracked
from tests.verifier.services.observing import Recorder
from verifier.domain.event import Alarm, StatusChanged
from verifier.domain.gate import GateMode
from verifier.domain.quorum import Verdict, decide, quorum_policy
from verifier.domain.standing import Standing, standing
from verifier.domain.status import (
    Anchored,
    BlockEvent,
    BlockStatus,
    Concluded,
    ExecutorAnswered,
    ExecutorStatus,
    Judged,
    TrackedBlock,
    advance,
)
from verifier.domain.vote import Vote, VoteKind
from verifier.ledger.base import FakeLedger
from verifier.ledger.errors import LedgerFullError
from verifier.ledger.sqlite import SqliteLedger
from verifier.services.chain import INVALID_KEPT, Chain

ATTEST = Judged(Verdict.ATTEST, "2 of 3")
REJECT = Judged(Verdict.REJECT, "2 of 3")
INVALID = ExecutorAnswered(ExecutorStatus.INVALID, "bad root")
FULL = LedgerFullError("ledger.db: cannot be written: database or disk is full")
HOLD_SECONDS = 60.0  # longer than any test: whoever waits so long was not woken
SOON = 0.001


def line(length: int) -> list[TrackedBlock]:
    """An anchor, block 1, and `length` blocks on it, 2 and up."""
    root = advance(tracked(1, 0, 7), Anchored("configured"))
    return [root, *(tracked(index, index - 1, 6 + index) for index in range(2, length + 2))]


def chain_of(*blocks: TrackedBlock, mode: GateMode = GateMode.EVERY_BLOCK) -> tuple[Chain, FakeLedger, Recorder]:
    ledger, recorder = FakeLedger(), Recorder()
    chain = Chain(ledger, recorder, mode, clock=lambda: 7.0, retry_interval=SOON)
    chain.receive(*blocks)
    return chain, ledger, recorder


Steps = tuple[Tree, list[tuple[bytes, BlockEvent]]]


@settings(max_examples=150)
@given(histories(), st.data())
def test_nothing_is_seen_verified_that_is_not_stored(steps: Steps, data: st.DataObject) -> None:
    tree, events = steps
    chain, ledger, _ = chain_of(*tree.blocks.values())
    for block_hash, event in events:
        ledger.fail_with = FULL if data.draw(st.booleans()) else None
        after = chain.apply(block_hash, event)
        assert after is not None
        for each, seen in chain.blocks.items():
            latest = chain.tracked(each)
            assert latest is not None
            if seen.status is BlockStatus.VERIFIED:
                assert ledger.stored[each] == seen
            if latest.status in (BlockStatus.DISPUTED, BlockStatus.INVALID):
                assert seen == latest
            if chain.standing(each).standing is Standing.VERIFIED:
                assert standing(ledger.stored, each).standing is Standing.VERIFIED
    ledger.fail_with = None
    chain.close()
    assert ledger.stored == chain.blocks
    restarted = Chain(ledger, Recorder())
    for each, found in restarted.blocks.items():
        before = chain.blocks[each]
        undecided = before.status in (BlockStatus.RECEIVED, BlockStatus.EXECUTED, BlockStatus.AVAILABLE)
        assert found == (replace(before, executor=None) if undecided else before)
    assert restarted.blocks.keys() == chain.blocks.keys()
    for each in chain.blocks:
        assert restarted.standing(each) == chain.standing(each) == standing(chain.blocks, each)


def test_a_decision_is_recorded_before_its_status_is_seen() -> None:
    chain, ledger, _ = chain_of(*line(1))
    votes = (Vote("geth", "geth", VoteKind.VALID),)
    decision = decide(quorum_policy({"geth": "geth"}), votes)

    class Failing(FakeLedger):
        def record(self, *_: object) -> None:
            raise FULL

    chain._ledger = Failing(ledger.stored)
    chain.apply(name(2), ATTEST, decision, votes)
    assert chain.standing(name(2)).standing is Standing.UNDECIDED
    assert chain.failure
    chain._ledger = ledger
    chain.close()
    assert chain.standing(name(2)).standing is Standing.VERIFIED
    assert ledger.votes == {name(2): [(decision, votes, 7.0)]}


def test_who_waits_is_woken_by_the_ancestor_that_was_missing() -> None:
    async def scenario() -> None:
        chain, _, _ = chain_of(*line(3))
        waiting = [asyncio.create_task(chain.wait(name(4), HOLD_SECONDS)) for _ in range(50)]
        for index in (3, 4):
            chain.apply(name(index), ATTEST)
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        chain.apply(name(2), ATTEST)
        reports = await asyncio.gather(*waiting)
        assert {report.standing for report in reports} == {Standing.VERIFIED}
        assert chain._waiters == {}

    asyncio.run(scenario())


@pytest.mark.parametrize("event", [REJECT, INVALID, Concluded(False, "traces")])
def test_who_waits_is_woken_by_what_closes(event: BlockEvent) -> None:
    async def scenario() -> None:
        chain, _, _ = chain_of(*line(2))
        waiting = asyncio.create_task(chain.wait(name(3), HOLD_SECONDS))
        await asyncio.sleep(0)
        chain.apply(name(2), event)
        report = await waiting
        assert report.standing is Standing.INVALID or report.disputed

    asyncio.run(scenario())


def test_who_waits_for_an_unknown_block_is_woken_when_it_comes_and_is_verified() -> None:
    async def scenario() -> None:
        root, second = line(1)
        chain, _, _ = chain_of(root)
        waiting = asyncio.create_task(chain.wait(name(2), HOLD_SECONDS))
        await asyncio.sleep(0)
        chain.receive(second)
        chain.apply(name(2), ATTEST)
        assert (await waiting).standing is Standing.VERIFIED

    asyncio.run(scenario())


def test_nobody_waits_longer_than_asked() -> None:
    async def scenario() -> None:
        chain, _, _ = chain_of(*line(1))
        demanded: list[bytes] = []
        chain.demand = demanded.append
        assert (await chain.wait(name(2), SOON)).standing is Standing.UNDECIDED
        assert (await chain.wait(b"\x77" * 32, 0)).standing is Standing.UNKNOWN
        assert demanded == [name(2), b"\x77" * 32]
        assert chain._waiters == {}
        waiting = asyncio.create_task(chain.wait(name(2), HOLD_SECONDS))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert chain._waiters == {}

    asyncio.run(scenario())


def test_what_votes_cannot_change_is_not_waited_for() -> None:
    async def scenario() -> None:
        chain, _, _ = chain_of(*line(1))
        chain.apply(name(2), REJECT)
        assert (await chain.wait(name(2), HOLD_SECONDS)).disputed
        assert (await chain.wait(name(1), HOLD_SECONDS)).standing is Standing.VERIFIED

    asyncio.run(scenario())


def test_in_epoch_target_mode_a_target_is_waited_for_and_not_its_ancestors() -> None:
    async def scenario() -> None:
        chain, _, _ = chain_of(*line(2), mode=GateMode.EPOCH_TARGET)
        waiting = asyncio.create_task(chain.wait(name(3), HOLD_SECONDS))
        await asyncio.sleep(0)
        chain.apply(name(3), ATTEST)
        report = await waiting
        assert (report.standing, report.own) == (Standing.UNDECIDED, BlockStatus.VERIFIED)

    asyncio.run(scenario())


def test_invalid_covers_descendants_known_and_to_come() -> None:
    root, *blocks = line(4)
    chain, ledger, recorder = chain_of(root, *blocks[:3])
    for index in (2, 3, 4):
        chain.apply(name(index), ATTEST)
    chain.apply(name(3), Concluded(False, "traces"))
    chain.receive(blocks[3])
    assert [chain.blocks[name(index)].status for index in range(1, 6)] == [
        BlockStatus.VERIFIED,
        BlockStatus.VERIFIED,
        *[BlockStatus.INVALID] * 3,
    ]
    assert chain.blocks[name(4)].why == chain.blocks[name(5)].why == "ancestor 9 (0x00000000…) is invalid: traces"
    assert chain.latest_valid_ancestor(name(5)) == name(2)
    # All of it at once: a crash in between would leave a child that stands on what is invalid.
    assert ledger.stored == chain.blocks
    assert recorder.alarms() == ["block_invalid"]


def test_what_a_person_anchored_above_an_invalid_block_stays() -> None:
    chain, _, _ = chain_of(*line(4))
    chain.trust(tracked(4, 3, 10), "an operator")
    chain.apply(name(2), Concluded(False, "traces"))
    assert chain.standing(name(3)).standing is Standing.INVALID
    assert chain.standing(name(4)).standing is Standing.VERIFIED
    assert chain.standing(name(5)).standing is Standing.UNDECIDED


def test_no_person_makes_an_invalid_block_valid() -> None:
    chain, _, _ = chain_of(*line(1))
    chain.apply(name(2), INVALID)
    chain.trust(tracked(2, 1, 8), "an operator")
    assert chain.standing(name(2)).standing is Standing.INVALID


def test_a_failing_ledger_lets_nothing_out_and_holds_nothing_open() -> None:
    async def scenario() -> None:
        chain, ledger, recorder = chain_of(*line(3))
        chain.apply(name(2), ATTEST)
        ledger.fail_with = FULL
        chain.apply(name(3), ATTEST)
        waiting = asyncio.create_task(chain.wait(name(3), HOLD_SECONDS))
        await asyncio.sleep(0)
        assert chain.standing(name(3)).standing is Standing.UNDECIDED
        assert "cannot be stored" in chain.standing(name(3)).why
        assert "cannot be stored" in chain.standing(name(9)).why  # it may be one that could not be
        chain.apply(name(2), INVALID)
        assert chain.standing(name(2)).disputed
        assert (await waiting).disputed
        chain.apply(name(2), Concluded(True, "a dispute said so"))
        assert chain.standing(name(2)).disputed
        assert recorder.alarms() == ["ledger_failed", "block_disputed"]
        ledger.fail_with = None
        await recorder.wait(Alarm, lambda alarm: alarm.name == "ledger_recovered")  # it tries again by itself
        assert chain.standing(name(3)).standing is Standing.VERIFIED
        assert chain.failure == ""
        assert ledger.stored == chain.blocks
        chain.close()

    asyncio.run(scenario())


def test_blocks_that_come_while_the_ledger_fails_fall_too() -> None:
    chain, ledger, _ = chain_of(*line(1))
    ledger.fail_with = FULL
    chain.receive(tracked(3, 2, 9), tracked(4, 3, 10))
    assert chain.standing(name(3)).standing is Standing.UNKNOWN
    chain.apply(name(2), INVALID)
    ledger.fail_with = None
    chain.close()
    assert [ledger.stored[name(index)].status for index in (2, 3, 4)] == [BlockStatus.INVALID] * 3


def test_what_is_received_again_stays_as_it_is() -> None:
    chain, _, recorder = chain_of(*line(1))
    chain.apply(name(2), ATTEST)
    heard = len(recorder.events)
    chain.receive(tracked(2, 1, 8))
    assert chain.blocks[name(2)].status is BlockStatus.VERIFIED
    assert len(recorder.events) == heard
    assert chain.apply(b"\x77" * 32, ATTEST) is None


def test_every_change_is_told_with_what_was_before() -> None:
    chain, _, recorder = chain_of(*line(1))
    chain.apply(name(2), ATTEST)
    before, after = (each.block.status for each in recorder.of(StatusChanged) if each.block.block.hash == name(2))
    assert (before, after) == (BlockStatus.RECEIVED, BlockStatus.VERIFIED)
    assert recorder.of(StatusChanged)[-1].before == tracked(2, 1, 8)


def test_finality_prunes_what_is_below_and_beside() -> None:
    root, *blocks = line(4)
    beside = [tracked(20, 2, 9), tracked(21, 20, 10), tracked(22, 21, 11)]
    chain, ledger, recorder = chain_of(root, *blocks, *beside)
    for index in range(2, 6):
        chain.apply(name(index), ATTEST)
    chain.apply(name(22), Concluded(False, "traces"))
    chain.finalize(name(4))
    assert set(chain.blocks) == {name(4), name(5), name(22)}
    assert ledger.stored == chain.blocks
    assert chain.blocks[name(4)].anchor
    assert chain.standing(name(5)).standing is Standing.VERIFIED
    assert chain.standing(name(22)).standing is Standing.INVALID
    chain.finalize(name(4))
    chain.finalize(bytes(32))
    assert recorder.alarms() == ["block_invalid"]


def test_an_old_invalid_block_is_forgotten() -> None:
    chain, _, _ = chain_of(*line(1))
    chain.apply(name(2), INVALID)
    final = TrackedBlock(tracked(9, 8, 7 + INVALID_KEPT + 3).block, name(8), bytes(32), 0)
    chain.trust(final, "an operator")
    chain.finalize(name(9))
    assert set(chain.blocks) == {name(9)}


@pytest.mark.parametrize("event", [Judged(Verdict.HOLD, "1 of 3"), REJECT, INVALID])
def test_what_is_final_but_not_verified_is_an_alarm_and_stays(event: BlockEvent) -> None:
    chain, _, recorder = chain_of(*line(2))
    chain.apply(name(2), event)
    for _ in range(3):
        chain.finalize(name(3))
    assert recorder.alarms().count("finalized_unverified") == 1
    assert set(chain.blocks) == {name(1), name(2), name(3)}
    assert chain.standing(name(3)).standing is not Standing.VERIFIED


def test_in_epoch_target_mode_a_verified_target_becomes_the_anchor() -> None:
    chain, _, recorder = chain_of(*line(3), mode=GateMode.EPOCH_TARGET)
    chain.finalize(name(3))
    assert recorder.alarms() == ["finalized_unverified"]
    chain.apply(name(3), ATTEST)
    chain.finalize(name(3))
    assert set(chain.blocks) == {name(3), name(4)}
    assert chain.blocks[name(3)].anchor


def test_a_real_ledger_over_a_restart(tmp_path: Path) -> None:
    def open_chain() -> tuple[Chain, SqliteLedger]:
        ledger = SqliteLedger(tmp_path / "ledger.db", 1, bytes(32))
        return Chain(ledger, Recorder()), ledger

    chain, ledger = open_chain()
    chain.receive(*line(3))
    chain.apply(name(2), ATTEST)
    chain.apply(name(3), INVALID)
    before = dict(chain.blocks)
    ledger.close()  # without closing the chain: nothing may depend on an orderly end
    chain, ledger = open_chain()
    assert chain.blocks == before
    assert chain.standing(name(2)).standing is Standing.VERIFIED
    assert chain.standing(name(4)).standing is Standing.INVALID
    ledger.close()
