"""Disputes as they run: opened by votes that contradict each other, fed as more come, concluded, and acted on.

No verdict and no gate waits for any of it. What is concluded is stored first and acted on then; whatever was not acted
on when the process ended is done at the next start, with the same outcome.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
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
    fell_silent,
    open_dispute,
    ruled,
    stated,
)
from verifier.domain.event import Alarm, DisputeChanged, Observer
from verifier.domain.quorum import Decision, Verdict
from verifier.domain.result import Mode, Result
from verifier.domain.statement import Statement
from verifier.domain.status import BlockStatus, Concluded, Judged, TrackedBlock
from verifier.domain.vote import Vote, VoteKind
from verifier.ledger.errors import LedgerError

from .analysis import Analyst
from .background import Background
from .chain import Chain, fallen_with_ancestor
from .docket import Docket
from .expiry import Expiry
from .investigation import Investigations
from .judgement import Case
from .pursuit import RESUME_INTERVAL, Pursuit
from .retreat import Retreat
from .statements import RETRY_INTERVAL, Statements, WordLedger

log = logging.getLogger(__name__)

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
        resume_interval: float = RESUME_INTERVAL,
    ) -> None:
        self.rehear: Callable[[bytes], None] = lambda _: None
        self.statements = statements
        self._chain = chain
        self.rule = rule
        self._observer = observer
        self._enabled = enabled
        self._clock = clock
        self._background = Background(observer)
        self._docket = Docket(ledger, statements, observer, retry_interval)
        self._docket.concluded = self._act
        self._investigations = Investigations(self._docket, analyst, self._background, observer)
        self._pursuit = Pursuit(retreat, self._background, resume_interval)
        self._expiry = Expiry(chain, statements, kept, clock)
        self._deadline: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self.statements.announce()
        self._expiry.begin()
        self._pursuit.begin()
        for dispute in self._docket:
            self._take_up(dispute)
        for tracked in list(self._chain.blocks.values()):
            if tracked.status is BlockStatus.DISPUTED:
                self.consider(tracked)
        self.expire()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._expiry.close()
        self._pursuit.close()
        self._docket.close()
        await self._background.close()
        self.statements.close()

    @property
    def quarantined(self) -> frozenset[str]:
        """The adapters whose votes weigh nothing."""
        return self.statements.quarantined

    @property
    def under_way(self) -> int:
        """Analyses and rollbacks that are not done."""
        return self._background.under_way

    @property
    def unstored(self) -> int:
        """Disputes that changed and are not stored yet."""
        return self._docket.unstored

    def on(self, block_hash: bytes) -> Dispute | None:
        """The dispute over a block."""
        return self._docket.on(block_hash)

    def conclusion(self, block_hash: bytes) -> Conclusion | None:
        """What a dispute over the block came to; None where there is none, or it is open."""
        dispute = self._docket.on(block_hash)
        return None if dispute is None else dispute.conclusion

    def earlier(self, block: BlockReference) -> Sequence[Statement]:
        """What was said of a block so far. Raises LedgerError."""
        return self.statements.on(block)

    def worth_judging(self, tracked: TrackedBlock) -> bool:
        """Whether votes can change where the block stands, or are needed to see where they part."""
        dispute = self._docket.on(tracked.block.hash)
        if dispute is not None and tracked.status is not BlockStatus.INVALID and self._investigations.unseen(dispute):
            return True
        if tracked.status is BlockStatus.DISPUTED:
            return dispute is not None and dispute.open
        # What stays unresolved is a person's to decide: no later judgement opens it.
        return tracked.status in UNDECIDED and (dispute is None or dispute.conclusion is not Conclusion.UNRESOLVED)

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
        dispute = self._docket.on(block.hash)
        if dispute is None:
            return
        if statement is not None:
            self._docket.put(stated(dispute, statement, self._weighing(), self._clock()))
        elif vote.kind is VoteKind.ABSTAIN and dispute.open:
            self._docket.put(fell_silent(dispute, vote.adapter, self._weighing(), self._clock()))

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
        if self._docket.on(block.hash) is not None:
            self._investigations.take(case)

    def ended(self, case: Case) -> None:
        """All that a judgement came to: who has given no statement by now is silent."""
        if case.request.mode is Mode.PRESTATE:
            # Before, what a result is read as can change with the next one. A kill in between loses words, and nothing
            # that follows from them: an open dispute and a closed block are stored, and have the block judged again.
            for result, vote in zip(case.results, case.cast, strict=True):
                self.hear(case.block, Mode.PRESTATE, result, vote)
        dispute = self._docket.on(case.block.hash)
        if dispute is None:
            return
        rule = self._weighing()
        spoke = {each.adapter for each in dispute.statements}
        for adapter in sorted(rule.adapters.keys() - spoke - dispute.silent):
            dispute = fell_silent(dispute, adapter, rule, self._clock())
        self._docket.put(dispute)
        self._investigations.take(case)
        self._investigations.look_into(dispute)

    def consider(self, tracked: TrackedBlock) -> None:
        """Opens a dispute over a block that is DISPUTED; where one is concluded already, that goes on holding."""
        if tracked.status is not BlockStatus.DISPUTED:
            return
        dispute = self._docket.on(tracked.block.hash)
        if dispute is None:
            self.open(tracked.block, tracked.why)
        elif not dispute.open and self._docket.is_stored(tracked.block.hash):
            self._act(dispute)

    def open(self, block: BlockReference, why: str) -> None:
        """Opens a dispute over a block, unless there is one. why: one line."""
        if not self._enabled or self._docket.on(block.hash) is not None:
            return
        now, rule = self._clock(), self._weighing()
        dispute = open_dispute(block, why, now, rule)
        try:
            for each in self.statements.on(block):
                dispute = stated(dispute, each, rule, now)
        except LedgerError as error:
            log.warning("the dispute %s begins without what was said before: %s", dispute.id, error)
        self._docket.put(dispute)
        self._arm()

    def expire(self) -> None:
        """Ends the disputes whose deadline has passed."""
        now = self._clock()
        for dispute in self._docket:
            if not dispute.open:
                continue
            tracked = self._chain.tracked(dispute.block.hash)
            if tracked is not None and fallen_with_ancestor(tracked):
                self._docket.put(ruled(dispute, Conclusion.INVALID, tracked.why, now))
            else:
                self._docket.put(at_time(dispute, now))
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
            self._docket.put(dispute)
        if dispute.open:
            self._observer.notify(DisputeChanged(dispute))
        elif tracked is not None and self._docket.is_stored(block_hash):
            self._act(dispute)
        self._docket.taken_up(dispute)
        if tracked is not None and self.worth_judging(tracked):
            self.rehear(block_hash)

    def _weighing(self) -> DisputeRule:
        """The rule, in which adapters in quarantine weigh nothing."""
        return replace(self.rule, quarantined=self.quarantined)

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
                    self._pursuit.go_back(dispute.id, block_hash, why, partial(self._marked, block_hash))
            case Conclusion.UNRESOLVED:
                status = "not known any more" if tracked is None else tracked.status
                text = f"block {dispute.block} stays {status}; it is for you to decide: {dispute.why}"
                self._observer.notify(Alarm("dispute_unresolved", text))
        self._investigations.look_into(dispute)

    async def _marked(self, block_hash: bytes) -> None:
        self.expire()  # what stands on it is INVALID now, too
        await self._investigations.secure(block_hash)  # before going back takes the witness away

    def _arm(self) -> None:
        """Sets the timer to the next deadline."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        due = [each.deadline for each in self._docket if each.open]
        if due:
            seconds = max(0.0, min(due) - self._clock())
            self._deadline = asyncio.get_running_loop().call_later(seconds, self.expire)


def _names(votes: Sequence[Vote], kind: VoteKind) -> str:
    return ", ".join(sorted(vote.adapter for vote in votes if vote.kind is kind))
