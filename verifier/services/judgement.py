"""One block before all adapters: first the live ones, until the verdict is settled or overdue, then the late ones."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from verifier.domain.block import BlockReference
from verifier.domain.event import Event, VerdictReached, VoteCast
from verifier.domain.quorum import Decision, Verdict
from verifier.domain.result import Result
from verifier.domain.status import Judged
from verifier.domain.vote import Vote, VoteKind
from verifier.executors.stateless.base import ExecutionRequest, StatelessExecutor
from verifier.executors.stateless.pool import execute_on_all

from .ballot import Ballot, summarize


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of a block while it is judged, or after. results: of the adapters, each with its vote in `cast`.

    own: the stateful executor's vote. votes: what counts, earlier ones among it. ended: nobody is awaited any more.
    """

    block: BlockReference
    request: ExecutionRequest
    results: tuple[Result, ...]
    cast: tuple[Vote, ...]
    own: Vote | None
    votes: tuple[Vote, ...]
    ended: bool = False

    @property
    def given(self) -> tuple[Vote, ...]:
        """The votes that were cast this time."""
        return self.cast if self.own is None else (*self.cast, self.own)


@dataclass(frozen=True, slots=True)
class Jury:
    """Who judges. live: they count before the deadline. late: too slow for it; their INVALID opens a dispute."""

    live: Sequence[StatelessExecutor]
    late: Sequence[StatelessExecutor] = ()


Report = Callable[[Case, Judged, Decision], None]


class Judgement:
    """The votes on one block, from the first request to the last answer.

    notify: hears VoteCast and VerdictReached. report: what the votes amount to, whenever that is another; told before
    the VerdictReached, so that whoever hears of a verdict finds it stored. hear: told every vote before it counts.
    release: called once, when the verdict is settled or overdue, or all is over: the next block may have the adapters.
    due: when the verdict is overdue, received: when the payload came in, both in seconds of `clock`.
    """

    def __init__(
        self,
        block: BlockReference,
        ballot: Ballot,
        jury: Jury,
        request: ExecutionRequest,
        *,
        received: float,
        due: float,
        notify: Callable[[Event], None],
        report: Report,
        hear: Callable[[Result, Vote], None],
        release: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self.block = block
        self.outcome: Decision | None = None  # the last one that was told
        self._ballot = ballot
        self._jury = jury
        self._request = request
        self._received = received
        self._due = due
        self._notify = notify
        self._report = report
        self._hear = hear
        self._release = release
        self._released = asyncio.Event()
        self._clock = clock
        self._late_names = {each.name for each in jury.late}
        self._disputing = ""
        self._attested = False

    @property
    def votes(self) -> tuple[Vote, ...]:
        """Those cast so far."""
        return self._ballot.votes

    def case(self, *, ended: bool = False) -> Case:
        """What is known now."""
        ballot = self._ballot
        return Case(self.block, self._request, tuple(ballot.results), ballot.cast, ballot.own, ballot.votes, ended)

    async def run(self) -> None:
        """Asks everybody. When cancelled, those who have not answered are given up, and the votes so far are final."""
        overdue = asyncio.get_running_loop().call_later(max(0.0, self._due - self._clock()), self._overdue)
        late = asyncio.create_task(self._ask_late())
        try:
            self._settle()
            await self._ask(self._jury.live, late=False)
            self._settle(closed=True)
            await late
        finally:
            overdue.cancel()
            late.cancel()
            self._tell(self._ballot.decision(closed=True), final=True)

    async def _ask_late(self) -> None:
        # Not before the verdict: on a small machine they would take the cores from those that it waits for.
        await self._released.wait()
        await self._ask(self._jury.late, late=True)

    async def _ask(self, executors: Sequence[StatelessExecutor], *, late: bool) -> None:
        async for result in execute_on_all(executors, self._request):
            vote = self._ballot.add(result)
            self._hear(result, vote)
            self._notify(VoteCast(self.block, result, vote, late=late or self._released.is_set()))
            self._settle()

    def _settle(self, *, closed: bool = False) -> None:
        """Tells the decision if it is settled, and is another than the one told last."""
        decision = self._ballot.decision(closed=closed or self.outcome is not None)
        weighing = self._late_names - self._ballot.quarantined
        against = ", ".join(
            vote.adapter for vote in self.votes if vote.adapter in weighing and vote.kind is VoteKind.INVALID
        )
        told = self.outcome is not None and self.outcome.verdict is decision.verdict
        if against != self._disputing or (decision.settled and not told):
            self._disputing = against
            self._tell(decision)
        elif self.outcome is not None and decision.disagreement > self.outcome.disagreement:
            self._tell(decision, quiet=True)  # the verdict is the same, but from now on it is disputed

    def _overdue(self) -> None:
        if self.outcome is None:
            self._tell(self._ballot.decision(closed=True), expired=True)

    def _tell(self, decision: Decision, *, final: bool = False, expired: bool = False, quiet: bool = False) -> None:
        self.outcome = decision
        # A second adapter of a lineage, or in prestate mode a better comparison, can take back what made the quorum.
        turned = self._attested and decision.verdict is not Verdict.ATTEST
        self._attested = self._attested or decision.verdict is Verdict.ATTEST
        votes = self.votes
        summary = summarize(self._ballot.policy, decision, votes, self._ballot.quarantined)
        self._report(self.case(), Judged(decision.verdict, summary, self._disputing, turned), decision)
        seconds = self._clock() - self._received
        if quiet:
            return
        self._notify(VerdictReached(self.block, decision, votes, seconds, final=final, expired=expired))
        if not self._released.is_set():
            self._released.set()
            self._release()
