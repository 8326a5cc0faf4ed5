"""One test as a line of JSON: what a journal and a file of results are made of."""

import json
from dataclasses import replace
from typing import Any, TypeVar

from verifier.domain.conformance import Answer, CaseName, ExaminedBlock, ExaminedCase, Expected, ReasonClass, Said
from verifier.errors import InputError

T = TypeVar("T")


class JournalError(InputError):
    """A journal, or a line of it, that cannot be read. `str(error)` says where."""


def to_line(case: ExaminedCase) -> str:
    """One line of JSON, without its end. What is empty or zero is left out."""
    document = {
        "path": case.name.path,
        "test": case.name.test,
        "network": case.name.network,
        "kind": case.name.kind,
        "failure": case.failure,
        "skipped": dict(case.skipped),
        "seconds": case.seconds,
        "blocks": [_block_document(block) for block in case.blocks],
    }
    return json.dumps(_told(document), separators=(",", ":"))


def from_line(line: str) -> ExaminedCase:
    """The test that `to_line` made the line of. Raises JournalError."""
    try:
        document = json.loads(line)
        return ExaminedCase(
            name=CaseName(*(value_of(document, key, str, "") for key in ("path", "test", "network", "kind"))),
            blocks=tuple(_block(each) for each in value_of(document, "blocks", list, [])),
            skipped=texts_of(value_of(document, "skipped", dict, {})),
            failure=value_of(document, "failure", str, ""),
            seconds=_number(document, "seconds"),
        )
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise JournalError(f"no line of a journal: {error}") from None


def without_times(case: ExaminedCase) -> ExaminedCase:
    """What was found, without what was measured: the same in every run."""
    blocks = tuple(
        replace(block, answers=tuple(replace(answer, ms=0.0) for answer in block.answers)) for block in case.blocks
    )
    return replace(case, blocks=blocks, seconds=0.0)


def _told(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value}


def _block_document(block: ExaminedBlock) -> dict[str, Any]:
    document = {
        "index": block.index,
        "number": block.number,
        "hash": block.hash.hex(),
        "expected": block.expected.value,
        "exception": block.exception,
        "classes": _words(block.classes),
        "gas_used": block.gas_used,
        "witness_bytes": block.witness_bytes,
        "answers": [_answer_document(answer) for answer in block.answers],
    }
    return _told(document)


def _answer_document(answer: Answer) -> dict[str, Any]:
    document = {
        "client": answer.client,
        "lineage": answer.lineage,
        "said": answer.said.value,
        "reason": answer.reason,
        "classes": _words(answer.classes),
        "fields": list(answer.fields),
        "ms": answer.ms,
        "stateful": answer.stateful,
    }
    return _told(document)


def _words(classes: frozenset[ReasonClass]) -> list[str]:
    return sorted(each.value for each in classes)


def _block(document: Any) -> ExaminedBlock:
    return ExaminedBlock(
        index=value_of(document, "index", int, 0),
        number=value_of(document, "number", int, 0),
        hash=bytes.fromhex(value_of(document, "hash", str, "")),
        expected=Expected(value_of(document, "expected", str, "")),
        exception=value_of(document, "exception", str, ""),
        classes=_classes(document),
        gas_used=value_of(document, "gas_used", int, 0),
        witness_bytes=value_of(document, "witness_bytes", int, 0),
        answers=tuple(_answer(each) for each in value_of(document, "answers", list, [])),
    )


def _answer(document: Any) -> Answer:
    fields = value_of(document, "fields", list, [])
    if not all(isinstance(each, str) for each in fields):
        raise TypeError("fields are not all strings")
    return Answer(
        client=value_of(document, "client", str, ""),
        lineage=value_of(document, "lineage", str, ""),
        said=Said(value_of(document, "said", str, "")),
        reason=value_of(document, "reason", str, ""),
        classes=_classes(document),
        fields=tuple(fields),
        ms=_number(document, "ms"),
        stateful=value_of(document, "stateful", bool, False),
    )


def _classes(document: Any) -> frozenset[ReasonClass]:
    return frozenset(ReasonClass(each) for each in value_of(document, "classes", list, []))


def texts_of(document: dict[str, Any]) -> dict[str, str]:
    """The object, if all its values are strings. Raises TypeError."""
    if not all(isinstance(each, str) for each in document.values()):
        raise TypeError("values are not all strings")
    return document


def value_of(document: Any, key: str, kind: type[T], absent: T) -> T:
    """A value of that kind, or `absent` where there is none. Raises TypeError."""
    value = document.get(key, absent)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"{key} is no {kind.__name__}")
    return value


def _number(document: Any, key: str) -> float:
    value = document.get(key, 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{key} is no number")
    return float(value)
