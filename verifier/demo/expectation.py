"""What a slot of the demonstration came to, and whether that is as it has to be. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from verifier.domain.dispute import Conclusion
from verifier.domain.quorum import Verdict
from verifier.domain.rollback import RollbackStep

from .program import Act, Scene

VALID, INVALID = "VALID", "INVALID"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the engine gate says of a block. Hashes 0x-hex; latest_valid: its latestValidHash, "" if none."""

    number: int
    block_hash: str
    status: str
    latest_valid: str = ""


@dataclass(frozen=True, slots=True)
class DisputeShown:
    """A dispute and what followed from it. conclusion: "" where it is open. seconds: until the conclusion.

    localized: where the sides part, one line; place: of what kind that is. evidence: the bundle's name. quarantined:
    whom the conclusion put there; released: who of them counts again by an operator's word. target: hash of the block
    that everybody went back to; step, moved: how far the rollback came, and how the execution client was moved.
    client_head: where the execution client then is. again: what the engine gate says when it is asked once more.
    """

    id: str
    conclusion: str
    reason: str
    seconds: float
    localized: str = ""
    place: str = ""
    localizing_seconds: float = 0.0
    evidence: str = ""
    quarantined: tuple[str, ...] = ()
    released: tuple[str, ...] = ()
    target: str = ""
    step: str = ""
    moved: str = ""
    note: str = ""
    client_head: str = ""
    again: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """What a scene came to. Hashes 0x-hex. Times in milliseconds.

    parent: the block's. engine: the status that the engine gate answered, engine_ms what that took; head: what it
    answered to a fork choice, "" if it was not asked. votes: adapter → its vote's kind. attestation: "sent", or why
    not. standing: the block's at the end of its slot. counted: attestations for it that reached the beacon node, and
    for those that stand on it. above: those, where they are part of the scene. carries: those of its transactions that
    bring an error of the execution client about, 0x-hex.
    """

    scene: Scene
    number: int
    block_hash: str
    parent: str
    engine: str
    engine_ms: float
    head: str
    verdict: str
    disagreement: bool
    votes: Mapping[str, str]
    attestation: str
    attestation_ms: float
    counted: int
    standing: str = ""
    reasons: Mapping[str, str] = field(default_factory=dict)
    above: tuple[Answer, ...] = ()
    dispute: DisputeShown | None = None
    carries: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Expectation:
    """Something that has to hold, and whether it does. detail: what contradicts it."""

    what: str
    held: bool
    detail: str = ""


def expectations(
    shown: Sequence[Shown], strays: int, left_out: Mapping[Act, str] | None = None
) -> tuple[Expectation, ...]:
    """Whether what was shown is as it has to be.

    strays: attestations at the beacon node for none of the blocks. left_out: acts that need not be there. What there is
    nothing of is left out.
    """
    honest = [each for each in shown if each.scene.act is Act.HONEST]
    wrong = [each for each in shown if each.scene.act is not Act.HONEST]
    refused = [each for each in shown if not each.scene.attested]
    back = [each for each in shown if each.scene.rolled_back]
    alone = [each for each in shown if each.scene.conclusion is Conclusion.VALID]
    last = max((each.scene.slot for each in honest), default=0)
    missing = set(Act) - {each.scene.act for each in shown} - set(left_out or {})
    asked = (
        _all("every honest block got ATTEST and VALID", honest, lambda each: (each.verdict, each.engine) == GOOD),
        _all("every honest block was attested once", honest, lambda each: each.counted == 1),
        _all("every lie and error was seen as a disagreement", wrong, lambda each: each.disagreement),
        _all("votes came to what n of m says", wrong, lambda each: each.verdict == each.scene.verdict),
        _all("a lie that changes nothing keeps nobody from attesting", [each for each in wrong if each.scene.attested],
             lambda each: each.counted == 1 and each.engine == VALID),
        _all("no VALID came out for a block without a quorum, nor for what stands on it", refused,
             lambda each: VALID not in (each.engine, each.head, *(one.status for one in each.above))),
        _all("no attestation for it was let through", refused, lambda each: each.counted == 0),
        Expectation("no attestation for anything else reached the beacon node", strays == 0, f"{strays} did"),
        _all("every dispute was concluded as the clients' words amount to", wrong, _concluded),
        _all("it was said where the clients part, and the evidence is kept", wrong, _found),
        _all("who lied alone was in quarantine until an operator's word", alone, _quarantined),
        _all("from what was concluded INVALID all went back to the block before it, the execution client too", back,
             _went_back),
        _all("since then the engine gate says INVALID of it, with the last valid block", back, _refused),
        _all("the chain went on without it", refused, lambda each: each.scene.slot < last),
        _all("the transaction that brought an error about is in the chain that went on, executed rightly", back,
             lambda each: not set(each.carries) - {one for other in honest for one in other.carries}),
        Expectation("everything that can be shown here was shown", not missing, ", ".join(sorted(missing))),
    )  # fmt: skip
    return tuple(each for each in asked if each is not None)


GOOD = (Verdict.ATTEST.value, VALID)


def _concluded(shown: Shown) -> bool:
    return shown.dispute is not None and shown.dispute.conclusion == (shown.scene.conclusion or "")


def _found(shown: Shown) -> bool:
    dispute = shown.dispute
    return dispute is not None and bool(dispute.evidence and dispute.place) and shown.scene.symptom in dispute.localized


def _quarantined(shown: Shown) -> bool:
    dispute, liars = shown.dispute, set(shown.scene.liars)
    return dispute is not None and set(dispute.quarantined) == set(dispute.released) == liars


def _went_back(shown: Shown) -> bool:
    dispute = shown.dispute
    if dispute is None or not dispute.moved:
        return False
    return dispute.step == RollbackStep.DONE and dispute.target == dispute.client_head == shown.parent


def _refused(shown: Shown) -> bool:
    """The block, and each that was built on it."""
    again = () if shown.dispute is None else shown.dispute.again
    told = {each.block_hash: (each.status, each.latest_valid) for each in again}
    blocks = (shown.block_hash, *(each.block_hash for each in shown.above))
    return all(told.get(each) == (INVALID, shown.parent) for each in blocks)


def _all(what: str, shown: Sequence[Shown], holds: Callable[[Shown], bool]) -> Expectation | None:
    if not shown:
        return None
    wrong = [each for each in shown if not holds(each)]
    return Expectation(what, not wrong, "; ".join(map(_told, wrong[:5])))


def _told(shown: Shown) -> str:
    text = (
        f"slot {shown.scene.slot}: {shown.verdict}, {shown.engine}, {shown.counted} attestations ({shown.attestation})"
    )
    dispute = shown.dispute
    if dispute is None:
        return text
    parts = [f"dispute {dispute.conclusion or 'open'}", dispute.localized or "not localized"]
    if shown.scene.rolled_back:
        parts += [f"rollback {dispute.step or 'not begun'}", f"client moved by {dispute.moved or 'nothing'}"]
        parts += [f"its head {dispute.client_head[:10]}", *(f"then {one.status}" for one in dispute.again)]
    return ", ".join([text, *parts])
