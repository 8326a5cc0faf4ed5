"""A dispute over one block: opened by conflicting votes, concluded by the statements of lineages, or not at all.

opened → concluded VALID | INVALID | UNRESOLVED. What is concluded stays. Only a person's word ends an unresolved one.

No order of statements gives both VALID and INVALID, for a lineage speaks only once all its adapters have, and the two
numbers of lineages that it takes cannot both be had. For two orders to differ, at least `valid + invalid - m` lineages
(m: all of the rule) must hold an adapter that said two different things, or spoke after it was given up.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations

from .block import BlockReference
from .quorum import QuorumPolicy
from .statement import Statement, contradicts
from .vote import VoteKind

# Seconds that a dispute is open. The slowest adapter takes minutes for a full block with its trace; after ten minutes
# an operator is needed, who is told.
DISPUTE_SECONDS = 600.0
HASH_DIGITS = 8  # of the block's hash, in the dispute's name


class Conclusion(StrEnum):
    """UNRESOLVED: the deadline passed, and the statements decided nothing; the block stays closed."""

    VALID = "valid"
    INVALID = "invalid"
    UNRESOLVED = "unresolved"


class DisputeError(ValueError):
    """Something that cannot happen to this dispute: another block's statement, a person's word on a concluded one."""


class DisputeRuleError(DisputeError):
    """A rule that cannot be: a number that is not between 1 and m, two that can both be had, or no time."""


@dataclass(frozen=True, slots=True)
class Dispute:
    """One dispute. id: "<block number>-<first 8 hex digits of the hash>". Times in seconds since the epoch.

    why: what opened it, one line. statements: in the order in which they came. silent: adapters that gave none.
    evidence: the name of its evidence bundle, "" while there is none. reason: of the conclusion, one line.
    """

    id: str
    block: BlockReference
    opened_at: float
    deadline: float
    why: str
    statements: tuple[Statement, ...] = ()
    silent: frozenset[str] = frozenset()
    evidence: str = ""
    conclusion: Conclusion | None = None
    concluded_at: float | None = None
    reason: str = ""

    @property
    def open(self) -> bool:
        """Whether votes can still conclude it."""
        return self.conclusion is None


@dataclass(frozen=True)
class DisputeRule:
    """What concludes a dispute. adapters: name → lineage, all that may state, the stateful executor too.

    valid, invalid: lineages that it takes; together more than there are, so that never both can be had. seconds: until
    it is unresolved. quarantined: adapters whose statements weigh nothing and are not waited for; their lineages are
    still counted among those that there are. Raises DisputeRuleError.
    """

    adapters: Mapping[str, str]
    valid: int
    invalid: int
    seconds: float
    quarantined: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        m = len(self.lineages)
        for name, value in (("VALID", self.valid), ("INVALID", self.invalid)):
            if not 1 <= value <= m:
                raise DisputeRuleError(f"{value} lineages for {name} is not between 1 and the {m} that may state")
        if self.valid + self.invalid <= m:
            raise DisputeRuleError(
                f"{self.valid} lineages for VALID and {self.invalid} for INVALID could both be had among {m}"
            )
        if not self.seconds > 0:
            raise DisputeRuleError(f"{self.seconds} seconds are no time for a dispute")

    @property
    def lineages(self) -> frozenset[str]:
        """Those that may state."""
        return frozenset(self.adapters.values())


@dataclass(frozen=True, slots=True)
class Weights:
    """What the statements so far amount to. pending: lineages that are waited for; the rest says nothing.

    self_contradicting: adapters that said two different things, and so count for neither side.
    """

    valid: frozenset[str]
    invalid: frozenset[str]
    pending: frozenset[str]
    self_contradicting: frozenset[str]


def dispute_rule(
    policy: QuorumPolicy,
    late: Mapping[str, str],
    valid: int | None = None,
    invalid: int | None = None,
    seconds: float = DISPUTE_SECONDS,
) -> DisputeRule:
    """The rule of the quorum's adapters and the late ones (name → lineage), with defaults.

    valid, invalid: n, but more than half of all that may state, the late ones too, and together more than there are: a
    dispute in which two are against two is a person's.
    Raises DisputeRuleError: numbers that cannot be, a VALID by fewer than n, or an adapter that is in both with two
    lineages.
    """
    torn = sorted(name for name in late if policy.adapters.get(name, late[name]) != late[name])
    if torn:
        raise DisputeRuleError(f"of two lineages: {', '.join(torn)}")
    adapters = {**policy.adapters, **late}
    m = len(set(adapters.values()))
    most = max(policy.required, m // 2 + 1)
    if valid is None:
        valid = most if invalid is None else max(most, m - invalid + 1)
    if invalid is None:
        invalid = max(most, m - valid + 1)
    rule = DisputeRule(adapters, valid, invalid, seconds)
    if valid < policy.required:  # it lets the block out as a quorum does
        raise DisputeRuleError(f"{valid} lineages for VALID are fewer than the quorum, {policy.required}")
    return rule


def dispute_id(block: BlockReference) -> str:
    """The name of the dispute over a block, for people. Two blocks can be made to share one: key by hash."""
    return f"{block.number}-{block.hash.hex()[:HASH_DIGITS]}"


def open_dispute(block: BlockReference, why: str, at: float, rule: DisputeRule) -> Dispute:
    """A new dispute, with no statements yet. why: one line. at: seconds since the epoch."""
    return Dispute(dispute_id(block), block, at, at + rule.seconds, why)


def stated(dispute: Dispute, statement: Statement, rule: DisputeRule, at: float) -> Dispute:
    """The dispute with one more statement, concluded if that decides it. at: seconds since the epoch.

    A word that is there already adds nothing. The same result, read otherwise (prestate mode), takes the place of its
    earlier reading. What comes after the conclusion or the deadline is kept, and changes no conclusion. Raises
    DisputeError: a statement on another block, or an abstention.
    """
    if statement.block.hash != dispute.block.hash:
        raise DisputeError(f"dispute {dispute.id}: a statement on block {statement.block}")
    if statement.kind is VoteKind.ABSTAIN:
        raise DisputeError(f"dispute {dispute.id}: an abstention is no statement")
    dispute = at_time(dispute, at)
    place = next((index for index, each in enumerate(dispute.statements) if _result(each) == _result(statement)), None)
    if place is None:
        statements = (*dispute.statements, statement)
    elif dispute.statements[place].kind is statement.kind:
        return dispute
    else:
        statements = (*dispute.statements[:place], *dispute.statements[place + 1 :], statement)
    return _concluded(replace(dispute, statements=statements, silent=dispute.silent - {statement.adapter}), rule, at)


def fell_silent(dispute: Dispute, adapter: str, rule: DisputeRule, at: float) -> Dispute:
    """The dispute without hope of a statement of this adapter. at: seconds since the epoch.

    It may still come, and then counts, if nothing is concluded. Of one that has stated it says nothing.
    """
    dispute = at_time(dispute, at)
    if adapter in dispute.silent or any(each.adapter == adapter for each in dispute.statements):
        return dispute
    return _concluded(replace(dispute, silent=dispute.silent | {adapter}), rule, at)


def at_time(dispute: Dispute, at: float) -> Dispute:
    """The dispute at a time (seconds since the epoch): UNRESOLVED once its deadline is reached, if nothing was."""
    if not dispute.open or at < dispute.deadline:
        return dispute
    seconds = dispute.deadline - dispute.opened_at
    reason = f"after {seconds:g} seconds the statements decided nothing"
    return replace(dispute, conclusion=Conclusion.UNRESOLVED, concluded_at=at, reason=reason)


def ruled(dispute: Dispute, conclusion: Conclusion, why: str, at: float) -> Dispute:
    """The dispute as a person ends it, whatever was said, open or unresolved. why: one line, with who says so.

    The same word twice is one. Raises DisputeError: VALID on what is concluded INVALID, or the opposite; UNRESOLVED.
    """
    if conclusion is Conclusion.UNRESOLVED:
        raise DisputeError(f"dispute {dispute.id}: a person's word is VALID or INVALID")
    if dispute.conclusion is conclusion:
        return dispute
    if dispute.conclusion in (Conclusion.VALID, Conclusion.INVALID):
        raise DisputeError(f"dispute {dispute.id} is concluded already: {dispute.conclusion}: {dispute.reason}")
    return replace(dispute, conclusion=conclusion, concluded_at=at, reason=why)


def with_evidence(dispute: Dispute, name: str) -> Dispute:
    """The dispute with its evidence bundle's name."""
    return replace(dispute, evidence=name)


