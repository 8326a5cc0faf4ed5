"""From payload to verdict: who is asked, when, on which root, and what becomes of every kind of answer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.services.builders import CONFIG, block_witness, computed_for, header_rlp
from tests.verifier.services.observing import Recorder
from verifier.domain.epoch import EpochSchedule
from verifier.domain.event import (
    Alarm,
    StatusChanged,
    VerdictReached,
    VoteCast,
    WitnessFailed,
    WitnessPublished,
)
from verifier.domain.gate import GateMode
from verifier.domain.quorum import QuorumPolicy, Verdict, quorum_policy
from verifier.domain.result import Abstention, AbstentionReason, BrokenRule, Outcome, Result
from verifier.domain.standing import Standing
from verifier.domain.status import BlockStatus, ExecutorStatus, TrackedBlock
from verifier.domain.vote import VoteKind, cast_vote
from verifier.errors import UsageError
from verifier.executors.stateful.errors import ExecutionClientError
from verifier.executors.stateful.source import FakeSource
from verifier.executors.stateless.base import ExecutionRequest, FakeExecutor, StatelessExecutor
from verifier.ledger.base import FakeLedger
from verifier.ledger.errors import LedgerFullError
from verifier.services import judging
from verifier.services.ballot import acceptance
from verifier.services.catch_up import tracked_from
from verifier.services.chain import Chain
from verifier.services.judgement import Jury
from verifier.services.judging import Judge, JudgingOptions
from witness.file import map_witness_file
from witness.header import decode_block_header, decode_header
from witness.model import BlockWitness, Header
from witness.store import WitnessStore

HOLD_SECONDS = 60.0  # longer than any test: whoever waits so long was not woken
LENGTH = 12


def honest(request: ExecutionRequest) -> Outcome:
    return computed_for(decode_block_header(map_witness_file(request.witness).block))


def lying(request: ExecutionRequest) -> Outcome:
    return replace(computed_for(decode_block_header(map_witness_file(request.witness).block)), state_root=b"\x66" * 32)


def silent(request: ExecutionRequest) -> Outcome:
    return Abstention(AbstentionReason.WITNESS_INSUFFICIENT, "a node is missing")


@dataclass
class Gated(FakeExecutor):
    """Answers only when `opened` is set; `asked` is set when it was asked."""

    opened: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def execute(self, request: ExecutionRequest) -> Result:
        self.asked.set()
        await self.opened.wait()
        return await super().execute(request)


class Clock:
    """Seconds, as a test sets them."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Blocks:
    """A chain of made-up blocks above a genesis header; block n is at index n."""

    def __init__(self, length: int = LENGTH) -> None:
        genesis = header_rlp(0, bytes(32))
        self.headers = [decode_header(genesis)]
        self.contents: list[BlockWitness] = []
        parent = genesis
        for number in range(1, length + 1):
            content, parent = block_witness(number, parent)
            self.contents.append(content)
            self.headers.append(decode_header(parent))

    def content(self, number: int) -> BlockWitness:
        return self.contents[number - 1]

    def hash(self, number: int) -> bytes:
        return self.headers[number].hash

    def source(self) -> FakeSource:
        return FakeSource({content.hash: content for content in self.contents})


