"""Payloads in, verdicts out: which blocks are judged, when, and with which witness.

A block is judged on the state root of its parent's header, which the block's own hash binds, as soon as the parent is
known. That the parent and all below it are verified too is what `Chain.standing` asks before anything is let out.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Protocol, Self

from verifier.domain.block import BlockReference
from verifier.domain.dispute import Conclusion
from verifier.domain.event import Alarm, Event, Observer, VoteCast, WitnessFailed
from verifier.domain.gate import GateMode
from verifier.domain.quorum import Decision, QuorumPolicy, Verdict
from verifier.domain.result import Mode, Result
from verifier.domain.standing import Standing, parent_of
from verifier.domain.statement import Statement
from verifier.domain.status import (
    BlockStatus,
    ExecutorAnswered,
    ExecutorStatus,
    Judged,
    TrackedBlock,
    WitnessStored,
)
from verifier.domain.vote import Vote, VoteKind, cast_vote
from verifier.errors import UsageError, VerifierError
from verifier.executors.stateful.errors import NoWitnessError
from verifier.executors.stateful.source import BlockSource
from verifier.executors.stateless.base import ExecutionRequest
from witness.chain_config import parse_chain_config
from witness.errors import EncodingError, WitnessError
from witness.file import parent_state_root
from witness.model import BlockWitness, Header
from witness.store import WitnessStore

from .backlog import Backlog, Payloads, Retries, Waiting
from .ballot import Ballot, acceptance, contradiction, refusal
from .catch_up import DEPTH, CatchUp, tracked_from
from .chain import Chain
from .disputing import Disputes
from .judgement import Case, Judgement, Jury
from .witness_supply import Supplied, WitnessSupply

log = logging.getLogger(__name__)

# Seconds from a payload to its verdict, then the block is held. A slot has 12; attestations are due after 4.
DEADLINE = 4.0
# Seconds that an adapter has for a block. Beyond the deadline a live one can still bring about the verdict, and a late
# one dispute it; the slowest took 5 s alone on a full block.
PATIENCE = 60.0
# Blocks of which no verdict is settled or overdue yet, at once: more only make each of them slower.
WINDOW = 4
# Blocks with answers still to come, at once. Beyond it the oldest settled ones are given up: with all adapters hung a
# thousand payloads must not pile up.
UNDER_WAY = 64
# Seconds in which a block is not asked for again: every validator client that waits for a block demands it.
DEMAND_INTERVAL = 1.0
DEMANDS_KEPT = 1024
# Seconds in which a payload that came in is left to the execution client, before its witness is asked for.
EXECUTION_PATIENCE = 10.0
OPEN = (BlockStatus.RECEIVED, BlockStatus.EXECUTED, BlockStatus.AVAILABLE)


class Schedule(Protocol):
    """When epochs begin. `verifier.domain.epoch.EpochSchedule` is one."""

    def starts_epoch(self, timestamp: int) -> bool:
        """Whether a block of this timestamp (seconds) is in an epoch's first slot, as far as that is known."""


@dataclass(frozen=True)
class JudgingOptions:
    """How blocks are judged.

    policy: the live adapters and the execution client. executor: its name there; "" if it has no vote. chain_config:
    geth-genesis JSON, the rules that adapters are held to. schedule: of the slots, for epoch-target mode. Times in
    seconds. own: the name of the embedded executor, where it votes besides; "" if it does not. With it the others are
    asked also about what the execution client alone calls INVALID: it has a witness of that, too.
    """

    policy: QuorumPolicy
    chain_config: bytes
    executor: str = ""
    own: str = ""
    mode: Mode = Mode.PROOF
    schedule: Schedule | None = None
    deadline: float = DEADLINE
    patience: float = PATIENCE
    window: int = WINDOW
    under_way: int = UNDER_WAY
    depth: int = DEPTH


