"""What a campaign leaves behind, and goes on from: a journal of a line a block, and a folder of what differs.

The journal is only added to. A line is whole or, where the campaign was killed, the last one is not, and is done again.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from shutil import rmtree
from typing import Any, BinaryIO, cast

from verifier.errors import InputError, UsageError
from witness.file import publish

VERSION = 1
JOURNAL, FINDINGS = "journal.jsonl", "findings"


class OtherCampaignError(UsageError):
    """A directory of another campaign than the one that is to go on, or of one that did not end."""


class StateError(InputError):
    """A campaign's directory that cannot be read or written."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes the same blocks and the same answers. fixtures: digest, "" for none."""

    seed: str
    forks: tuple[str, ...]
    fixtures: str
    clients: Mapping[str, str]
    recorder: str

    def document(self) -> dict[str, Any]:
        """Its members in JSON."""
        return {"version": VERSION, **asdict(self), "forks": list(self.forks)}


@dataclass(frozen=True, slots=True)
class Entry:
    """One block. parents: of its draft. new: features that no block before had. differs: the key of its difference.

    failure: why it was not built. label: what was wrong with it on purpose. gas: of its header. kinds: of transactions.
    """

    number: int
    parents: tuple[int, ...] = ()
    fork: str = ""
    hash: str = ""
    gas: int = 0
    label: str = ""
    kinds: tuple[int, ...] = ()
    new: tuple[str, ...] = ()
    differs: str = ""
    known: bool = False
    failure: str = ""

    def line(self) -> bytes:
        """Its line of the journal; what is empty is left out."""
        document = {key: value for key, value in asdict(self).items() if value or key == "number"}
        return json.dumps(document, separators=(",", ":")).encode() + b"\n"


@dataclass
class State:
    """A directory. entries: what was done before. A context: no other campaign may use it meanwhile."""

    directory: Path
    entries: list[Entry] = field(default_factory=list)
    _file: BinaryIO | None = field(default=None, repr=False)

    @classmethod
    def create(cls, directory: Path, identity: Identity) -> "State":
        """A new one. Raises OtherCampaignError where there is one already, StateError."""
        path = directory / JOURNAL
        if path.exists():
            raise OtherCampaignError(f"{directory} has a campaign: go on with --resume, or name another --out")
        try:
            directory.mkdir(parents=True, exist_ok=True)
            file = _locked(path, "ab")
            _write(file, _first_line(identity))
        except OSError as error:
            raise StateError(f"{path}: {error.strerror}") from None
        return cls(directory, [], file)

    @classmethod
    def resume(cls, directory: Path, identity: Identity) -> "State":
        """The one that is there, cut after its last whole line. Raises OtherCampaignError, StateError."""
        path = directory / JOURNAL
        if not path.exists():
            raise OtherCampaignError(f"{directory}: no campaign to go on with")
        with ExitStack() as exits:
            try:
                file = exits.enter_context(_locked(path, "r+b"))
                lines = list(_whole_lines(file))
                if not lines or lines[0] != _first_line(identity):
                    raise OtherCampaignError(
                        f"{path} is of another campaign: its seed, forks, fixtures, recorder or clients are others"
                    )
                entries = [_entry(path, number, line) for number, line in enumerate(lines[1:])]
                end = sum(map(len, lines))
                file.truncate(end)
                file.seek(end)
            except OSError as error:
                raise StateError(f"{path}: {error.strerror}") from None
            exits.pop_all()
        return cls(directory, entries, file)

    def __enter__(self) -> "State":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, entry: Entry) -> None:
        """One block more. Raises StateError."""
        assert self._file is not None
        try:
            _write(self._file, entry.line())
        except OSError as error:
            raise StateError(f"{self.directory / JOURNAL}: {error.strerror}") from None
        self.entries.append(entry)

    def folder(self, name: str) -> Path:
        """The folder of a finding, made where it is not there."""
        folder = self.directory / FINDINGS / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(f"{folder}: {error.strerror}") from None
        return folder

    def forget(self, name: str) -> None:
        """Removes the folder of a finding."""
        rmtree(self.directory / FINDINGS / name, ignore_errors=True)

    def keep(self, name: str, file: str, content: bytes) -> Path:
        """A file of a finding, there complete or not at all. Raises StateError."""
        path = self.folder(name) / file
        try:
            publish([content], path, sync=False)
        except OSError as error:
            raise StateError(f"{path}: {error.strerror}") from None
        return path


def seed_in(directory: Path) -> str:
    """The seed of the campaign that is there. Raises OtherCampaignError, StateError."""
    path = directory / JOURNAL
    try:
        with path.open("rb") as file:
            seed = json.loads(file.readline())["campaign"]["seed"]
    except FileNotFoundError:
        raise OtherCampaignError(f"{directory}: no campaign to go on with") from None
    except OSError as error:
        raise StateError(f"{path}: {error.strerror}") from None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise StateError(f"{path}: its first line does not say what was run") from None
    return str(seed)


def _first_line(identity: Identity) -> bytes:
    return json.dumps({"campaign": identity.document()}, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    for line in file.read().splitlines(keepends=True):
        if line.endswith(b"\n"):
            yield line


def _entry(path: Path, number: int, line: bytes) -> Entry:
    try:
        members = json.loads(line)
        if not isinstance(members, dict):
            raise TypeError("no JSON object")
        for name in ("parents", "new", "kinds"):
            members[name] = tuple(members.get(name, ()))
        entry = Entry(**members)
        if entry.number != number or any(not 0 <= each < number for each in entry.parents):
            raise ValueError("its number or those of its parents are not right")
        _check_types(entry)
    except (ValueError, TypeError, RecursionError) as error:
        raise StateError(f"{path}: line {number + 2}: {error}") from None
    return entry


def _check_types(entry: Entry) -> None:
    for name, value in asdict(Entry(0)).items():
        if type(getattr(entry, name)) is not type(value):
            raise TypeError(f"{name} is of another type")
    if not all(isinstance(each, str) for each in entry.new) or not all(isinstance(each, int) for each in entry.kinds):
        raise TypeError("new or kinds is of another type")


def _locked(path: Path, mode: str) -> BinaryIO:
    file = path.open(mode, buffering=0)
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise StateError(f"{path}: another campaign is writing to it") from None
    return cast(BinaryIO, file)


def _write(file: BinaryIO, data: bytes) -> None:
    written = os.write(file.fileno(), data)
    while written < len(data):
        written += os.write(file.fileno(), data[written:])
