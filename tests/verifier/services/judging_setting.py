"""A judge with fakes around it: adapters that answer as told, an execution client, a clock that is set."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.verifier.services.builders import CONFIG, block_witness, computed_for, header_rlp
from tests.verifier.services.observing import Recorder
from verifier.domain.dispute import Dispute, DisputeRule, dispute_rule
from verifier.domain.epoch import EpochSchedule
from verifier.domain.event import (
    Observer,
    StatusChanged,
    VerdictReached,
)
from verifier.domain.gate import GateMode
from verifier.domain.quorum import QuorumPolicy, Verdict, quorum_policy
from verifier.domain.result import Abstention, AbstentionReason, Mode, Outcome, Result
from verifier.domain.standing import Standing
from verifier.domain.status import BlockStatus, TrackedBlock
from verifier.executors.stateful.source import FakeSource
from verifier.executors.stateless.base import ExecutionRequest, FakeExecutor, StatelessExecutor
from verifier.ledger.base import FakeLedger
from verifier.ledger.dispute_ledger import FakeDisputeLedger
from verifier.services.analysis import FakeAnalyst
from verifier.services.catch_up import tracked_from
from verifier.services.chain import Chain
from verifier.services.disputing import Disputes
from verifier.services.judgement import Jury
from verifier.services.judging import Judge, JudgingOptions
from verifier.services.retreat import FakeRetreat
from verifier.services.statements import Statements
from witness.file import map_witness_file
from witness.header import decode_block_header, decode_header
from witness.model import BlockWitness
from witness.store import WitnessStore

HOLD_SECONDS = 60.0  # longer than any test: whoever waits so long was not woken
LENGTH = 12
RETRY_INTERVAL = 0.001  # seconds until a failed ledger is tried again


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
class Court:
    """What disputes are made of in a test. disputed: whether any is opened. kept: seconds. wall: since the epoch.

    unfinished: as of FakeRetreat, of which each run has one of its own.
    """

    ledger: FakeDisputeLedger = field(default_factory=FakeDisputeLedger)
    disputed: bool = True
    kept: float = float("inf")
    rule: DisputeRule | None = None
    analyst: FakeAnalyst = field(default_factory=FakeAnalyst)
    wall: Clock = field(default_factory=Clock)
    retreats: list[FakeRetreat] = field(default_factory=list)
    resume_interval: float = HOLD_SECONDS
    unfinished: int = 0

    def disputes(self, chain: Chain, policy: QuorumPolicy, late: dict[str, str], observer: Observer) -> Disputes:
        statements = Statements(
            self.ledger, policy, observer, executor="node", clock=self.wall, retry_interval=RETRY_INTERVAL
        )
        self.retreats.append(FakeRetreat(chain, unfinished=self.unfinished))
        return Disputes(
            chain,
            self.ledger,
            statements,
            self.rule or dispute_rule(policy, late),
            observer,
            self.retreats[-1],
            self.analyst,
            enabled=self.disputed,
            kept=self.kept,
            clock=self.wall,
            retry_interval=RETRY_INTERVAL,
            resume_interval=self.resume_interval,
        )


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
    disputes: Disputes
    court: Court

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

    async def settled(self) -> None:
        """As `idle`, and nothing more follows from any dispute."""
        await self.idle()
        async with asyncio.timeout(HOLD_SECONDS):
            while self.disputes.under_way or self.disputes.unstored:  # noqa: ASYNC110 - as in `idle`
                await asyncio.sleep(0)

    def dispute(self, number: int) -> Dispute:
        """The dispute over a block, as it is kept."""
        (found,) = (each for each in self.court.ledger.kept.values() if each.block.number == number)
        return found

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
    execution: Mode = Mode.PROOF,
    length: int = LENGTH,
    ledger: FakeLedger | None = None,
    anchored: bool = True,
    court: Court | None = None,
    **options: Any,
) -> None:
    """Runs a scenario above an anchored genesis. court: None: statements are kept, and nothing is disputed."""

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
            mode=execution,
            **{"deadline": HOLD_SECONDS, **options},
        )
        source = blocks.source()
        held = court or Court(disputed=False)
        disputes = held.disputes(chain, made.policy, {each.name: each.lineage for each in late}, recorder)
        with WitnessStore(tmp_path / "store", sync=False) as store:
            judge = Judge(chain, store, source, Jury(executors, late), made, recorder, disputes, clock=clock)
            async with disputes, judge:
                await scenario(Setting(blocks, chain, judge, kept, recorder, source, store, clock, disputes, held))
        chain.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run_scenario())


def map_number(request: ExecutionRequest) -> int:
    return int(request.witness.name.split("-")[0])


SCHEDULE = EpochSchedule(1_700_000_000, seconds_per_slot=1, slots_per_epoch=4)  # block n is in slot n


def embedded(answer: Callable[[ExecutionRequest], Outcome]) -> StatelessExecutor:
    return FakeExecutor("embedded", "pyevm", answer)
