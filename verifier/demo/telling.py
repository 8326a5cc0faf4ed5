"""What somebody's being wrong came to, in words: for the terminal and for the report."""

from collections.abc import Sequence

from .expectation import INVALID, Answer, Shown
from .program import Act

SHORT = 10  # characters of a hash


def act_of(shown: Shown, error: str) -> str:
    """Who is wrong about what, one line. error: what is made wrong in the execution client."""
    scene = shown.scene
    if scene.act is Act.CLIENT_ERRS:
        return f"The execution client's error: {error}. It says VALID of the block, and builds {scene.depth - 1} on it."
    about = "a good block" if scene.rolled_back else "the block"
    return f"{', '.join(scene.liars)}: made to tell another state root of {about} than computed."


def consequences(shown: Shown) -> list[tuple[str, str]]:
    """What followed, in its order: what it is about, and what is said of that."""
    told = [
        ("verdict", f"{shown.verdict}{', a disagreement' if shown.disagreement else ''}"),
        ("engine gate", _engine(shown)),
        ("attestation", shown.attestation),
    ]
    dispute = shown.dispute
    if dispute is None:
        return told
    if dispute.conclusion:
        seconds = f" after {dispute.seconds:.1f} s"
        told.append(("dispute", f"{dispute.id} concluded {dispute.conclusion.upper()}{seconds}: {dispute.reason}"))
    else:
        told.append(("dispute", f"{dispute.id} stays open, for a person to decide: {dispute.reason}"))
    told.append(("they part in", f"{dispute.localized or 'not found'} ({dispute.localizing_seconds:.1f} s)"))
    told.append(("evidence", f"work/evidence/{dispute.evidence}" if dispute.evidence else "none"))
    if dispute.quarantined:
        word = ", until an operator's word (`verifier adapters release`)" if dispute.released else ""
        told.append(("in quarantine", f"{', '.join(dispute.quarantined)}{word}"))
    if dispute.step:
        back = f"to block {shown.number - 1} {dispute.target[:SHORT]}, {dispute.step}"
        told.append(("rolled back", f"{back}; the execution client: {dispute.moved or 'not moved'}"))
    if dispute.client_head:
        at = "that block" if dispute.client_head == dispute.target else dispute.client_head[:SHORT]
        told.append(("its head, asked", f"{at}"))
    if dispute.again:
        told.append(("engine gate, asked again", _again(dispute.again, shown)))
    if shown.scene.act is Act.CLIENT_ERRS:
        again = "; its transaction stays in the pool, for the next block" if shown.carries else ""
        told.append(("repaired", f"its operator replaces the client, from here on the error is gone{again}"))
    if shown.scene.rolled_back and shown.scene.act is Act.MAJORITY_LIES:
        limit = "the block was good: where enough lineages are wrong in the same way, n of m believes them"
        told.append(("the limit", f"{limit}; nothing was attested that they reject, and the chain goes on"))
    return told


def _engine(shown: Shown) -> str:
    above = ", ".join(f"block {each.number} {each.status}" for each in shown.above)
    head = f"; as the head {shown.head}" if shown.head else ""
    held = "" if shown.scene.attested else "held, "
    return f"{held}{shown.engine} after {shown.engine_ms:.0f} ms{f' (above: {above})' if above else ''}{head}"


def _again(again: Sequence[Answer], shown: Shown) -> str:
    words = {each.status for each in again}
    valid = {each.latest_valid for each in again}
    if words == {INVALID} and valid == {shown.parent}:
        count = "it" if len(again) == 1 else f"all {len(again)} blocks"
        return f"INVALID of {count}, the last valid block is {shown.number - 1} {shown.parent[:SHORT]}"
    return ", ".join(f"block {each.number} {each.status} {each.latest_valid[:SHORT]}" for each in again)