def dissenters(dispute: Dispute) -> frozenset[str]:
    """The adapters that said the opposite of the conclusion, also late, or once of twice; none while there is none."""
    against = {Conclusion.VALID: VoteKind.INVALID, Conclusion.INVALID: VoteKind.VALID}
    if dispute.conclusion is None or dispute.conclusion not in against:
        return frozenset()
    kind = against[dispute.conclusion]
    return frozenset(each.adapter for each in dispute.statements if each.kind is kind)


def weigh(dispute: Dispute, rule: DisputeRule) -> Weights:
    """What each lineage says, whatever the conclusion.

    A lineage speaks when all its adapters have stated or fallen silent, and those that stated agree. An adapter that
    contradicted itself counts for neither side, as if it were silent; statements of adapters that the rule does not
    have, or has with another lineage, do not count.
    """
    words: dict[str, list[Statement]] = {}
    for each in dispute.statements:
        if rule.adapters.get(each.adapter) == each.lineage and each.adapter not in rule.quarantined:
            words.setdefault(each.adapter, []).append(each)
    torn = frozenset(name for name, said in words.items() if not _consistent(said))
    said = {name: said[0].kind for name, said in words.items() if name not in torn}
    waited_for = rule.adapters.keys() - words.keys() - dispute.silent - rule.quarantined
    pending = frozenset(rule.adapters[name] for name in waited_for)
    kinds: dict[str, set[VoteKind]] = {}
    for name, kind in said.items():
        kinds.setdefault(rule.adapters[name], set()).add(kind)
    spoken = {lineage: heard for lineage, heard in kinds.items() if lineage not in pending and len(heard) == 1}
    valid = frozenset(lineage for lineage, heard in spoken.items() if VoteKind.VALID in heard)
    return Weights(valid, frozenset(spoken) - valid, pending, torn)


def _concluded(dispute: Dispute, rule: DisputeRule, at: float) -> Dispute:
    if not dispute.open:
        return dispute
    weights, m = weigh(dispute, rule), len(rule.lineages)
    for conclusion, lineages, needed in (
        (Conclusion.INVALID, weights.invalid, rule.invalid),
        (Conclusion.VALID, weights.valid, rule.valid),
    ):
        if len(lineages) >= needed:
            named = ", ".join(sorted(lineages))
            reason = f"{len(lineages)} of {m} lineages say {conclusion.upper()} ({named}), {needed} needed"
            return replace(dispute, conclusion=conclusion, concluded_at=at, reason=reason)
    return dispute


def _consistent(said: Iterable[Statement]) -> bool:
    """Whether one adapter's statements are all of one kind, and none contradicts another."""
    return all(one.kind is other.kind and not contradicts(one, other) for one, other in combinations(said, 2))


def _result(statement: Statement) -> tuple[object, ...]:
    return (statement.adapter, statement.mode, statement.digest)
