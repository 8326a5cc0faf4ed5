"""The verifier's reading of one result: every value against the header, field by field (design: rule 3).

A client's own "valid" does not exist here: VALID is only ever concluded from equal values.
"""

from dataclasses import dataclass
from enum import StrEnum

from witness.model import Header

from .result import Abstention, AbstentionReason, BrokenRule, Computed, Outcome, Result

# Header fields that execution determines. Those that a fork lacks are None in the header.
COMPARED_FIELDS = (
    "state_root",
    "receipts_root",
    "logs_bloom",
    "gas_used",
    "transactions_root",
    "withdrawals_root",
    "blob_gas_used",
    "requests_hash",
    "block_access_list_hash",
)


# What an execution on bare values cannot compute: the trie's root, and before Byzantium (EIP-658) the receipts with
# the roots between the transactions.
UNPROVEN_FIELDS = frozenset({"state_root", "receipts_root"})


class VoteKind(StrEnum):
    """VALID and INVALID are statements about the block; ABSTAIN is none."""

    VALID = "VALID"
    INVALID = "INVALID"
    ABSTAIN = "ABSTAIN"


@dataclass(frozen=True, slots=True)
class Difference:
    """A field whose value is not the computed one; "0x…" strings, as in JSON-RPC. header: the header's value.

    In prestate mode also `post_state.<address>.<what>`; header is then the value that it is compared with.
    """

    field: str
    header: str
    computed: str


@dataclass(frozen=True, slots=True)
class Vote:
    """One adapter's vote. reason: "code: detail", None for a VALID without reservations.

    An ABSTAIN has differences only where results contradict each other and nobody can say which is right.
    """

    adapter: str
    lineage: str
    kind: VoteKind
    reason: str | None = None
    differences: tuple[Difference, ...] = ()
    elapsed_ms: float = 0.0


def cast_vote(header: Header, result: Result) -> Vote:
    """The vote that follows from `result` for the block with this header."""
    return read_result(header, result)


def withhold(vote: Vote, why: str) -> Vote:
    """The vote as an abstention: without a trusted pre-state neither VALID nor INVALID says anything of the block."""
    if vote.kind is VoteKind.ABSTAIN:
        return vote
    return Vote(vote.adapter, vote.lineage, VoteKind.ABSTAIN, f"{AbstentionReason.REFUSED}: {why}", (), vote.elapsed_ms)


def read_result(header: Header, result: Result, *, unproven: bool = False) -> Vote:
    """As cast_vote. unproven: what prestate mode cannot compute may be absent; the vote then says so.

    A VALID of an unproven result only means that the header's other fields are equal; see `post_state`.
    """
    kind, reason, differences = _read(header, result.outcome, unproven=unproven)
    if kind is VoteKind.INVALID and result.missing_unnoticed:
        # A contradiction that everybody sees, and no statement about the block: nobody can say which of the two it is.
        kind, reason = VoteKind.ABSTAIN, f"{AbstentionReason.REFUSED}: {reason}; or the witness lacks something"
        if isinstance(result.outcome, BrokenRule):
            differences = (Difference("rules", "kept", f"broken: {result.outcome.detail}"),)
    return Vote(result.adapter, result.lineage, kind, reason, differences, result.elapsed_ms)


def _read(header: Header, outcome: Outcome, *, unproven: bool) -> tuple[VoteKind, str | None, tuple[Difference, ...]]:
    match outcome:
        case Abstention():
            # Adapters tend to name in their detail what they also list.
            unnamed = [item for item in outcome.missing if not item.hash or item.hash.hex() not in outcome.detail]
            missing = f"missing {', '.join(str(item) for item in unnamed)}" if unnamed else ""
            detail = "; ".join(text for text in (outcome.detail, missing) if text)
            return VoteKind.ABSTAIN, f"{outcome.reason}: {detail}" if detail else str(outcome.reason), ()
        case BrokenRule():
            return VoteKind.INVALID, f"broken_rule: {outcome.rule}: {outcome.detail}", ()
        case Computed():
            return _compare(header, outcome, unproven=unproven)


def _compare(
    header: Header, computed: Computed, *, unproven: bool
) -> tuple[VoteKind, str | None, tuple[Difference, ...]]:
    differences, absent, superfluous = [], [], []
    for field in COMPARED_FIELDS:
        claimed, value = getattr(header, field), getattr(computed, field)
        if claimed is None:
            if value is not None:
                superfluous.append(field)
        elif value is None:
            absent.append(field)
        elif claimed != value:
            differences.append(Difference(field, hexadecimal(claimed), hexadecimal(value)))
    if differences:
        fields = ", ".join(difference.field for difference in differences)
        return VoteKind.INVALID, f"differs: {fields}", tuple(differences)
    # From here on every value that could be compared is equal. What could not be compared must not pass as VALID.
    if unproven and set(absent) <= UNPROVEN_FIELDS:
        unproven_fields, absent = absent, []
    else:
        unproven_fields = []
    if absent:
        return VoteKind.ABSTAIN, f"{AbstentionReason.REFUSED}: did not compute {', '.join(absent)}", ()
    if superfluous:
        detail = f"computed {', '.join(superfluous)}, which the header does not have"
        return VoteKind.ABSTAIN, f"{AbstentionReason.REFUSED}: {detail}", ()
    if header.unknown_fields:
        detail = f"the header has {header.unknown_fields} fields that this verifier does not know"
        return VoteKind.ABSTAIN, f"{AbstentionReason.UNSUPPORTED_FORK}: {detail}", ()
    reservations = []
    if unproven_fields:
        reservations.append(f"unproven: {', '.join(unproven_fields)}")
    if computed.unchecked_rules:
        reservations.append(f"unchecked: {', '.join(computed.unchecked_rules)}")
    return VoteKind.VALID, "; ".join(reservations) or None, ()


def hexadecimal(value: bytes | int) -> str:
    """A value as in JSON-RPC: "0x…"."""
    return hex(value) if isinstance(value, int) else f"0x{value.hex()}"
