"""What a judge makes up for: ancestors that it never saw, restarts, faults, more payloads than it can judge."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from tests.verifier.services.judging_setting import (
    LENGTH,
    NAMES,
    Gated,
    Setting,
    honest,
    live,
    map_number,
    policy_of,
    run,
    silent,
)
from verifier.domain.event import (
    Alarm,
    WitnessFailed,
    WitnessPublished,
)
from verifier.domain.quorum import Verdict
from verifier.domain.result import Result
from verifier.domain.standing import Standing
from verifier.domain.status import BlockStatus, ExecutorStatus
from verifier.executors.stateful.errors import ExecutionClientError
from verifier.executors.stateless.base import ExecutionRequest, FakeExecutor
from verifier.ledger.base import FakeLedger
from verifier.ledger.errors import LedgerFullError
from verifier.services import judging
from witness.model import BlockWitness


def test_unknown_ancestors_are_fetched_and_judged_oldest_first(tmp_path: Path) -> None:
    executors = live(honest, honest)

    async def scenario(setting: Setting) -> None:
        setting.payload(6)
        assert await setting.wait(6) is Standing.VERIFIED
        assert [setting.status(number) for number in range(1, 7)] == [BlockStatus.VERIFIED] * 6

    run(scenario, tmp_path, executors, window=1)
    first = executors[0]
    assert isinstance(first, FakeExecutor)
    numbers = [map_number(request) for request in first.requests]
    assert sorted(numbers) == [1, 2, 3, 4, 5, 6]
    assert [each for each in numbers if each != 6] == [1, 2, 3, 4, 5]


def test_a_head_that_came_before_this_verifier_started(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        assert setting.standing(4) is Standing.UNKNOWN
        assert await setting.wait(4) is Standing.VERIFIED
        assert setting.chain.blocks[setting.blocks.hash(4)].executor is ExecutorStatus.VALID

    run(scenario, tmp_path, live(honest, honest))


def test_after_a_restart_in_the_middle_of_a_slot_it_goes_on(tmp_path: Path) -> None:
    hung = [Gated(name, name, honest) for name in NAMES[1:3]]
    kept = FakeLedger()

    async def before(setting: Setting) -> None:
        setting.payload(1, given=True)
        setting.payload(2, given=True)
        await asyncio.gather(*(each.asked.wait() for each in hung))
        # Else a thread still writes where the next start wants to.
        await setting.recorder.wait(WitnessPublished, lambda _: len(setting.recorder.of(WitnessPublished)) == 2)

    async def after(setting: Setting) -> None:
        assert setting.status(1) in (BlockStatus.EXECUTED, BlockStatus.AVAILABLE)
        assert setting.standing(2) is Standing.UNDECIDED
        assert await setting.wait(2) is Standing.VERIFIED

    run(before, tmp_path, hung, ledger=kept)
    run(after, tmp_path, live(honest, honest), ledger=kept)


def test_what_an_earlier_execution_client_accepted_is_no_vote_of_the_one_that_runs_now(tmp_path: Path) -> None:
    kept = FakeLedger()
    hung = [Gated(name, name, honest) for name in NAMES[1:3]]

    async def before(setting: Setting) -> None:
        setting.payload(1, given=True)
        await asyncio.gather(*(each.asked.wait() for each in hung))

    async def after(setting: Setting) -> None:  # started again before another client, which cannot execute the block
        setting.source.absent.add(setting.blocks.hash(1))
        waiting = asyncio.create_task(setting.wait(1))
        verdict = await setting.final(1)
        assert (verdict.decision.verdict, verdict.decision.valid) == (Verdict.HOLD, frozenset({"revm"}))
        assert [vote.adapter for vote in verdict.votes] == ["revm", "ethrex"]
        assert setting.standing(1) is Standing.UNDECIDED
        waiting.cancel()

    run(before, tmp_path, hung, ledger=kept)
    assert [each.executor for each in kept.stored.values() if not each.anchor] == [ExecutorStatus.VALID]
    run(after, tmp_path, live(honest, silent), ledger=kept)


def test_after_a_restart_the_execution_client_is_asked_for_its_word_again(tmp_path: Path) -> None:
    kept = FakeLedger()
    hung = [Gated(name, name, honest) for name in NAMES[1:3]]

    async def before(setting: Setting) -> None:
        setting.payload(1, given=True)
        await asyncio.gather(*(each.asked.wait() for each in hung))

    async def after(setting: Setting) -> None:
        assert await setting.wait(1) is Standing.VERIFIED
        assert setting.source.asked == [setting.blocks.hash(1)]
        assert setting.chain.blocks[setting.blocks.hash(1)].executor is ExecutorStatus.VALID

    run(before, tmp_path, hung, ledger=kept)
    run(after, tmp_path, live(honest, silent), ledger=kept)


def test_a_block_that_nobody_has_stays_unknown(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        assert (await setting.chain.wait(b"\x77" * 32, 0.0)).standing is Standing.UNKNOWN

        def fail() -> None:
            raise ExecutionClientError("it does not answer")

        setting.source.fail = fail
        setting.clock.now += judging.DEMAND_INTERVAL
        setting.payload(2)
        failed = await setting.recorder.wait(WitnessFailed)
        assert failed.reason == "it does not answer"

    run(scenario, tmp_path, live(honest, honest))


def test_a_full_ledger_lets_nothing_out_and_recovers_by_itself(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        setting.ledger.fail_with = LedgerFullError("ledger.db: cannot be written: database or disk is full")
        setting.payload(1)
        await setting.final(1)
        assert setting.standing(1) is Standing.UNKNOWN
        waiting = asyncio.create_task(setting.wait(1))
        await asyncio.sleep(0)
        setting.ledger.fail_with = None
        assert await waiting is Standing.VERIFIED
        assert setting.recorder.alarms()[:2] == ["ledger_failed", "ledger_recovered"]

    run(scenario, tmp_path, live(honest, honest))


def test_a_store_that_cannot_be_written_lets_nothing_out(tmp_path: Path) -> None:
    async def scenario(setting: Setting) -> None:
        publish = setting.store.publish

        def full(content: BlockWitness) -> Path:
            raise OSError(28, "No space left on device")

        setting.store.publish = full  # type: ignore[method-assign]
        setting.payload(1, given=True)
        failed = await setting.recorder.wait(WitnessFailed)
        assert "cannot be published: [Errno 28] No space left" in failed.reason
        assert "witness_store_failed" in setting.recorder.alarms()
        await setting.idle()
        setting.store.publish = publish  # type: ignore[method-assign]
        setting.clock.now += 12.0
        assert await setting.wait(1) is Standing.VERIFIED

    run(scenario, tmp_path, live(honest, honest))


def test_a_fault_of_our_own_is_an_alarm_and_no_verdict(tmp_path: Path) -> None:
    class Faulty(FakeExecutor):
        async def execute(self, request: ExecutionRequest) -> Result:
            raise RuntimeError("a fault")

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        alarm = await setting.recorder.wait(Alarm)
        assert (alarm.name, "a fault" in alarm.text) == ("judging_failed", True)
        assert setting.standing(1) is Standing.UNDECIDED

    run(scenario, tmp_path, [Faulty("revm", "revm", honest)])


def test_many_payloads_back_to_back_stay_bounded(tmp_path: Path) -> None:
    count, window = 300, 3
    most = 0

    @dataclass
    class Watching(FakeExecutor):
        at_once: int = 0

        async def execute(self, request: ExecutionRequest) -> Result:
            nonlocal most
            self.at_once += 1
            most = max(most, self.at_once)
            await asyncio.sleep(0)
            self.at_once -= 1
            return await super().execute(request)

    executors = [Watching(name, name, honest) for name in NAMES[1:3]]

    async def scenario(setting: Setting) -> None:
        for number in range(1, count + 1):
            setting.payload(number, given=True)
        assert setting.judge.waiting == count - window
        assert await setting.wait(count) is Standing.VERIFIED
        assert setting.judge.waiting == 0

    run(scenario, tmp_path, executors, length=count, window=window, under_way=8)
    assert most <= 8
    # Oldest first, apart from those that are under way together.
    asked = [map_number(request) for request in executors[0].requests]
    assert all(number <= index + 1 + window for index, number in enumerate(asked))


def test_hung_adapters_do_not_pile_up(tmp_path: Path) -> None:
    hung = Gated("ethrex", "ethrex", honest)
    executors = [FakeExecutor("revm", "revm", honest), hung]

    async def scenario(setting: Setting) -> None:
        for number in range(1, LENGTH + 1):
            setting.payload(number, given=True)
        assert await setting.wait(LENGTH) is Standing.VERIFIED
        assert setting.judge.under_way <= 4
        given_up = await setting.final(1)
        assert given_up.decision.verdict is Verdict.ATTEST

    run(scenario, tmp_path, executors, policy=policy_of(executors, required=2), window=2, under_way=4)