@dataclass
class Setting:
    """A judge with everything around it."""

    blocks: Blocks
    chain: Chain
    judge: Judge
    ledger: FakeLedger
    recorder: Recorder
    source: FakeSource
    store: WitnessStore
    clock: Clock

    def payload(self, number: int, *, given: bool = False, valid: bool = True) -> None:
        content = self.blocks.content(number)
        header = self.blocks.headers[number]
        self.judge.receive(bytes(content.block), header)
        self.judge.executed(header, content if given else None, valid=valid, detail="" if valid else "bad root")

    def status(self, number: int) -> BlockStatus | None:
        tracked = self.chain.blocks.get(self.blocks.hash(number))
        return None if tracked is None else tracked.status

    def standing(self, number: int) -> Standing:
        return self.chain.standing(self.blocks.hash(number)).standing

    async def wait(self, number: int, seconds: float = HOLD_SECONDS) -> Standing:
        return (await self.chain.wait(self.blocks.hash(number), seconds)).standing

    async def until(self, number: int, status: BlockStatus) -> TrackedBlock:
        """The block when it has the status, now or later."""
        wanted = self.blocks.hash(number)
        heard = await self.recorder.wait(
            StatusChanged, lambda event: event.block.block.hash == wanted and event.block.status is status
        )
        return heard.block

    async def final(self, number: int) -> VerdictReached:
        wanted = self.blocks.hash(number)
        return await self.recorder.wait(VerdictReached, lambda event: event.block.hash == wanted and event.final)

    async def idle(self) -> None:
        """Returns when nothing is under way and nothing waits."""
        async with asyncio.timeout(HOLD_SECONDS):
            while self.judge.under_way or self.judge.waiting:  # noqa: ASYNC110 - nothing tells when a task is gone
                await asyncio.sleep(0)

    def verdicts(self, number: int) -> list[Verdict]:
        wanted = self.blocks.hash(number)
        return [each.decision.verdict for each in self.recorder.of(VerdictReached) if each.block.hash == wanted]


NAMES = ("geth", "revm", "ethrex", "ethereumjs")


def live(*answers: Callable[[ExecutionRequest], Outcome]) -> list[StatelessExecutor]:
    return [FakeExecutor(name, name, answer) for name, answer in zip(NAMES[1:], answers, strict=False)]


def policy_of(executors: Sequence[StatelessExecutor], **thresholds: int) -> QuorumPolicy:
    adapters = {each.name: each.lineage for each in executors}
    return quorum_policy({"node": "geth", **adapters}, **thresholds)


def run(
    scenario: Callable[[Setting], Awaitable[None]],
    tmp_path: Path,
    executors: Sequence[StatelessExecutor],
    *,
    late: Sequence[StatelessExecutor] = (),
    mode: GateMode = GateMode.EVERY_BLOCK,
    length: int = LENGTH,
    ledger: FakeLedger | None = None,
    anchored: bool = True,
    **options: Any,
) -> None:
    """Runs a scenario above an anchored genesis."""

    async def run_scenario() -> None:
        blocks, recorder, clock = Blocks(length), Recorder(), Clock()
        kept = ledger or FakeLedger()
        chain = Chain(kept, recorder, mode, retry_interval=0.001)
        if anchored:
            chain.trust(tracked_from(1337, blocks.headers[0]), "genesis")
        made = JudgingOptions(
            options.pop("policy", policy_of(executors)),
            CONFIG,
            executor="node",
            **{"deadline": HOLD_SECONDS, **options},
        )
        source = blocks.source()
        with WitnessStore(tmp_path / "store", sync=False) as store:
            judge = Judge(chain, store, source, Jury(executors, late), made, recorder, clock=clock)
            async with judge:
                await scenario(Setting(blocks, chain, judge, kept, recorder, source, store, clock))
        chain.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run_scenario())


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


def test_a_block_that_some_say_is_invalid_is_not_tried_until_it_is_attested(tmp_path: Path) -> None:
    executors = live(lying, silent, silent)

    async def scenario(setting: Setting) -> None:
        setting.payload(1)
        assert (await setting.final(1)).decision.verdict is Verdict.HOLD
        await setting.idle()
        for _ in range(3):
            setting.clock.now += 10_000.0
            await setting.wait(1, 0.0)
        assert setting.judge.under_way == 0

    run(scenario, tmp_path, executors)
    assert [len(each.requests) for each in executors if isinstance(each, FakeExecutor)] == [1, 1, 1]


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


def map_number(request: ExecutionRequest) -> int:
    return int(request.witness.name.split("-")[0])


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


SCHEDULE = EpochSchedule(1_700_000_000, seconds_per_slot=1, slots_per_epoch=4)  # block n is in slot n


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


def embedded(answer: Callable[[ExecutionRequest], Outcome]) -> StatelessExecutor:
    return FakeExecutor("embedded", "pyevm", answer)


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
            judge = Judge(chain, store, blocks.source(), Jury(()), options, Recorder(), follow=followed.append)
            async with judge:
                judge.receive(bytes(blocks.content(1).block), blocks.headers[1])
        chain.close()
        assert followed == [blocks.content(1).block]

    asyncio.run(scenario())
