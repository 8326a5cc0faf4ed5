"""Where a disagreement begins: who is on which side, and the first transaction, step, account or slot that differs."""

from dataclasses import dataclass
from enum import StrEnum

from .block import BlockReference
from .divergence import Divergence
from .instruction import Instruction
from .vote import VoteKind


class Place(StrEnum):
    """What the sides differ in, as near to the cause as could be found."""

    RULE = "rule"  # one side finds a rule of the protocol broken, outside of execution
    STEP = "step"  # the traces of a transaction part
    TRANSACTION = "transaction"  # its receipt differs, its trace does not (or one side has none)
    POST_STATE = "post_state"  # no trace differs, an account or slot does
    TRIE = "trie"  # all values are equal, the state root is not
    FIELD = "field"  # only header fields are known to differ


@dataclass(frozen=True, slots=True)
class Side:
    """Adapters that say the same. digest: 32 bytes, `outcome_digest` of what most is known of; kind: their vote's."""

    adapters: tuple[str, ...]
    lineages: tuple[str, ...]
    kind: VoteKind
    digest: bytes


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A computed field that the sides do not all have alike. values: one a side, in their order; None: not computed.

    field: of the header, or "rule": the broken one.
    """

    field: str
    values: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class StateDifference:
    """A value of the post-state in which the sides differ. what: "nonce", "balance", "code_hash", "slot 0x…", "exists".

    address: 20 bytes. values: as FieldDifference; None: that side has no such change, or was not looked at.
    """

    address: bytes
    what: str
    values: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Localization:
    """What is known of a disagreement. sides: the largest first.

    transaction: index of the first one that differs, None where none does or nobody can tell; transaction_hash: its
    hash, 32 bytes, b"" if None or unknown. divergence: of one adapter a side, where traces part; instruction: the one
    that does not do the same in all, the last before they part. text: one line for people, with field, transaction and
    opcode as far as they are known. seconds: what finding it took. notes: what could not be looked at, and why.
    """

    block: BlockReference
    place: Place
    sides: tuple[Side, ...]
    fields: tuple[FieldDifference, ...]
    text: str
    transaction: int | None = None
    transaction_hash: bytes = b""
    divergence: Divergence | None = None
    instruction: Instruction | None = None
    state: tuple[StateDifference, ...] = ()
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
