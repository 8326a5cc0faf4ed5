"""Statements: what an adapter said of a block, kept so that a second, different word of the same adapter is noticed.

An ABSTAIN is no statement. Two results are the same word if they have the same digest: everything computed counts,
times do not, nor the text in which a broken rule is told.
"""

import hashlib
from dataclasses import dataclass, fields

from .block import BlockReference
from .result import Abstention, BrokenRule, Computed, Mode, Outcome, Result
from .vote import Vote, VoteKind


@dataclass(frozen=True, slots=True)
class Statement:
    """One adapter's word on one block. kind: VALID or INVALID. digest: 32 bytes, `outcome_digest`.

    summary: the vote's reason, one line. at: seconds since the epoch.
    """

    block: BlockReference
    adapter: str
    lineage: str
    mode: Mode
    kind: VoteKind
    digest: bytes
    summary: str
    at: float


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """Two words of one adapter on one block, in one mode, that cannot both be what it computed."""

    first: Statement
    second: Statement


def state(block: BlockReference, mode: Mode, result: Result, vote: Vote, at: float) -> Statement | None:
    """The statement that a vote is; None for an abstention. result: what the vote was read from. at: seconds."""
    if vote.kind is VoteKind.ABSTAIN:
        return None
    digest = outcome_digest(result.outcome)
    return Statement(block, vote.adapter, vote.lineage, mode, vote.kind, digest, vote.reason or "", at)


def contradicts(first: Statement, second: Statement) -> bool:
    """Whether the two are misbehaviour: one adapter, one block, one mode, different words."""
    same = (first.block.hash, first.adapter, first.mode) == (second.block.hash, second.adapter, second.mode)
    return same and (first.digest, first.kind) != (second.digest, second.kind)


def outcome_digest(outcome: Outcome) -> bytes:
    """SHA-256 of what was computed, or of the rule that was broken, in an encoding of its own: no two share one."""
    match outcome:
        case Computed():
            parts: tuple[object, ...] = tuple(
                (each.name, getattr(outcome, each.name)) for each in fields(outcome) if each.name != "unchecked_rules"
            )
        case BrokenRule():
            parts = ("broken_rule", outcome.rule)
        case Abstention():
            parts = ("abstention", str(outcome.reason))
    return hashlib.sha256(repr(parts).encode()).digest()
