"""What the demonstration shows, slot by slot, and what each slot has to come to. Pure: no clock, nothing runs here."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from verifier.domain.block import BlockReference
from verifier.domain.dispute import Conclusion, DisputeRule, open_dispute, stated
from verifier.domain.quorum import QuorumPolicy, Verdict, decide
from verifier.domain.result import Mode
from verifier.domain.statement import Statement
from verifier.domain.vote import Vote, VoteKind

FEWEST_SLOTS = 12  # with fewer not everything fits in
DEPTH = 3  # blocks of the bad branch
SOMEWHERE = BlockReference(0, 0, bytes(32))  # what is predicted is so of any block


class Act(StrEnum):
    """Who is wrong: nobody, one client, the execution client itself, or more clients than are right."""

    HONEST = "honest"
    ONE_LIES = "one client lies"
    CLIENT_ERRS = "the execution client errs"
    MAJORITY_LIES = "the majority lies"


@dataclass(frozen=True, slots=True)
class Scene:
    """What is done from one slot on. liars: adapters that are made to lie about its block.

    verdict, conclusion: what the votes and the dispute have to come to; None where there is no dispute, or none that
    ends without a person. depth: blocks, one a slot, each on the one before. symptom: words that have to be in what the
    localization says.
    """

    slot: int
    act: Act
    liars: tuple[str, ...]
    verdict: Verdict
    conclusion: Conclusion | None = None
    depth: int = 1
    symptom: str = ""

    @property
    def attested(self) -> bool:
        """Whether the block has to be attested."""
        return self.verdict is Verdict.ATTEST

    @property
    def rolled_back(self) -> bool:
        """Whether everybody has to go back from it."""
        return self.conclusion is Conclusion.INVALID


@dataclass(frozen=True, slots=True)
class Voting:
    """Who takes part. policy, rule: the quorum's and the disputes'. executor: the execution client's name in both.

    able: who can be made to lie. symptom: words in which the execution client's error has to be found.
    """

    policy: QuorumPolicy
    rule: DisputeRule
    executor: str
    able: frozenset[str]
    symptom: str = ""

    def adapters_of(self, lineages: Collection[str]) -> tuple[str, ...]:
        """All adapters of some lineages, also late ones, but for the execution client."""
        return tuple(
            name for name, lineage in self.rule.adapters.items() if lineage in lineages and name != self.executor
        )

    @property
    def others(self) -> tuple[str, ...]:
        """Lineages that can be made to lie, without the execution client's; those that count for the quorum last."""
        own = self.rule.adapters[self.executor]
        honest = {lineage for name, lineage in self.rule.adapters.items() if name not in self.able}
        lineages = [each for each in dict.fromkeys(self.rule.adapters.values()) if each not in honest | {own}]
        return tuple(sorted(lineages, key=lambda each: each in self.policy.lineages))

    def verdict(self, against: Collection[str]) -> Verdict:
        """What everybody's votes come to where these adapters say INVALID."""
        votes = [
            Vote(name, lineage, VoteKind.INVALID if name in against else VoteKind.VALID)
            for name, lineage in self.policy.adapters.items()
        ]
        return decide(self.policy, votes, closed=True).verdict

    def conclusion(self, against: Collection[str]) -> Conclusion | None:
        """What a dispute comes to where these adapters say INVALID and the others VALID; None: nothing, for now."""
        dispute = open_dispute(SOMEWHERE, "predicted", 0.0, self.rule)
        for name, lineage in self.rule.adapters.items():
            kind = VoteKind.INVALID if name in against else VoteKind.VALID
            statement = Statement(SOMEWHERE, name, lineage, Mode.PROOF, kind, kind.encode(), "", 0.0)
            dispute = stated(dispute, statement, self.rule, 0.0)
        return dispute.conclusion


@dataclass(frozen=True, slots=True)
class Program:
    """The scenes in their order; and what cannot be shown with these clients, with why."""

    scenes: tuple[Scene, ...]
    left_out: Mapping[Act, str] = field(default_factory=dict)


