"""What a recorder says of a block, in the words in which the verifier says it of a client without state."""

from collections.abc import Callable, Sequence
from pathlib import Path

from verifier.domain.conformance import Answer, ReasonClass, Said

from ..case import Recorded

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


def place(directory: Path, index: int) -> Path:
    """Where the file of a test's block goes: blocks may have the same header, and so the same file name.

    Of a block that is told to be invalid for its body alone, there is another with the right body in many a test.
    """
    path = directory / str(index)
    path.mkdir()
    return path


class Answers:
    """Makes the Recorded of one client, without its witness."""

    def __init__(self, client: str, lineage: str, of_reason: OfReason) -> None:
        self._client = client
        self._lineage = lineage
        self._of_reason = of_reason

    def accepted(self, index: int, ms: float) -> Recorded:
        """A block that the client imported."""
        return Recorded(index, Answer(self._client, self._lineage, Said.VALID, ms=ms, stateful=True))

    def refused(self, index: int, rules: Sequence[str], fields: Sequence[str], words: str, ms: float = 0.0) -> Recorded:
        """A block that it did not import. rules: that are broken, the first as which it would be refused first."""
        answer = Answer(
            self._client,
            self._lineage,
            Said.INVALID,
            reason_line(rules[0] if rules else "", fields, words),
            self._of_reason(self._client, rules[0] if rules else fields),
            () if rules else tuple(fields),
            ms,
            stateful=True,
        )
        known = [self._of_reason(self._client, rule) for rule in rules]
        if fields:
            known.append(self._of_reason(self._client, fields))
        return Recorded(index, answer, classes=frozenset().union(*known))


def reason_line(rule: str, fields: Sequence[str], words: str) -> str:
    """One line: what is broken as a vote says it, and the client's own words."""
    said = f"broken_rule: {rule}" if rule else f"differs: {', '.join(fields)}" if fields else ""
    return ": ".join(part for part in (said, words) if part)
