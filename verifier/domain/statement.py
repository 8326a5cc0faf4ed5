"""Statements: what an adapter said of a block, kept so that a second, different word of the same adapter is noticed.

An ABSTAIN is no statement. Two results are the same word if they have the same digest: everything computed counts,
times do not, nor the text in which a broken rule is told, nor the rules that a client says it cannot check.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache

from .block import BlockReference
from .result import Abstention, BrokenRule, Computed, Mode, Outcome, Result
from .vote import Vote, VoteKind

NOT_COMPUTED = frozenset({"unchecked_rules"})  # fields of Computed that are no result of execution
LENGTH = 8  # bytes of a length in the encoding below


@dataclass(frozen=True, slots=True)
class Statement:
    """One adapter's word on one block. kind: VALID or INVALID. digest: 32 bytes, `outcome_digest`.

    summary: the vote's reason, one line. at: seconds since the epoch. rule: the one that it found broken, "" where it
    computed values.
    """

    block: BlockReference
    adapter: str
    lineage: str
    mode: Mode
    kind: VoteKind
    digest: bytes
    summary: str
    at: float
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """Two words of one adapter on one block, in one mode, that cannot both be what it computed."""

    first: Statement
    second: Statement


def state(block: BlockReference, mode: Mode, result: Result, vote: Vote, at: float) -> Statement | None:
    """The statement that a vote is; None for an abstention. result: what the vote was read from. at: seconds."""
    if vote.kind is VoteKind.ABSTAIN:
        return None
    outcome = result.outcome
    rule = outcome.rule if isinstance(outcome, BrokenRule) else ""
    digest = outcome_digest(outcome)
    return Statement(block, vote.adapter, vote.lineage, mode, vote.kind, digest, vote.reason or "", at, rule)


def contradicts(first: Statement, second: Statement) -> bool:
    """Whether the two are misbehaviour: one adapter, one block, one mode, and other words.

    The digest alone says so. The kind is the verifier's reading of it, and in prestate mode the same result is read
    otherwise once other results have come. Two broken rules are none either: a block can break several, and a client
    that checks them side by side names the one that it comes upon first. Whoever makes such a block must not be able to
    have honest clients quarantined.
    """
    same = (first.block.hash, first.adapter, first.mode) == (second.block.hash, second.adapter, second.mode)
    return same and first.digest != second.digest and not (first.rule and second.rule)


def outcome_digest(outcome: Outcome) -> bytes:
    """SHA-256 of what was computed, or of the rule that was broken: 32 bytes, the same on every machine.

    Of an encoding in which every value has its type and its length, and mappings are in the order of their keys: no two
    outcomes share one. What is None does not appear, so that a field that a later version adds changes no digest that
    is kept. Raises TypeError for a value that none of the outcomes' types allows.
    """
    match outcome:
        case Computed():
            content: object = ("computed", outcome)
        case BrokenRule():
            content = ("broken_rule", outcome.rule)
        case Abstention():
            content = ("abstention", str(outcome.reason))
    return hashlib.sha256(_encoded(content)).digest()


def _encoded(value: object) -> bytes:
    """One letter for the type, the length of what follows in bytes (8, big-endian), and that.

    A dataclass is the mapping of its fields that are not None. What there is most of comes first: a block in prestate
    mode has tens of thousands of values.
    """
    match value:
        case bytes():
            kind, content = b"b", value
        case bool():
            kind, content = b"t", bytes([value])
        case int():
            kind, content = b"i", str(value).encode()
        case None:
            kind, content = b"n", b""
        case str():
            kind, content = b"s", value.encode(errors="surrogatepass")
        case tuple():
            kind, content = b"l", b"".join(map(_encoded, value))
        case dict():
            kind, content = b"m", _pairs(value)
        case _ if is_dataclass(value):
            present = [(name, getattr(value, field)) for field, name in _names(value.__class__)]
            kind, content = b"m", b"".join(name + _encoded(item) for name, item in present if item is not None)
        case Mapping():
            kind, content = b"m", _pairs(value)
        case bytearray() | memoryview():
            kind, content = b"b", bytes(value)
        case _:
            raise TypeError(f"nothing that a client computes: {type(value).__name__}")
    return kind + len(content).to_bytes(LENGTH, "big") + content


def _pairs(mapping: Mapping[object, object]) -> bytes:
    return b"".join(
        key + item for key, item in sorted((_encoded(key), _encoded(each)) for key, each in mapping.items())
    )


@cache
def _names(kind: type) -> tuple[tuple[str, bytes], ...]:
    """A dataclass's fields that count, with their names' encodings, in the order of those."""
    assert is_dataclass(kind)
    named = [(each.name, _encoded(each.name)) for each in fields(kind) if each.name not in NOT_COMPUTED]
    return tuple(sorted(named, key=lambda each: each[1]))
