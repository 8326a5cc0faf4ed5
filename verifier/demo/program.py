"""What the demonstration shows, slot by slot, and what each slot has to come to. Pure: no clock, nothing runs here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from verifier.domain.quorum import QuorumPolicy, Verdict, decide
from verifier.domain.vote import Vote, VoteKind

FEWEST_SLOTS = 12  # with fewer not everything fits in
LIE_OFFSET = 3  # slots into an epoch: a block that is a target would keep its whole epoch from being attested


class Act(StrEnum):
    """Who is made to lie: nobody, one client, or more than half of those that count."""

    HONEST = "honest"
    ONE_LIES = "one client lies"
    MAJORITY_LIES = "the majority lies"


@dataclass(frozen=True, slots=True)
class Scene:
    """One slot. liars: adapters that are made to lie about its block. verdict: what the votes have to come to."""

    slot: int
    act: Act
    liars: tuple[str, ...]
    verdict: Verdict

    @property
    def attested(self) -> bool:
        """Whether the block has to be attested."""
        return self.verdict is Verdict.ATTEST


def program(policy: QuorumPolicy, executor: str, slots: int, slots_per_epoch: int) -> tuple[Scene, ...]:
    """The scenes from slot 1 on. executor: the name of the execution client among the policy's adapters."""
    adapters = [name for name in policy.adapters if name != executor]
    lineages = list(dict.fromkeys(policy.adapters[name] for name in adapters))
    lie, uprising = _lying_slots(slots, slots_per_epoch)
    majority = len(policy.lineages) // 2 + 1
    scenes = []
    for slot in range(1, slots + 1):
        act = Act.ONE_LIES if slot == lie else Act.MAJORITY_LIES if slot == uprising else Act.HONEST
        count = {Act.HONEST: 0, Act.ONE_LIES: 1, Act.MAJORITY_LIES: min(majority, len(lineages))}[act]
        lying = lineages[len(lineages) - count :]
        liars = tuple(name for name in adapters if policy.adapters[name] in lying)
        scenes.append(Scene(slot, act, liars, _verdict(policy, liars)))
    return tuple(scenes)


def _lying_slots(slots: int, slots_per_epoch: int) -> tuple[int, int]:
    """A quarter into it and five eighths into it, each at the next slot that is early in an epoch and not its first."""
    if slots < FEWEST_SLOTS:
        raise ValueError(f"{slots} slots, at least {FEWEST_SLOTS} are needed")
    offset = min(LIE_OFFSET, slots_per_epoch - 1)
    candidates = [slot for slot in range(2, slots - 1) if slot % slots_per_epoch == offset] or [2]
    lie = min(candidates, key=lambda slot: abs(slot - slots / 4))
    later = [slot for slot in range(lie + 2, slots - 1) if slot % slots_per_epoch != 0]
    return lie, min(later, key=lambda slot: abs(slot - slots * 5 / 8))


def _verdict(policy: QuorumPolicy, liars: Sequence[str]) -> Verdict:
    """What everybody's votes come to where these adapters lie."""
    votes = [
        Vote(name, lineage, VoteKind.INVALID if name in liars else VoteKind.VALID)
        for name, lineage in policy.adapters.items()
    ]
    return decide(policy, votes, closed=True).verdict


@dataclass(frozen=True, slots=True)
class Shown:
    """What a slot came to. Hashes 0x-hex. Times in milliseconds.

    engine: the status that the engine gate answered, engine_ms what that took. votes: adapter → its vote's kind.
    attestation: "sent", or why not. standing: the block's at the end of its slot. counted: attestations for it that
    reached the beacon node.
    """

    scene: Scene
    number: int
    block_hash: str
    engine: str
    engine_ms: float
    verdict: str
    disagreement: bool
    votes: Mapping[str, str]
    attestation: str
    attestation_ms: float
    counted: int
    standing: str = ""
    reasons: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """Something that has to hold, and whether it does. detail: what contradicts it."""

    what: str
    held: bool
    detail: str = ""


def expectations(shown: Sequence[Shown], strays: int) -> tuple[Expectation, ...]:
    """Whether what was shown is as it has to be. strays: attestations at the beacon node for none of the blocks."""
    honest = [each for each in shown if each.scene.act is Act.HONEST]
    lied = [each for each in shown if each.scene.act is not Act.HONEST]
    refused = [each for each in shown if not each.scene.attested]
    first = {each.scene.act: each.scene.slot for each in reversed(lied)}
    after = [each for each in honest if Act.MAJORITY_LIES in first and each.scene.slot > first[Act.MAJORITY_LIES]]
    return (
        _all("every honest block got ATTEST and VALID", honest, lambda each: (each.verdict, each.engine) == GOOD),
        _all("every honest block was attested once", honest, lambda each: each.counted == 1),
        _all("every lie was seen as a disagreement", lied, lambda each: each.disagreement),
        _all("votes came to what n of m says", lied, lambda each: each.verdict == each.scene.verdict),
        _all("a lie that changes nothing keeps nobody from attesting", [each for each in lied if each.scene.attested],
             lambda each: each.counted == 1 and each.engine == "VALID"),
        _all("no VALID came out for a block without a quorum", refused, lambda each: each.engine != "VALID"),
        _all("no attestation for it was let through", refused, lambda each: each.counted == 0),
        Expectation("no attestation for anything else reached the beacon node", strays == 0, f"{strays} did"),
        Expectation("the chain went on without that block", bool(after), "no slot was left"),
        Expectation(
            "both kinds of lies were shown", set(first) == {Act.ONE_LIES, Act.MAJORITY_LIES}, "the time was too short"
        ),
    )  # fmt: skip


GOOD = (Verdict.ATTEST.value, "VALID")


def _all(what: str, shown: Sequence[Shown], holds: Callable[[Shown], bool]) -> Expectation:
    wrong = [each for each in shown if not holds(each)]
    detail = "; ".join(
        f"slot {each.scene.slot}: {each.verdict}, {each.engine}, {each.counted} attestations ({each.attestation})"
        for each in wrong[:5]
    )
    return Expectation(what, not wrong, detail)
