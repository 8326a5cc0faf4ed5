"""The journal of a run: one line of JSON a test, as it comes, with what was run in the first line.

Append-only. The tests of a batch and a line that says so are one write, so that a run that was killed goes on after the
last whole batch. What was found and what was measured are told apart at the end: see `write_results`.
"""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfileobj
from typing import Any, BinaryIO, cast

from verifier.domain.conformance import Answer, ExaminedCase
from verifier.errors import InputError, UsageError

from .journal_line import JournalError, from_line, texts_of, to_line, value_of, without_times

__all__ = [
    "Journal", "JournalError", "OtherRunError", "RunIdentity", "from_line", "read_cases", "read_identity", "to_line",
    "without_times", "write_lines", "write_results",
]  # fmt: skip

VERSION = 1
RUN, BATCH = "run", "batch"  # keys that only the first line, or the last of a batch, has


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
        places: dict[int, tuple[int, int]] = {}
        start = whole = tests = 0
        with ExitStack() as exits:
            try:
                file = exits.enter_context(_locked(path, "r+b"))
                for begin, end, document, _ in _lines(path):
                    if BATCH in document:
                        places[value_of(document, BATCH, int, 0)] = (start, begin - start)
                        tests += value_of(document, "tests", int, 0)
                    if BATCH in document or RUN in document:
                        start = whole = end
                file.truncate(whole)
                file.seek(whole)
            except OSError as error:
                raise JournalError(f"{path}: {error.strerror}") from None
            except TypeError as error:
                raise JournalError(f"{path}: {error}") from None
            exits.pop_all()
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


def write_lines(path: Path, results: Path, summary: Mapping[str, Any]) -> None:
    """The results with a last line of another kind: the run's summary. Raises InputError."""
    with _appearing(path) as file, results.open("rb") as lines:
        copyfileobj(lines, file)
        file.write(json.dumps(summary, separators=(",", ":")).encode() + b"\n")


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
            suite=value_of(run, "suite", str, ""),
            selection=value_of(run, "selection", str, ""),
            clients=texts_of(value_of(run, "clients", dict, {})),
            recorder=value_of(run, "recorder", str, ""),
            mode=value_of(run, "mode", str, ""),
        )
    except (KeyError, TypeError, AttributeError):
        raise JournalError(f"{path}: its first line does not say what was run") from None
