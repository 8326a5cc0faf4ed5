"""The journal of a run: one line of JSON a test, as it comes, with what was run in the first line.

Append-only. The tests of a batch and a line that says so are one write, so that a run that was killed goes on after the
last whole batch. What was found and what was measured are told apart at the end: see `write_results`.
"""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from verifier.domain.conformance import Answer, CaseName, ExaminedBlock, ExaminedCase, Expected, ReasonClass, Said
from verifier.errors import InputError, UsageError

VERSION = 1
RUN, BATCH = "run", "batch"  # keys that only the first line, or the last of a batch, has
T = TypeVar("T")


class JournalError(InputError):
    """A journal, or a line of it, that cannot be read. `str(error)` says where."""


class OtherRunError(UsageError):
    """A journal of another run than the one that is to go on."""


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """What is run; a journal goes on only with the same.

    suite: digest of all files, hex. selection: which of their tests, in words. clients: adapter → version.
    """

    suite: str
    selection: str
    clients: Mapping[str, str]
    recorder: str
    mode: str

    def difference(self, other: "RunIdentity") -> str:
        """The first thing in which the other run is another, in words; "" if it is the same."""
        for name in ("recorder", "mode", "selection", "suite"):
            mine, its = getattr(self, name), getattr(other, name)
            if mine != its:
                return f"its {name} is {its or 'everything'!r}, here it is {mine or 'everything'!r}"
        for name in sorted({*self.clients, *other.clients}):
            mine, its = self.clients.get(name, "not asked"), other.clients.get(name, "not asked")
            if mine != its:
                return f"{name} is {its!r} there, here it is {mine!r}"
        return ""


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
            name=CaseName(*(_value(document, key, str, "") for key in ("path", "test", "network", "kind"))),
            blocks=tuple(_block(each) for each in _value(document, "blocks", list, [])),
            skipped=_texts(_value(document, "skipped", dict, {})),
            failure=_value(document, "failure", str, ""),
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


def read_cases(path: Path) -> Iterator[ExaminedCase]:
    """The tests of a journal or of a file of results, in the order of its lines. A torn last line is left out.

    Raises JournalError.
    """
    for _, _, document, line in _lines(path):
        if RUN not in document and BATCH not in document:
            yield from_line(line)


def read_identity(path: Path) -> RunIdentity:
    """What was run. Raises JournalError."""
    for _, _, document, _ in _lines(path):
        return _identity(path, document)
    raise JournalError(f"{path}: it is empty")


