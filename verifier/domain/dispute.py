"""A dispute over one block: opened by conflicting votes, concluded by the statements of lineages, or not at all.

opened → concluded VALID | INVALID | UNRESOLVED. What is concluded stays. Only a person's word ends an unresolved one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from .block import BlockReference
from .statement import Statement


class Conclusion(StrEnum):
    """UNRESOLVED: the deadline passed, and the statements decided nothing; the block stays closed."""

    VALID = "valid"
    INVALID = "invalid"
    UNRESOLVED = "unresolved"


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

    valid, invalid: lineages that it takes. seconds: until it is unresolved.
    """

    adapters: Mapping[str, str]
    valid: int
    invalid: int
    seconds: float
