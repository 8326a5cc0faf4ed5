"""n of m: what the votes of the configured lineages amount to.

m is configured, not counted from who answered, and a lineage counts once however many adapters it has.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from .vote import Vote, VoteKind


class Verdict(StrEnum):
    """ATTEST: enough lineages VALID and not enough INVALID. REJECT: enough INVALID. HOLD: neither."""

    ATTEST = "ATTEST"
    REJECT = "REJECT"
    HOLD = "HOLD"


class QuorumPolicyError(ValueError):
    """A policy that cannot be: no lineages, or a threshold that is not between 1 and m."""


@dataclass(frozen=True)
class QuorumPolicy:
    """Who votes and how many it takes.

    adapters: adapter name → lineage, all that are configured, running or not; m = number of different lineages.
    required: n, lineages that must say VALID. rejecting: lineages whose INVALID rejects. Raises QuorumPolicyError.
    """

    adapters: Mapping[str, str]
    required: int
    rejecting: int

    def __post_init__(self) -> None:
        m = len(self.lineages)
        for name, value in (("quorum", self.required), ("reject threshold", self.rejecting)):
            if not 1 <= value <= m:
                raise QuorumPolicyError(f"{name} {value} is not between 1 and the {m} configured lineages")

    @property
    def lineages(self) -> frozenset[str]:
        """The m lineages that count."""
        return frozenset(self.adapters.values())


def quorum_policy(
    adapters: Mapping[str, str], required: int | None = None, rejecting: int | None = None
) -> QuorumPolicy:
    """A policy with defaults: n = more than half of m; rejecting = as many INVALID as make n VALID impossible."""
    m = len(set(adapters.values()))
    n = m // 2 + 1 if required is None else required
    return QuorumPolicy(dict(adapters), n, m - n + 1 if rejecting is None else rejecting)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the votes so far amount to.

    settled: the verdict may be acted on now. A slower vote may still turn it; that is a disagreement, and reported.
    disagreement: one adapter says VALID and another INVALID, or results contradict each other; whatever the verdict.
    """

    verdict: Verdict
    settled: bool
    valid: frozenset[str]
    invalid: frozenset[str]
    abstaining: frozenset[str]
    disagreement: bool


def decide(
    policy: QuorumPolicy,
    votes: Iterable[Vote],
    *,
    closed: bool = False,
    quarantined: frozenset[str] = frozenset(),
) -> Decision:
    """The decision on `votes`, in whatever order they came. closed: the deadline has passed, no vote is awaited.

    A lineage is INVALID if one of its adapters says so, else VALID if one says so. ATTEST and REJECT are settled as
    soon as they stand; HOLD only when closed, or when the adapters still to answer cannot bring about either.
    Votes of adapters that are not configured do not count, but can make a disagreement. Those of quarantined ones do
    neither, and nobody waits for them; m and n stay as they are, so that enough of them leave nothing but HOLD.
    """
    votes = tuple(vote for vote in votes if vote.adapter not in quarantined)
    counted = [vote for vote in votes if policy.adapters.get(vote.adapter) == vote.lineage]
    invalid = frozenset(vote.lineage for vote in counted if vote.kind is VoteKind.INVALID)
    valid = frozenset(vote.lineage for vote in counted if vote.kind is VoteKind.VALID) - invalid
    answered = {vote.adapter for vote in counted} | quarantined
    pending = frozenset(lineage for adapter, lineage in policy.adapters.items() if adapter not in answered)
    abstaining = policy.lineages - valid - invalid - pending
    if len(invalid) >= policy.rejecting:
        verdict, settled = Verdict.REJECT, True
    elif len(valid) >= policy.required:
        verdict, settled = Verdict.ATTEST, True
    else:
        could_attest = len(valid | (pending - invalid)) >= policy.required
        could_reject = len(invalid | pending) >= policy.rejecting
        verdict, settled = Verdict.HOLD, closed or not (could_attest or could_reject)
    kinds = {vote.kind for vote in votes}
    contradicted = any(vote.kind is VoteKind.ABSTAIN and vote.differences for vote in votes)
    disagreement = contradicted or {VoteKind.VALID, VoteKind.INVALID} <= kinds
    return Decision(verdict, settled, valid, invalid, abstaining, disagreement)
