"""Disputes as they run: opened by votes that contradict each other, fed as more come, concluded, and acted on.

No verdict and no gate waits for any of it. What is concluded is stored first and acted on then; whatever was not acted
on when the process ended is done at the next start, with the same outcome.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from verifier.domain.block import BlockReference
from verifier.domain.dispute import (
    Conclusion,
    Dispute,
    DisputeRule,
    at_time,
    dissenters,
    fell_silent,
    open_dispute,
    ruled,
    stated,
    with_evidence,
)
from verifier.domain.event import Alarm, DisagreementLocalized, DisputeChanged, Observer
from verifier.domain.localization import Localization
from verifier.domain.quorum import Decision, Verdict
from verifier.domain.result import Mode, Result
from verifier.domain.statement import Statement
from verifier.domain.status import BlockStatus, Concluded, Judged, TrackedBlock
from verifier.domain.vote import Vote, VoteKind
from verifier.ledger.errors import LedgerError

from .analysis import Analyst
from .chain import BY_ANCESTOR, Chain
from .judgement import Case
from .retreat import Retreat
from .statements import RETRY_INTERVAL, Statements, WordLedger, told

log = logging.getLogger(__name__)

# Seconds between two times that old statements are forgotten. They are kept for days.
EXPIRY_INTERVAL = 3600.0
# Seconds that our clock may be behind a block's timestamp: what is said of a live block is never forgotten.
CLOCK_SLACK = 60.0
UNDECIDED = (BlockStatus.RECEIVED, BlockStatus.EXECUTED, BlockStatus.AVAILABLE)


class Disputes:
    """All disputes of a sidecar. An async context, for one event loop: entering takes up those that were left open.

    rule: who may state, and what it takes. retreat: goes back from what is concluded INVALID. analyst: None where
    nothing is analysed. enabled: without it statements are kept and held against each other, and nothing is disputed.
    kept: seconds that statements are kept. clock: seconds since the epoch. `rehear` is called with a block that has to
    be judged once more; the Judge sets it. Raises LedgerError if the ledger cannot be read.
    """

    def __init__(
        self,
        chain: Chain,
        ledger: WordLedger,
        statements: Statements,
        rule: DisputeRule,
        observer: Observer,
        retreat: Retreat,
        analyst: Analyst | None = None,
        *,
        enabled: bool = True,
        kept: float = float("inf"),
        clock: Callable[[], float] = time.time,
        retry_interval: float = RETRY_INTERVAL,
    ) -> None:
        self.rehear: Callable[[bytes], None] = lambda _: None
        self.statements = statements
        self._chain = chain
        self._ledger = ledger
        self.rule = rule
        self._observer = observer
        self._retreat = retreat
        self._analyst = analyst
        self._enabled = enabled
        self._kept = kept
        self._clock = clock
        self._retry_interval = retry_interval
        self._disputes = {each.block.hash: each for each in ledger.disputes()}
        # Whom a conclusion has put in quarantine already: one that was released since is not put there again for it.
        self._blamed = {block_hash: dissenters(each) for block_hash, each in self._disputes.items()}
        self._unstored: set[bytes] = set()
        self._told: dict[bytes, tuple[Conclusion | None, str]] = {}
        self._cases: dict[bytes, Case] = {}
        self._localizations: dict[bytes, Localization] = {}
        self._analysing: dict[bytes, asyncio.Lock] = {}
        self._bundled = {
            block_hash: with_evidence(each, "") for block_hash, each in self._disputes.items() if each.evidence
        }
        self._tasks: set[asyncio.Task[None]] = set()
        self._storing: asyncio.Handle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._failure = ""

    async def __aenter__(self) -> Self:
        self.statements.announce()
        self._expire_statements()
        self._begin(self._retreat.resume, "rollbacks")
        for dispute in list(self._disputes.values()):
            self._take_up(dispute)
        for tracked in list(self._chain.blocks.values()):
            if tracked.status is BlockStatus.DISPUTED:
                self.consider(tracked)
        self._arm()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handle in (self._storing, self._deadline, self._expiry):
            if handle is not None:
                handle.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.statements.close()
        self._storing = self._deadline = None
        try:
            self._store_all(act=False)
        except LedgerError as failure:
            log.warning("what changed of disputes is lost, and done again from the statements: %s", failure)

    @property
    def quarantined(self) -> frozenset[str]:
        """The adapters whose votes weigh nothing."""
        return self.statements.quarantined

    @property
    def under_way(self) -> int:
        """Analyses and rollbacks that are not done."""
        return len(self._tasks)

    @property
    def unstored(self) -> int:
        """Disputes that changed and are not stored yet."""
        return len(self._unstored)

    def on(self, block_hash: bytes) -> Dispute | None:
        """The dispute over a block."""
        return self._disputes.get(block_hash)

    def conclusion(self, block_hash: bytes) -> Conclusion | None:
        """What a dispute over the block came to; None where there is none, or it is open."""
        dispute = self._disputes.get(block_hash)
        return None if dispute is None else dispute.conclusion

    def earlier(self, block: BlockReference) -> Sequence[Statement]:
        """What was said of a block so far. Raises LedgerError."""
        return self.statements.on(block)

    def worth_judging(self, tracked: TrackedBlock) -> bool:
        """Whether votes can change where the block stands, or are needed to see where they part."""
        dispute = self._disputes.get(tracked.block.hash)
        if dispute is not None and tracked.status is not BlockStatus.INVALID and self._unseen(dispute):
            return True
        if tracked.status is BlockStatus.DISPUTED:
            return dispute is not None and dispute.open
        # What stays unresolved is a person's to decide: no later judgement opens it.
        return tracked.status in UNDECIDED and (dispute is None or dispute.conclusion is not Conclusion.UNRESOLVED)

    def _unseen(self, dispute: Dispute) -> bool:
        """Whether nothing is there to analyse: it was opened or ended by words alone."""
        return self._analyst is not None and not dispute.evidence and dispute.block.hash not in self._cases

    def allows(self, block_hash: bytes, judged: Judged) -> bool:
        """Whether the block's status may follow these votes: they neither close what was concluded VALID, nor open
        what stayed unresolved."""
        closing = bool(judged.late_invalid) or judged.turned or judged.verdict is Verdict.REJECT
        match self.conclusion(block_hash):
            case Conclusion.VALID:
                return not closing
            case Conclusion.UNRESOLVED:
                return closing or judged.verdict is not Verdict.ATTEST
            case _:
                return True

    def hear(self, block: BlockReference, mode: Mode, result: Result, vote: Vote) -> None:
        """A vote, before it counts. Whoever contradicts itself is in quarantine when this returns. Never raises."""
        statement = self.statements.hear(block, mode, result, vote)
        dispute = self._disputes.get(block.hash)
        if dispute is None:
            return
        if statement is not None:
            self._put(stated(dispute, statement, self._weighing(), self._clock()))
        elif vote.kind is VoteKind.ABSTAIN and dispute.open:
            self._put(fell_silent(dispute, vote.adapter, self._weighing(), self._clock()))

    def decided(self, case: Case, decision: Decision) -> None:
        """What the votes on a block amount to now. Told after the chain was."""
        block = case.block
        weighing = [vote for vote in case.votes if vote.adapter not in self.quarantined]
        kinds = {vote.kind for vote in weighing}
        tracked = self._chain.tracked(block.hash)
        if {VoteKind.VALID, VoteKind.INVALID} <= kinds:
            sides = (f"{kind} by {_names(weighing, kind)}" for kind in (VoteKind.VALID, VoteKind.INVALID))
            self.open(block, f"{decision.verdict}: {', '.join(sides)}")
        elif tracked is not None:
            self.consider(tracked)
        if block.hash in self._disputes:
            self._cases[block.hash] = case

    def ended(self, case: Case) -> None:
        """All that a judgement came to: who has given no statement by now is silent."""
        if case.request.mode is Mode.PRESTATE:  # before, what a result is read as can change with the next one
            for result, vote in zip(case.results, case.cast, strict=True):
                self.hear(case.block, Mode.PRESTATE, result, vote)
        dispute = self._disputes.get(case.block.hash)
        if dispute is None:
            return
        rule = self._weighing()
        spoke = {each.adapter for each in dispute.statements}
        for adapter in sorted(rule.adapters.keys() - spoke - dispute.silent):
            dispute = fell_silent(dispute, adapter, rule, self._clock())
        self._put(dispute)
        self._cases[case.block.hash] = case
        self._analyse(case.block.hash)

    def consider(self, tracked: TrackedBlock) -> None:
        """Opens a dispute over a block that is DISPUTED; where one is concluded already, that goes on holding."""
        if tracked.status is not BlockStatus.DISPUTED:
            return
        dispute = self._disputes.get(tracked.block.hash)
        if dispute is None:
            self.open(tracked.block, tracked.why)
        elif not dispute.open and tracked.block.hash not in self._unstored:
            self._act(dispute)

    def open(self, block: BlockReference, why: str) -> None:
        """Opens a dispute over a block, unless there is one. why: one line."""
        if not self._enabled or block.hash in self._disputes:
            return
        now, rule = self._clock(), self._weighing()
        dispute = open_dispute(block, why, now, rule)
        try:
            for each in self.statements.on(block):
                dispute = stated(dispute, each, rule, now)
        except LedgerError as error:
            log.warning("the dispute %s begins without what was said before: %s", dispute.id, error)
        self._put(dispute)
        self._arm()

    def expire(self) -> None:
        """Ends the disputes whose deadline has passed."""
        now = self._clock()
        for block_hash, dispute in list(self._disputes.items()):
            if not dispute.open:
                continue
            tracked = self._chain.tracked(block_hash)
            if tracked is not None and _by_ancestor(tracked):
                self._put(ruled(dispute, Conclusion.INVALID, tracked.why, now))
            else:
                self._put(at_time(dispute, now))
        self._arm()

    def _take_up(self, dispute: Dispute) -> None:
        """A dispute of an earlier process: open, or concluded and perhaps not acted on."""
        block_hash = dispute.block.hash
        tracked = self._chain.tracked(block_hash)
        if dispute.open:
            now, rule = self._clock(), self._weighing()
            for each in self.statements.on(dispute.block):
                if dispute.open and each not in dispute.statements:
                    dispute = stated(dispute, each, rule, now)
            self._put(dispute)
        if dispute.open:
            self._observer.notify(DisputeChanged(dispute))
        elif tracked is not None and block_hash not in self._unstored:
            self._act(dispute)
        self._told[block_hash] = (self._ledgered(block_hash, dispute), dispute.evidence)
        if tracked is not None and self.worth_judging(tracked):
            self.rehear(block_hash)

    def _ledgered(self, block_hash: bytes, dispute: Dispute) -> Conclusion | None:
        """The conclusion that was told of before: what is not stored yet was not."""
        return None if block_hash in self._unstored else dispute.conclusion

    def _weighing(self) -> DisputeRule:
        """The rule, in which adapters in quarantine weigh nothing."""
        return replace(self.rule, quarantined=self.quarantined)

    def _put(self, dispute: Dispute) -> None:
        block_hash = dispute.block.hash
        if self._disputes.get(block_hash) == dispute:
            return
        self._disputes[block_hash] = dispute
        self._unstored.add(block_hash)
        if self._storing is None:
            # After the callbacks that are due now: a verdict that is about to be told does not wait for the disk.
            self._storing = asyncio.get_running_loop().call_soon(self._try_to_store)

    def _try_to_store(self) -> None:
        self._storing = None
        try:
            self._store_all()
        except LedgerError as error:
            if not self._failure:
                self._observer.notify(Alarm("disputes_not_stored", str(error)))
            self._failure = str(error)
            self._storing = asyncio.get_running_loop().call_later(self._retry_interval, self._try_to_store)
        else:
            self._failure = ""

    def _store_all(self, *, act: bool = True) -> None:
        """Stores what has changed; each conclusion with whom it puts in quarantine, first. Raises LedgerError."""
        for block_hash in list(self._unstored):
            dispute = self._disputes[block_hash]
            if dispute.conclusion is Conclusion.VALID:
                self._quarantine(dispute)
            self.statements.flush()
            self._ledger.put_dispute(dispute)
            self._unstored.discard(block_hash)
            if not act:
                continue
            before = self._told.get(block_hash)
            self._told[block_hash] = now = (dispute.conclusion, dispute.evidence)
            if before != now:
                self._observer.notify(DisputeChanged(dispute))
            if dispute.conclusion is not None and (before is None or before[0] is not dispute.conclusion):
                self._act(dispute)

    def _quarantine(self, dispute: Dispute) -> None:
        words = {each.adapter: each for each in dispute.statements if each.kind is VoteKind.INVALID}
        against = dissenters(dispute)
        for adapter in sorted(against - self._blamed.get(dispute.block.hash, frozenset())):
            why = f"dispute {dispute.id} is concluded VALID: {told(words[adapter])}"
            self.statements.quarantine(adapter, why, dispute.id)
        self._blamed[dispute.block.hash] = against

    def _act(self, dispute: Dispute) -> None:
        """What follows from a conclusion that is stored. May be done again."""
        block_hash = dispute.block.hash
        tracked = self._chain.tracked(block_hash)
        why = f"dispute {dispute.id} is concluded {str(dispute.conclusion).upper()}: {dispute.reason}"
        match dispute.conclusion:
            case Conclusion.VALID:
                if tracked is not None and tracked.status is BlockStatus.DISPUTED:
                    self._chain.apply(block_hash, Concluded(valid=True, why=why))
            case Conclusion.INVALID:
                if tracked is not None and tracked.status is not BlockStatus.INVALID:
                    self._begin(partial(self._go_back, dispute, why), f"rollback {dispute.id}")
            case Conclusion.UNRESOLVED:
                status = "not known any more" if tracked is None else tracked.status
                text = f"block {dispute.block} stays {status}; it is for you to decide: {dispute.why}"
                self._observer.notify(Alarm("dispute_unresolved", text))
        self._analyse(block_hash)

    async def _go_back(self, dispute: Dispute, why: str) -> None:
        if self._analyst is not None and dispute.block.hash in self._cases:
            await self._analyst.secure(self._cases[dispute.block.hash])  # going back takes the witness away
        await self._retreat.run(dispute.id, dispute.block.hash, why)
        self.expire()  # what stands on it is INVALID now, too

    def _analyse(self, block_hash: bytes) -> None:
        """Localizes once there is a conclusion, or nobody is left to ask; bundles when all have answered."""
        case, dispute = self._cases.get(block_hash), self._disputes[block_hash]
        if self._analyst is None or case is None or (dispute.open and not case.ended):
            return
        if self._bundled.get(block_hash) == with_evidence(dispute, ""):
            return  # nothing new was said
        self._begin(partial(self._localize_and_keep, self._analyst, case.block), f"analysis {dispute.id}")

    async def _localize_and_keep(self, analyst: Analyst, block: BlockReference) -> None:
        async with self._analysing.setdefault(block.hash, asyncio.Lock()):
            case = self._cases.get(block.hash)
            if case is None:
                return
            await analyst.secure(case)
            localization = self._localizations.get(block.hash)
            if localization is None:
                localization = await analyst.localize(case)
                if localization is not None:
                    self._localizations[block.hash] = localization
                    self._observer.notify(DisagreementLocalized(localization))
            case = self._cases[block.hash]
            if case.ended:
                dispute = self._disputes[block.hash]
                name = await analyst.keep(dispute, localization, case)
                if name:
                    self._bundled[block.hash] = with_evidence(dispute, "")
                    self._put(with_evidence(self._disputes[block.hash], name))
                if not dispute.open:
                    self._forget(block.hash)

    def _forget(self, block_hash: bytes) -> None:
        self._cases.pop(block_hash, None)
        self._localizations.pop(block_hash, None)
        self._analysing.pop(block_hash, None)

    def _begin(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(work, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        try:
            await work()
        except Exception as error:
            log.exception("%s failed", name)
            text = f"{name}: {type(error).__name__}: {' '.join(str(error).split())}"
            self._observer.notify(Alarm("dispute_work_failed", text))

    def _arm(self) -> None:
        """Sets the timer to the next deadline."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        due = [each.deadline for each in self._disputes.values() if each.open]
        if due:
            seconds = max(0.0, min(due) - self._clock())
            self._deadline = asyncio.get_running_loop().call_later(seconds, self.expire)

    def _expire_statements(self) -> None:
        live = [each.timestamp for each in self._chain.blocks.values()]
        self.statements.expire(min([self._clock() - self._kept, *(each - CLOCK_SLACK for each in live)]))
        self._expiry = asyncio.get_running_loop().call_later(EXPIRY_INTERVAL, self._expire_statements)


def _by_ancestor(tracked: TrackedBlock) -> bool:
    return tracked.status is BlockStatus.INVALID and tracked.why.startswith(BY_ANCESTOR)


def _names(votes: Sequence[Vote], kind: VoteKind) -> str:
    return ", ".join(sorted(vote.adapter for vote in votes if vote.kind is kind))
