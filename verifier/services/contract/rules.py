"""Checks of the rules of the protocol: every header field and every list of the body tampered with."""

from collections.abc import Callable, Iterable

from verifier.domain.vote import VoteKind
from witness.errors import EncodingError
from witness.header import decode_block_header

from .bundle import TAMPERED
from .bundled_block import BundledBlock
from .evidence import Evidence
from .execution import NO_BLOCKS
from .subject import Subject, rule_names
from .tampering import (
    Tampered,
    decoded,
    repeated_transaction,
    tampered_bodies,
    tampered_encodings,
    tampered_headers,
)


async def header(subject: Subject, evidence: Evidence) -> None:
    """Each header field tampered with: a broken rule, a computed value that differs, or a rule listed as unchecked."""
    await _check(subject, evidence, _headers)


async def body(subject: Subject, evidence: Evidence) -> None:
    """Each list of the body tampered with: a broken rule, or one listed as unchecked."""
    await _check(subject, evidence, lambda block: tampered_bodies(block.content))


async def encoding(subject: Subject, evidence: Evidence) -> None:
    """A block that is not the one RLP of a block is RULE_BLOCK_ENCODING, or the rule that its list breaks."""
    await _check(subject, evidence, lambda block: tampered_encodings(block.content))


async def transaction(subject: Subject, evidence: Evidence) -> None:
    """A transaction that may not be included is RULE_TRANSACTION."""
    await _check(subject, evidence, lambda block: [repeated_transaction(block.content)])


def _headers(block: BundledBlock) -> Iterable[Tampered]:
    # The first transaction's recipient that has code here: an account whose nodes are in the witness.
    recipients = [item[3] for item in decoded(block.content)[1] if isinstance(item, list | tuple)]
    return tampered_headers(block.content, bytes(recipients[0]) if recipients else None)


async def _check(subject: Subject, evidence: Evidence, cases_of: Callable[[BundledBlock], Iterable[Tampered]]) -> None:
    blocks = subject.chosen(TAMPERED)
    if not blocks:
        evidence.not_applicable(NO_BLOCKS)
        return
    tried, unchecked = 0, set[str]()
    for block in blocks:
        for case in cases_of(block):
            tried += 1
            unchecked |= await _check_case(subject, evidence, block, case)
    listed = f"; listed as unchecked: {', '.join(sorted(unchecked))}" if unchecked else ""
    evidence.note(f"{tried} tampered blocks of {', '.join(block.fork for block in blocks)}{listed}")


async def _check_case(subject: Subject, evidence: Evidence, block: BundledBlock, case: Tampered) -> set[str]:
    """Judges one case; returns the rules that its answer is excused by."""
    answer = await subject.ask(block, case.content)
    try:
        tampered = decode_block_header(case.content.block)
    except EncodingError:
        tampered = block.header  # nothing is computed for such a header
    vote = answer.vote(tampered)
    if vote.kind is VoteKind.VALID and vote.kind not in case.votes and answer.response is not None:
        listed = subject.unchecked_rules | rule_names(answer.response.computed.unchecked_rules)
        excuses = listed.intersection(case.reasons)
        evidence.expect(bool(excuses), f"{block.fork}, {case.name}: equal to the tampered header, and no rule listed")
        return excuses
    said = vote.reason or "VALID"
    held = vote.kind in case.votes and answer.response is not None
    evidence.expect(held, f"{block.fork}, {case.name}: {vote.kind} {said}")
    if held and case.reasons:
        named = any(reason in said for reason in case.reasons)
        evidence.expect(named, f"{block.fork}, {case.name}: {said}, expected {' or '.join(case.reasons)}")
    elif held and vote.kind is VoteKind.ABSTAIN:
        evidence.expect(answer.reason == "witness_insufficient", f"{block.fork}, {case.name}: {answer}")
    return set()