def program(voting: Voting, slots: int, slots_per_epoch: int) -> Program:
    """The scenes from slot 1 to the last slot. Raises ValueError for too few slots."""
    if slots < FEWEST_SLOTS:
        raise ValueError(f"{slots} slots, at least {FEWEST_SLOTS} are needed")
    acts, left_out = _acts(voting)
    starting = {each.slot: each for each in _placed(acts, slots, slots_per_epoch)}
    scenes: list[Scene] = []
    slot = 1
    while slot <= slots:
        scenes.append(starting.get(slot) or Scene(slot, Act.HONEST, (), Verdict.ATTEST))
        slot += scenes[-1].depth
    return Program(tuple(scenes), left_out)


def _acts(voting: Voting) -> tuple[list[Scene], dict[Act, str]]:
    """Those in which somebody is wrong, in slot 0; and what makes no sense here."""
    left_out: dict[Act, str] = {}
    one = voting.adapters_of(voting.others[-1:])
    acts = [Scene(0, Act.ONE_LIES, one, voting.verdict(one), voting.conclusion(one))]
    honest = [name for name in voting.rule.adapters if name != voting.executor]
    if voting.verdict(honest) is not Verdict.ATTEST and voting.conclusion(honest) is Conclusion.INVALID:
        verdict, conclusion = voting.verdict(honest), voting.conclusion(honest)
        acts.append(Scene(0, Act.CLIENT_ERRS, (), verdict, conclusion, DEPTH, voting.symptom))
    else:
        left_out[Act.CLIENT_ERRS] = "too few lineages are here to conclude anything against it"
    many = _majority(voting)
    if len(many) > len(one):
        acts.append(Scene(0, Act.MAJORITY_LIES, many, voting.verdict(many), voting.conclusion(many)))
    else:
        left_out[Act.MAJORITY_LIES] = "one client is the majority of those beside the execution client"
    return acts, left_out


def _majority(voting: Voting) -> tuple[str, ...]:
    """As few as conclude that a good block is INVALID; where they cannot be had, more than half of those that count."""
    others = voting.others
    for count in range(1, len(others) + 1):
        liars = voting.adapters_of(others[len(others) - count :])
        if voting.verdict(liars) is Verdict.REJECT and voting.conclusion(liars) is Conclusion.INVALID:
            return liars
    live = [each for each in others if each in voting.policy.lineages]
    return voting.adapters_of(live[-(len(voting.policy.lineages) // 2 + 1) :])


def _placed(acts: Sequence[Scene], slots: int, slots_per_epoch: int) -> list[Scene]:
    """The acts spread over the slots, with honest ones before, between and after.

    None has an epoch's first slot where that can be had: a target that nobody verifies keeps its epoch from being
    attested.
    """
    wanted = [1 + slots * (index + 1) / (len(acts) + 1) - act.depth / 2 for index, act in enumerate(acts)]
    starts = _starts(acts, wanted, 2, slots, slots_per_epoch) or _starts(acts, wanted, 2, slots, slots + 1)
    assert starts is not None, "the fewest slots have room for all"
    return [replace(act, slot=start) for act, start in zip(acts, starts, strict=True)]


def _starts(
    acts: Sequence[Scene], wanted: Sequence[float], first: int, slots: int, slots_per_epoch: int
) -> list[int] | None:
    """First slots from `first` on, each as near to the wanted one as leaves room for the rest; None: there is none."""
    if not acts:
        return []
    depth = acts[0].depth
    possible = [
        at for at in range(first, slots - depth + 1) if all(slot % slots_per_epoch for slot in range(at, at + depth))
    ]
    for at in sorted(possible, key=lambda slot: abs(slot - wanted[0])):
        rest = _starts(acts[1:], wanted[1:], at + depth + 1, slots, slots_per_epoch)
        if rest is not None:
            return [at, *rest]
    return None
