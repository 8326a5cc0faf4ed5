"""What a conformance run says of a test: each client's answer to each block, and where it is not what was expected.

A client is asked twice where it can be: with full state (it imports the block) and without (it executes the witness).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .result import AbstentionReason

# Beginnings of reasons that say nothing of the witness: who crashes on it has not refused it.
UNHEARD = (
    AbstentionReason.CRASHED.value,
    AbstentionReason.TIMEOUT.value,
    AbstentionReason.UNAVAILABLE.value,
    AbstentionReason.UNSUPPORTED_FORK.value,
)


class Expected(StrEnum):
    """What a fixture says of a block. REFUSED: its witness lacks something, so nobody can tell."""

    VALID = "valid"
    INVALID = "invalid"
    REFUSED = "refused"


class Said(StrEnum):
    """What a client says of a block. ABSTAIN: it cannot tell."""

    VALID = "valid"
    INVALID = "invalid"
    ABSTAIN = "abstain"


class ReasonClass(StrEnum):
    """Why a block is invalid, as coarsely as all clients and fixtures can be compared.

    Header, body and execution rules as in `BrokenRule`; RESULT: a header field that is not what execution computes.
    """

    ENCODING = "encoding"  # not the RLP of a block of this fork, or too large (EIP-7934)
    HEADER = "header"  # against the parent, the fork's set of fields, limits
    UNCLES = "uncles"
    BODY = "body"  # a root or count in the header that is not the body's
    TRANSACTION = "transaction"  # one that may not be included
    BLOCK_GAS = "block_gas"  # more gas than the block has left
    BLOB_GAS = "blob_gas"  # number of blobs, excess and used blob gas
    REQUESTS = "requests"  # EIP-7685: their hash, a deposit log's layout, a system contract
    RESULT = "result"
    PARENT = "parent"  # not known, so nothing is executed
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class CaseName:
    """One test. path: of its file below the suite's root, with "/", behind the suite's name in a run of several.

    kind: of loader ("blockchain_test" …).
    """

    path: str
    test: str
    network: str
    kind: str

    def __str__(self) -> str:
        return f"{self.path}::{self.test}"


@dataclass(frozen=True, slots=True)
class Answer:
    """One client's word on one block. stateful: it imported the block, and was not given its witness.

    reason: one line, of INVALID and ABSTAIN. classes: of the reason, where the client says INVALID; a difference of
    several fields may have several. fields: the header's that it computed differently. ms: its own time.
    """

    client: str
    lineage: str
    said: Said
    reason: str = ""
    classes: frozenset[ReasonClass] = frozenset()
    fields: tuple[str, ...] = ()
    ms: float = 0.0
    stateful: bool = False


@dataclass(frozen=True, slots=True)
class ExaminedBlock:
    """One block with all answers. index: in its test, from 0. hash: 32 bytes, b"" where its header cannot be decoded.

    exception: the fixture's own word. classes: what it means, and what else the block breaks, each a reason to reject
    it; empty where the fixture does not say why.
    """

    index: int
    number: int
    hash: bytes
    expected: Expected
    exception: str = ""
    classes: frozenset[ReasonClass] = frozenset()
    gas_used: int = 0
    witness_bytes: int = 0
    answers: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True)
class ExaminedCase:
    """One test. failure: why it could not be run at all, "" else. skipped: client → why it was not asked.

    seconds: from reading to the last answer.
    """

    name: CaseName
    blocks: tuple[ExaminedBlock, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    failure: str = ""
    seconds: float = 0.0


class DifferenceKind(StrEnum):
    """How an answer is not what was expected."""

    ACCEPTS_INVALID = "accepts an invalid block"
    REJECTS_VALID = "rejects a valid block"
    OTHER_REASON = "rejects for another reason"
    CANNOT_TELL = "cannot tell"
    ACCEPTS_INCOMPLETE = "accepts an incomplete witness"
    NOT_RUN = "could not be run"


@dataclass(frozen=True, slots=True)
class Difference:
    """One client on one block (index -1: the whole test). known: why, by the file of known differences, "" if new.

    text: one line: expected and said.
    """

    name: CaseName
    index: int
    client: str
    kind: DifferenceKind
    text: str
    stateful: bool = False
    known: str = ""


def differences(case: ExaminedCase) -> tuple[Difference, ...]:
    """Every answer that is not what the fixture expects, block by block, in the order of the answers."""
    if case.failure:
        return (Difference(case.name, -1, "", DifferenceKind.NOT_RUN, case.failure),)
    found = []
    for block in case.blocks:
        for answer in block.answers:
            kind = _difference(block, answer)
            if kind is not None:
                text = f"{_expectation(block)} expected, said {_answer(answer)}"
                found.append(Difference(case.name, block.index, answer.client, kind, text, answer.stateful))
    return tuple(found)


def _difference(block: ExaminedBlock, answer: Answer) -> DifferenceKind | None:
    match block.expected, answer.said:
        case Expected.REFUSED, Said.ABSTAIN if answer.reason.startswith(UNHEARD):
            return DifferenceKind.CANNOT_TELL
        case (Expected.REFUSED, Said.ABSTAIN) | (Expected.VALID, Said.VALID):
            return None
        case Expected.REFUSED, _:
            return DifferenceKind.ACCEPTS_INCOMPLETE
        case _, Said.ABSTAIN:
            return DifferenceKind.CANNOT_TELL
        case Expected.VALID, _:
            return DifferenceKind.REJECTS_VALID
        case Expected.INVALID, Said.VALID:
            return DifferenceKind.ACCEPTS_INVALID
    if block.classes and not block.classes & answer.classes:
        return DifferenceKind.OTHER_REASON
    return None


def _expectation(block: ExaminedBlock) -> str:
    return f"{block.expected} ({block.exception})" if block.exception else str(block.expected)


def _answer(answer: Answer) -> str:
    return f"{answer.said}: {answer.reason}" if answer.reason else str(answer.said)