class Judge:
    """A PayloadJudge. An async context: what is under way is given up at its end.

    disputes: hears every word on a block, and says what was said of it before. prepare: see WitnessSupply. follow: told
    every payload (RLP) as it comes in. clock: seconds, monotonic.
    Raises UsageError if an adapter in `jury.live` is not in the policy, ChainConfigError.
    """

    def __init__(
        self,
        chain: Chain,
        store: WitnessStore,
        source: BlockSource,
        jury: Jury,
        options: JudgingOptions,
        observer: Observer,
        disputes: Disputes,
        *,
        prepare: Callable[[BlockWitness], BlockWitness] | None = None,
        follow: Callable[[bytes], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        uncounted = [each.name for each in jury.live if options.policy.adapters.get(each.name) != each.lineage]
        if uncounted:
            raise UsageError(f"adapters that are live, but not in the quorum: {', '.join(uncounted)}")
        self._chain = chain
        self._jury = jury
        self._options = options
        self._observer = observer
        self._disputes = disputes
        self._follow = follow
        self._clock = clock
        self._chain_id = parse_chain_config(options.chain_config).chain_id
        self._supply = WitnessSupply(store, source, observer, prepare=prepare, clock=clock)
        self._catch_up = CatchUp(chain, source, observer, self._chain_id, depth=options.depth)
        self._payloads = Payloads()
        self._backlog = Backlog()
        self._retries = Retries()
        self._demanded: dict[bytes, float] = {}
        self._mistaken = False  # the execution client is of another lineage than is configured
        self._reaching: asyncio.Task[None] | None = None
        self._tasks: dict[bytes, asyncio.Task[None]] = {}  # in the order in which they were begun
        self._unreleased: set[bytes] = set()
        chain.demand = self.demand
        disputes.rehear = self.rehear

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._backlog = Backlog()
        tasks = [*self._tasks.values(), *([] if self._reaching is None else [self._reaching])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def waiting(self) -> int:
        """Blocks that wait to be judged."""
        return len(self._backlog)

    @property
    def held(self) -> int:
        """Bytes of payloads and witnesses that they hold, at most `backlog.HELD_LIMIT`."""
        return self._backlog.held

    @property
    def under_way(self) -> int:
        """Blocks that are being judged, with those whose verdict is settled and that await more answers."""
        return len(self._tasks)

    def receive(self, block: bytes, header: Header) -> None:
        """As PayloadJudge.receive."""
        self._chain.receive(tracked_from(self._chain_id, header))
        self._payloads.put(header.hash, block, self._clock())
        self._follow(block)

    def executed(self, header: Header, witness: BlockWitness | None, *, valid: bool, detail: str = "") -> None:
        """As PayloadJudge.executed."""
        encoded, received = self._payloads.take(header.hash)
        self._chain.receive(tracked_from(self._chain_id, header))
        self._own_word(header, None if valid else detail)  # whether the block is judged or not
        answer = ExecutorAnswered(ExecutorStatus.VALID if valid else ExecutorStatus.INVALID, detail)
        if not valid and self._disputes.conclusion(header.hash) is Conclusion.VALID:
            return  # that was heard, and decided against it
        tracked = self._chain.apply(header.hash, answer)
        if tracked is None:
            return
        if not valid:
            self._disputes.consider(tracked)
            if self._options.own and tracked.status is BlockStatus.INVALID:
                self._add(tracked, encoded, received=received, refused=detail)
            elif tracked.status is BlockStatus.DISPUTED:
                self._add(tracked, encoded, received=received)  # to see where they part
            return
        if self._chain.mode is GateMode.EPOCH_TARGET and not self._starts_epoch(header.timestamp):
            return  # judged if it is demanded as a target
        self._add(tracked, encoded, witness, received)

    def identified(self, lineage: str | None) -> None:
        """As PayloadJudge.identified. The word of a client of another lineage than is configured is no vote."""
        configured = self._options.policy.adapters.get(self._options.executor)
        mistaken = lineage is not None and lineage != configured
        if mistaken and not self._mistaken:
            text = f"the execution client is of lineage {lineage}, {configured} is configured: it has no vote"
            self._observer.notify(Alarm("execution_client_lineage", text))
        self._mistaken = mistaken

    def finalized(self, block_hash: bytes) -> None:
        """As PayloadJudge.finalized."""
        before = len(self._chain.blocks)
        self._chain.finalize(block_hash)
        if len(self._chain.blocks) != before:
            self._retries.keep_only(self._chain.blocks)

    def demand(self, block_hash: bytes) -> None:
        """Has the block judged and the ancestors that it waits for, as far as they are not under way already."""
        now = self._clock()
        if now - self._demanded.get(block_hash, -DEMAND_INTERVAL) < DEMAND_INTERVAL:
            return
        if len(self._demanded) >= DEMANDS_KEPT:
            self._demanded.clear()
        self._demanded[block_hash] = now
        tracked = self._chain.tracked(block_hash)
        if tracked is None:
            self._reach(block_hash, block_hash)
        elif self._chain.mode is GateMode.EPOCH_TARGET:
            if not self._chain.standing(block_hash).disputed:  # then no verdict of its own lets anything out
                self._add(tracked)
        else:
            for each in self._undecided(tracked):
                self._add(each)
            decisive = self._chain.standing(block_hash).decisive
            if self._chain.tracked(decisive) is None:
                self._reach(decisive, block_hash)

    def rehear(self, block_hash: bytes) -> None:
        """Has a block judged whose dispute began in an earlier process."""
        tracked = self._chain.tracked(block_hash)
        if tracked is not None:
            self._add(tracked)

    def _starts_epoch(self, timestamp: int) -> bool:
        return self._options.schedule is None or self._options.schedule.starts_epoch(timestamp)

    def _undecided(self, tracked: TrackedBlock) -> list[TrackedBlock]:
        """The block and its ancestors down to one that stands, oldest first."""
        path = []
        at: TrackedBlock | None = tracked
        while at is not None and self._chain.standing(at.block.hash).standing is not Standing.VERIFIED:
            path.append(at)
            at = parent_of(self._chain.blocks, at)
        return path[::-1]

    def _reach(self, block_hash: bytes, demanded: bytes) -> None:
        """Catches up to an unknown block, then demands again what it was needed for. One at a time."""
        if self._reaching is None:
            self._reaching = asyncio.create_task(self._reach_then_demand(block_hash, demanded))

    async def _reach_then_demand(self, block_hash: bytes, demanded: bytes) -> None:
        try:
            why = await self._catch_up.reach(block_hash, depth=self._ancestry)
        finally:
            self._reaching = None
        if why:
            log.info("a block cannot be reached: %s", why)
            return
        self._demanded.pop(demanded, None)
        self.demand(demanded)

    @property
    def _ancestry(self) -> int | None:
        """How many headers are needed to judge an unknown block: in epoch-target its own, and its parent's later."""
        return 1 if self._chain.mode is GateMode.EPOCH_TARGET else None

    def _add(
        self,
        tracked: TrackedBlock,
        encoded: bytes | None = None,
        given: BlockWitness | None = None,
        received: float | None = None,
        refused: str | None = None,
    ) -> None:
        """Lets the block wait for its turn, unless it is decided, under way, or was held a short while ago."""
        block_hash, now = tracked.block.hash, self._clock()
        decided = not self._disputes.worth_judging(tracked) and refused is None
        if decided or block_hash in self._tasks or not self._retries.due(block_hash, now):
            return
        came_in = self._payloads.came_in(block_hash)
        if came_in is not None:
            if now - came_in < EXECUTION_PATIENCE:
                return  # the execution client is at it
            encoded, received = self._payloads.take(block_hash)
        waiting = Waiting(
            tracked.block,
            now if received is None else received,
            encoded,
            given,
            fresh=block_hash in self._retries,
            refused=refused,
        )
        self._backlog.add(waiting)
        self._begin()

    def _begin(self) -> None:
        """Begins with the oldest that wait, as many as there is room for."""
        while self._backlog and len(self._unreleased) < self._options.window:
            if len(self._tasks) >= self._options.under_way:
                settled = next((each for each in self._tasks if each not in self._unreleased), None)
                if settled is None:
                    return
                self._tasks.pop(settled).cancel()
            waiting = self._backlog.pop()
            block_hash = waiting.block.hash
            self._unreleased.add(block_hash)
            task = asyncio.create_task(self._judge(waiting), name=f"judge {waiting.block}")
            self._tasks[block_hash] = task
            task.add_done_callback(partial(self._ended, block_hash))

    def _ended(self, block_hash: bytes, task: asyncio.Task[None]) -> None:
        if self._tasks.get(block_hash) is task:
            del self._tasks[block_hash]
        self._release(block_hash)

    def _release(self, block_hash: bytes) -> None:
        self._unreleased.discard(block_hash)
        self._begin()

    async def _judge(self, waiting: Waiting) -> None:
        block = waiting.block
        try:
            judgement = await self._prepare(waiting)
            if judgement is None:
                return
            try:
                await judgement.run()
            finally:
                self._conclude(judgement, waiting)
        except (VerifierError, WitnessError) as error:
            self._fail(waiting, str(error))
        except Exception as error:
            log.exception("judging block %s failed", block)
            self._observer.notify(Alarm("judging_failed", f"block {block}: {type(error).__name__}: {error}"))
            self._fail(waiting, f"{type(error).__name__}: {error}")

    def _fail(self, waiting: Waiting, why: str) -> None:
        self._observer.notify(WitnessFailed(waiting.block, why))
        self._chain.apply(waiting.block.hash, Judged(Verdict.HOLD, why))
        self._retries.held(waiting.block.hash, self._clock())

    def _conclude(self, judgement: Judgement, waiting: Waiting) -> None:
        block_hash = judgement.block.hash
        self._compare_executors(judgement, waiting.refused)
        self._disputes.ended(judgement.case(ended=True))
        tracked = self._chain.tracked(block_hash)
        if waiting.refused is not None:
            self._retries.never(block_hash)
        elif tracked is not None and self._disputes.worth_judging(tracked):
            self._retries.held(block_hash, self._clock())
        else:
            self._retries.forget(block_hash)

    def _compare_executors(self, judgement: Judgement, refused: str | None) -> None:
        """Raises an alarm where those who execute with full state contradict each other, whatever the quorum says."""
        block, votes = judgement.block, judgement.votes
        invalid = {vote.adapter: vote.reason for vote in votes if vote.kind is VoteKind.INVALID}
        tracked = self._chain.tracked(block.hash)
        if refused is not None:
            valid = sorted(vote.adapter for vote in votes if vote.kind is VoteKind.VALID)
            if valid and set(invalid) <= {self._options.executor}:
                text = (
                    f"block {block}: the execution client alone says INVALID ({refused}); VALID by {', '.join(valid)}"
                )
                self._observer.notify(Alarm("executor_alone_invalid", text))
                self._disputes.open(block, text)
        elif self._options.own in invalid and tracked is not None and tracked.executor is ExecutorStatus.VALID:
            text = f"block {block}: the execution client says VALID, the embedded executor INVALID"
            self._observer.notify(Alarm("embedded_contradicts", f"{text} ({invalid[self._options.own]})"))

    async def _prepare(self, waiting: Waiting) -> Judgement | None:
        """All that is needed before adapters are asked; None if the block is decided meanwhile.

        Raises VerifierError, WitnessError: nobody can judge it now.
        """
        block, options = waiting.block, self._options
        known = self._chain.tracked(block.hash)
        # Without its acceptance the execution client is asked although a witness is stored: giving one is its vote.
        accepted = known is not None and known.executor is ExecutorStatus.VALID
        fresh = waiting.fresh or not accepted
        supplied = await self._supply.obtain(block, waiting.given, waiting.encoded, fresh=fresh)
        if supplied.executed:
            self._chain.apply(block.hash, ExecutorAnswered(ExecutorStatus.VALID))
        tracked = self._chain.apply(block.hash, WitnessStored())
        parent = await self._parent(supplied.header)
        refused = waiting.refused
        if tracked is None or (not self._disputes.worth_judging(tracked) and refused is None):
            return None
        own = None
        if tracked.executor is ExecutorStatus.VALID or refused is not None:
            own = self._own_word(supplied.header, refused)
        if own is not None:
            self._observer.notify(VoteCast(block, *own))
        ballot = Ballot(
            supplied.header,
            supplied.content,
            options.policy,
            options.mode,
            withheld=await self._doubt(supplied, parent.state_root),
            own=None if own is None else own[1],
            earlier=self._earlier(block),
            quarantined=lambda: self._disputes.quarantined,
        )
        request = ExecutionRequest(
            witness=supplied.path,
            block_hash=block.hash,
            pre_state_root=parent.state_root,
            deadline=options.patience,
            chain_config=options.chain_config,
            mode=options.mode,
        )
        return Judgement(
            block,
            ballot,
            self._jury,
            request,
            received=waiting.received,
            due=waiting.received + options.deadline,
            notify=self._observer.notify if refused is None else self._notify_votes,
            report=self._report,
            hear=partial(self._hear, block),
            release=partial(self._release, block.hash),
            clock=self._clock,
        )

    async def _parent(self, header: Header) -> TrackedBlock:
        """The parent, whose header the block's hash binds. Raises NoWitnessError: no root can be trusted."""
        parent = self._chain.tracked(header.parent_hash)
        if parent is None:
            why = await self._catch_up.reach(header.parent_hash, depth=self._ancestry)
            parent = self._chain.tracked(header.parent_hash)
            if parent is None:
                raise NoWitnessError(f"no trusted pre-state root: {why or 'its parent is not known'}")
            self._demanded.pop(header.hash, None)
            self.demand(header.hash)  # what was reached is to be judged too
        return parent

    async def _doubt(self, supplied: Supplied, root: bytes) -> str:
        """Why no result on this witness says anything about the block, or ""."""
        try:
            bound = parent_state_root(supplied.content, supplied.header)
        except EncodingError as error:
            return f"the parent's header in the witness: {error}"
        if bound not in (None, root):
            return f"pre-state root 0x{(bound or b'').hex()} is not the trusted 0x{root.hex()}"
        if self._options.mode is Mode.PROOF:
            return ""
        return await asyncio.to_thread(contradiction, supplied.header, supplied.content, root, self._options.mode)

    def _notify_votes(self, event: Event) -> None:
        """Of a block that is invalid already there is no verdict."""
        if isinstance(event, VoteCast):
            self._observer.notify(event)

    def _own_word(self, header: Header, refused: str | None) -> tuple[Result, Vote] | None:
        """What the execution client says of a block; None where its word is no vote."""
        name = self._options.executor
        lineage = self._options.policy.adapters.get(name)
        if lineage is None or self._mistaken:
            return None
        result = acceptance(header, name, lineage) if refused is None else refusal(refused, name, lineage)
        vote = cast_vote(header, result)
        self._disputes.hear(tracked_from(self._chain_id, header).block, self._options.mode, result, vote)
        return result, vote

    def _earlier(self, block: BlockReference) -> list[Statement]:
        """What was said of the block by those who may vote now. Raises LedgerError."""
        asked = {*self._options.policy.adapters, *(each.name for each in self._jury.late)}
        return [each for each in self._disputes.earlier(block) if each.adapter in asked]

    def _hear(self, block: BlockReference, result: Result, vote: Vote) -> None:
        if self._options.mode is Mode.PROOF:  # else what it is read as can still change
            self._disputes.hear(block, Mode.PROOF, result, vote)

    def _report(self, case: Case, judged: Judged, decision: Decision) -> None:
        block_hash = case.block.hash
        # What a dispute has ended is not for votes to change; they are recorded all the same.
        event = judged if self._disputes.allows(block_hash, judged) else WitnessStored()
        self._chain.apply(block_hash, event, decision, case.votes)
        self._disputes.decided(case, decision)