class Journal:
    """A journal that is being written. A context: it is closed at the end.

    done: batches that are in it. tests: how many.
    """

    def __init__(self, path: Path, file: BinaryIO, places: dict[int, tuple[int, int]], tests: int) -> None:
        self.path = path
        self.tests = tests
        self._file = file
        self._places = places  # batch → where its tests are, and how many bytes

    @classmethod
    def create(cls, path: Path, identity: RunIdentity) -> "Journal":
        """A new one; whatever is there is replaced. Raises JournalError."""
        document = {
            "version": VERSION,
            "suite": identity.suite,
            "selection": identity.selection,
            "clients": dict(identity.clients),
            "recorder": identity.recorder,
            "mode": identity.mode,
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = _locked(path, "ab")
            file.truncate(0)
            _write(file, json.dumps({RUN: document}, separators=(",", ":")).encode() + b"\n")
        except OSError as error:
            raise JournalError(f"{path}: {error.strerror}") from None
        return cls(path, file, {}, 0)

    @classmethod
    def resume(cls, path: Path, identity: RunIdentity) -> "Journal":
        """The one that is there, cut after its last whole batch. Raises JournalError, OtherRunError."""
        difference = identity.difference(read_identity(path))
        if difference:
            raise OtherRunError(f"{path} is of another run: {difference}")
        try:
            file = _locked(path, "r+b")
        except OSError as error:
            raise JournalError(f"{path}: {error.strerror}") from None
        places: dict[int, tuple[int, int]] = {}
        start = whole = tests = 0
        for begin, end, document, _ in _lines(path):
            if RUN in document:
                start = whole = end
            elif BATCH in document:
                places[_value(document, BATCH, int, 0)] = (start, begin - start)
                tests += _value(document, "tests", int, 0)
                start = whole = end
        try:
            file.truncate(whole)
            file.seek(whole)
        except OSError as error:
            raise JournalError(f"{path}: {error.strerror}") from None
        return cls(path, file, places, tests)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def done(self) -> frozenset[int]:
        """Numbers of the batches that are in it."""
        return frozenset(self._places)

    def add(self, batch: int, lines: Iterable[str]) -> None:
        """All tests of a batch, which is then done. Raises JournalError."""
        encoded = [line.encode() + b"\n" for line in lines]
        tests = b"".join(encoded)
        mark = json.dumps({BATCH: batch, "tests": len(encoded)}, separators=(",", ":")).encode() + b"\n"
        start = self._file.tell()
        try:
            _write(self._file, tests + mark)
        except OSError as error:
            raise JournalError(f"{self.path}: {error.strerror}") from None
        self._places[batch] = (start, len(tests))
        self.tests += len(encoded)

    def cases(self) -> Iterator[ExaminedCase]:
        """All tests in the order of their batches, which is that of the suite."""
        with self.path.open("rb") as file:
            for batch in sorted(self._places):
                start, length = self._places[batch]
                file.seek(start)
                for line in file.read(length).splitlines():
                    yield from_line(line.decode())


def write_results(journal: Journal, results: Path, timings: Path) -> None:
    """What was found, and what was measured, each a file of a line a test in the suite's order.

    `results` is the same byte for byte whenever the same is run, however many workers did it. Raises InputError.
    """
    with _appearing(results) as found, _appearing(timings) as measured:
        for case in journal.cases():
            found.write(to_line(without_times(case)).encode() + b"\n")
            measured.write(_timing_line(case).encode() + b"\n")


def _timing_line(case: ExaminedCase) -> str:
    answers = [answer for block in case.blocks for answer in block.answers]
    names = sorted({_timed_name(answer) for answer in answers})
    document = {
        "path": case.name.path,
        "test": case.name.test,
        "seconds": round(case.seconds, 6),
        "ms": {name: round(sum(each.ms for each in answers if _timed_name(each) == name), 3) for name in names},
    }
    return json.dumps(document, separators=(",", ":"))


def _timed_name(answer: Answer) -> str:
    return f"{answer.client} (stateful)" if answer.stateful else answer.client


class _appearing:  # noqa: N801 - used as a function
    """A file that is there complete, or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> BinaryIO:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=".", dir=self._path.parent)
        except OSError as error:
            raise InputError(f"{self._path}: {error.strerror}") from None
        self._temporary = Path(name)
        self._file: BinaryIO = os.fdopen(descriptor, "wb")
        os.fchmod(descriptor, 0o644)
        return self._file

    def __exit__(self, kind: object, *_: object) -> None:
        self._file.close()
        if kind is None:
            self._temporary.replace(self._path)
        else:
            with suppress(OSError):
                self._temporary.unlink()


def _locked(path: Path, mode: str) -> BinaryIO:
    """The file, which no other run writes to meanwhile. Raises JournalError, OSError."""
    file = path.open(mode, buffering=0)
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise JournalError(f"{path}: another run is writing to it") from None
    return cast(BinaryIO, file)


def _write(file: BinaryIO, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _lines(path: Path) -> Iterator[tuple[int, int, dict[str, Any], str]]:
    """Each line with its first byte, the byte after its end, and the object in it; no torn last one."""
    position = number = 0
    try:
        with path.open("rb") as file:
            for line in file:
                number += 1
                begin, position = position, position + len(line)
                if not line.endswith(b"\n"):
                    return
                try:
                    text = line.decode()
                    document = json.loads(text)
                    if not isinstance(document, dict):
                        raise ValueError("no JSON object")
                except (ValueError, RecursionError) as error:
                    raise JournalError(f"{path}: line {number}: {error}") from None
                yield begin, position, document, text
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}") from None


def _identity(path: Path, document: dict[str, Any]) -> RunIdentity:
    try:
        run = document[RUN]
        if run["version"] != VERSION:
            raise JournalError(f"{path}: version {run['version']} of a journal is not known, only {VERSION}")
        return RunIdentity(
            suite=_value(run, "suite", str, ""),
            selection=_value(run, "selection", str, ""),
            clients=_texts(_value(run, "clients", dict, {})),
            recorder=_value(run, "recorder", str, ""),
            mode=_value(run, "mode", str, ""),
        )
    except (KeyError, TypeError, AttributeError):
        raise JournalError(f"{path}: its first line does not say what was run") from None


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
        index=_value(document, "index", int, 0),
        number=_value(document, "number", int, 0),
        hash=bytes.fromhex(_value(document, "hash", str, "")),
        expected=Expected(_value(document, "expected", str, "")),
        exception=_value(document, "exception", str, ""),
        classes=_classes(document),
        gas_used=_value(document, "gas_used", int, 0),
        witness_bytes=_value(document, "witness_bytes", int, 0),
        answers=tuple(_answer(each) for each in _value(document, "answers", list, [])),
    )


def _answer(document: Any) -> Answer:
    fields = _value(document, "fields", list, [])
    if not all(isinstance(each, str) for each in fields):
        raise TypeError("fields are not all strings")
    return Answer(
        client=_value(document, "client", str, ""),
        lineage=_value(document, "lineage", str, ""),
        said=Said(_value(document, "said", str, "")),
        reason=_value(document, "reason", str, ""),
        classes=_classes(document),
        fields=tuple(fields),
        ms=_number(document, "ms"),
        stateful=_value(document, "stateful", bool, False),
    )


def _classes(document: Any) -> frozenset[ReasonClass]:
    return frozenset(ReasonClass(each) for each in _value(document, "classes", list, []))


def _texts(document: dict[str, Any]) -> dict[str, str]:
    if not all(isinstance(each, str) for each in document.values()):
        raise TypeError("values are not all strings")
    return document


def _value(document: Any, key: str, kind: type[T], absent: T) -> T:
    value = document.get(key, absent)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise TypeError(f"{key} is no {kind.__name__}")
    return value


def _number(document: Any, key: str) -> float:
    value = document.get(key, 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{key} is no number")
    return float(value)
