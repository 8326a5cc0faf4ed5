"""One block's votes as its results come in, in either mode: the same in replay and in live use."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from verifier.domain.post_state import cast_votes
from verifier.domain.quorum import Decision, QuorumPolicy, decide
from verifier.domain.result import BrokenRule, Computed, Mode, Result
from verifier.domain.statement import Statement
from verifier.domain.vote import Vote, VoteKind, cast_vote, read_result, withhold
from witness.check_sections import check_sections
from witness.finding import Severity
from witness.model import BlockWitness, Header
from witness.prestate import decode_poststate


class Ballot:
    """Who voted what on one block.

    content: of its witness file; only what voting needs of it is kept. withheld: why no result says anything about the
    block, "" if they do. own: the stateful executor's vote, which no adapter gives. earlier: what was said of the block
    before. An INVALID among it is its adapter's vote, unless that says VALID or INVALID again: asking again loses none.
    quarantined: the adapters whose votes weigh nothing now.
    Raises WitnessFileError for a malformed poststate section in prestate mode.
    """

    def __init__(
        self,
        header: Header,
        content: BlockWitness,
        policy: QuorumPolicy,
        mode: Mode,
        *,
        withheld: str = "",
        own: Vote | None = None,
        earlier: Sequence[Statement] = (),
        quarantined: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self.header = header
        self.policy = policy
        self.mode = mode
        self.results: list[Result] = []
        self.cast: tuple[Vote, ...] = ()  # one a result, in their order
        self.own = own
        self._earlier = {each.adapter: _standing(each) for each in earlier if each.kind is VoteKind.INVALID}
        self._withheld = withheld
        self._quarantined = quarantined
        self._apart_before = quarantined()
        self._cast = _casting(header, content, policy, mode, quarantined)

    @property
    def votes(self) -> tuple[Vote, ...]:
        """What counts now: one vote an adapter, the stateful executor's first."""
        given = self.cast if self.own is None else (self.own, *self.cast)
        again = {vote.adapter for vote in given if vote.kind is not VoteKind.ABSTAIN}
        standing = {name: vote for name, vote in self._earlier.items() if name not in again}
        return (*(vote for vote in given if vote.adapter not in standing), *standing.values())

    @property
    def quarantined(self) -> frozenset[str]:
        """The adapters whose votes weigh nothing now."""
        return self._quarantined()

    def add(self, result: Result) -> Vote:
        """One adapter's result, and what it is read as now. In prestate mode earlier votes may change by it."""
        self.results.append(result)
        votes = self._cast(self.results)
        if self._withheld:
            votes = [withhold(vote, self._withheld) for vote in votes]
        self.cast = tuple(votes)
        return votes[-1]

    def decision(self, *, closed: bool = False) -> Decision:
        """What the votes so far amount to. closed: no vote is awaited.

        Who is put in quarantine for a vote on this very block weighs nothing more, and stays a disagreement.
        """
        decision = decide(self.policy, self.votes, closed=closed, quarantined=self.quarantined)
        if self.quarantined == self._apart_before:
            return decision
        with_them = decide(self.policy, self.votes, closed=closed, quarantined=self._apart_before)
        return replace(decision, disagreement=decision.disagreement or with_them.disagreement)


def _standing(statement: Statement) -> Vote:
    """A vote that was cast when the block was judged before, and stands."""
    return Vote(statement.adapter, statement.lineage, statement.kind, f"said before: {statement.summary}")


def _casting(
    header: Header, content: BlockWitness, policy: QuorumPolicy, mode: Mode, quarantined: Callable[[], frozenset[str]]
) -> Callable[[Sequence[Result]], Sequence[Vote]]:
    if mode is Mode.PROOF:
        return lambda results: [cast_vote(header, result) for result in results]
    recorded = None if content.poststate is None else decode_poststate(content.poststate)

    def cast(results: Sequence[Result]) -> Sequence[Vote]:
        apart = quarantined()  # what they computed is no part of what a quorum agrees on
        weighing = iter(cast_votes(header, [each for each in results if each.adapter not in apart], policy, recorded))
        return [
            read_result(header, each, unproven=True) if each.adapter in apart else next(weighing) for each in results
        ]

    return cast


def contradiction(header: Header, content: BlockWitness, root: bytes, mode: Mode) -> str:
    """What the file's nodes say against its prestate, or "": wrong values would make a good block INVALID.

    root: of the state before the block. Takes tens of milliseconds on a large witness.
    """
    if mode is Mode.PROOF:
        return ""
    findings = check_sections(replace(content, poststate=None), header, root)
    return next((f"prestate: {each.text}" for each in findings if each.severity is Severity.ERROR), "")


def acceptance(header: Header, executor: str, lineage: str) -> Result:
    """What the stateful executor says of a block by accepting it: that it computed every value of its header."""
    return Result(
        executor,
        lineage,
        Computed(
            state_root=header.state_root,
            receipts_root=header.receipts_root,
            logs_bloom=header.logs_bloom,
            gas_used=header.gas_used,
            transactions_root=header.transactions_root,
            blob_gas_used=header.blob_gas_used,
            withdrawals_root=header.withdrawals_root,
            requests_hash=header.requests_hash,
            block_access_list_hash=header.block_access_list_hash,
        ),
    )


def refusal(detail: str, executor: str, lineage: str) -> Result:
    """What the stateful executor says of a block by refusing it. detail: its validationError."""
    return Result(executor, lineage, BrokenRule("execution_client", detail or "no reason given"))


def summarize(
    policy: QuorumPolicy, decision: Decision, votes: Sequence[Vote], quarantined: frozenset[str] = frozenset()
) -> str:
    """A decision in one line for people: how many of how many, who against, who is silent or not heard, and why."""
    text = f"{len(decision.valid)} of {len(policy.lineages)} lineages VALID, {policy.required} needed"
    apart = sorted(quarantined & {vote.adapter for vote in votes})
    votes = [vote for vote in votes if vote.adapter not in quarantined]
    against = sorted(vote.adapter for vote in votes if vote.kind is VoteKind.INVALID)
    if against:
        text += f"; INVALID by {', '.join(against)}"
    silent = {vote.adapter: (vote.reason or "").split(":")[0] for vote in votes if vote.kind is VoteKind.ABSTAIN}
    answered = {vote.adapter for vote in votes} | set(apart)
    silent |= {name: "no answer" for name in policy.adapters if name not in answered}
    if silent:
        text += f"; silent: {', '.join(f'{name} ({why})' for name, why in sorted(silent.items()))}"
    if apart:
        text += f"; in quarantine: {', '.join(apart)}"
    return text
