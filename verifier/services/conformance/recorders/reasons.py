"""Why a client with full state refuses a block, said as the verifier says it of a client without."""

from collections.abc import Callable, Sequence

from verifier.domain.conformance import ReasonClass

# Of blocks that are refused before anything of them is looked at; the contract has no words for these.
PARENT = "parent"  # not known
BLOCK_HASH = "block_hash"  # not the one that is stated

OfReason = Callable[[str, str | Sequence[str]], frozenset[ReasonClass]]
"""From a client's name and the rule that it names, or the header's fields that differ, to what they mean.

Rules are those of the contract, PARENT and BLOCK_HASH.
"""


def no_classes(_client: str, _reason: str | Sequence[str]) -> frozenset[ReasonClass]:
    """Nothing is known of what reasons mean."""
    return frozenset()


def reason_line(rule: str, fields: Sequence[str], words: str) -> str:
    """One line: what is broken as a vote says it, and the client's own words."""
    said = f"broken_rule: {rule}" if rule else f"differs: {', '.join(fields)}" if fields else ""
    return ": ".join(part for part in (said, words) if part)
