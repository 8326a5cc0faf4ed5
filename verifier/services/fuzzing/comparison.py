"""Whether clients differ about a generated block, who, and in what. Nobody knows the right answer: they are compared.

What most lineages say counts as the rule; where two answers have as many, what the builder said. It need not be right.
"""

from collections import defaultdict
from dataclasses import dataclass

from verifier.domain.conformance import (
    Answer,
    CaseName,
    Difference,
    DifferenceKind,
    ExaminedBlock,
    ExaminedCase,
    Expected,
    Said,
)
from verifier.services.conformance.known import KnownDifferences

from .construction import REFUSED

VALID, REFUSES, EXECUTES, CANNOT = "valid", "refuses", "executes", "cannot tell"
FAILED = "could not be run"
STATEFUL = " with state"
BUILDER = "the builder"


@dataclass(frozen=True, slots=True)
class Divergence:
    """A difference. label: what was wrong with the block on purpose. rule: what most say.

    outcomes: the others, (client, what it says), sorted. known: why each is known, "" if one of them is not.
    """

    label: str
    rule: str
    outcomes: tuple[tuple[str, str], ...]
    known: str = ""

    @property
    def key(self) -> str:
        """The same for the same difference, whatever the block."""
        said = "; ".join(f"{client}: {outcome}" for client, outcome in self.outcomes)
        return f"{self.label or 'block'}: most: {self.rule}; {said}"

    @property
    def clients(self) -> tuple[str, ...]:
        """Who differs."""
        return tuple(dict.fromkeys(client.removesuffix(STATEFUL) for client, _ in self.outcomes))


def compare(examined: ExaminedCase, label: str, known: KnownDifferences) -> Divergence | None:
    """The difference of one generated block, None where all agree with each other and with the builder."""
    if examined.failure:
        return Divergence(label, "", (("", f"{FAILED}: {examined.failure}"),))
    if not examined.blocks:
        return None  # a fork that nobody was asked about
    (block,) = examined.blocks
    said = [(answer, outcome_of(answer, block)) for answer in block.answers]
    if not said:
        return None
    expected = VALID if block.expected is Expected.VALID else REFUSES
    rule = _rule([(answer.lineage, outcome) for answer, outcome in said], expected)
    differing = [(answer, outcome) for answer, outcome in said if outcome != rule]
    if not differing:
        return None if rule == expected else Divergence(label, rule, ((BUILDER, expected),))
    outcomes = tuple(sorted({(_name(answer), outcome) for answer, outcome in differing}))
    reasons = [known.explain(_difference(examined.name, rule, outcome, answer)).known for answer, outcome in differing]
    return Divergence(label, rule, outcomes, "; ".join(dict.fromkeys(reasons)) if all(reasons) else "")


def outcome_of(answer: Answer, block: ExaminedBlock) -> str:
    """What a client says, as coarsely as it is the same for all where nothing is wrong.

    Of a block that is invalid on purpose there is no more to it than that it is refused; but a transaction that may not
    be included has to be refused, and not executed.
    """
    if answer.said is Said.VALID:
        return VALID
    if answer.said is Said.ABSTAIN:
        return f"{CANNOT}: {answer.reason.partition(':')[0]}"
    if block.expected is Expected.INVALID:
        return EXECUTES if block.exception == REFUSED and answer.fields else REFUSES
    if answer.fields:
        return f"computes another {', '.join(sorted(answer.fields))}"
    return f"{REFUSES}: {answer.reason.removeprefix('broken_rule: ').partition(':')[0]}"


def _rule(said: list[tuple[str, str]], expected: str) -> str:
    lineages: dict[str, set[str]] = defaultdict(set)
    for lineage, outcome in said:
        if not outcome.startswith(CANNOT):
            lineages[outcome].add(lineage)
    if not lineages:
        return expected
    return max(sorted(lineages), key=lambda outcome: (len(lineages[outcome]), outcome == expected))


def _difference(name: CaseName, rule: str, outcome: str, answer: Answer) -> Difference:
    text = f"{outcome}: {answer.reason}" if answer.reason else outcome
    return Difference(name, 0, answer.client, _kind(rule, outcome), text, answer.stateful)


def _name(answer: Answer) -> str:
    return f"{answer.client}{STATEFUL}" if answer.stateful else answer.client


def _kind(rule: str, outcome: str) -> DifferenceKind:
    if outcome.startswith(CANNOT):
        return DifferenceKind.CANNOT_TELL
    if outcome == VALID:
        return DifferenceKind.ACCEPTS_INVALID
    return DifferenceKind.REJECTS_VALID if rule == VALID else DifferenceKind.OTHER_REASON
