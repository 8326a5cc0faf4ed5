"""What is run, cut into pieces of work: files, and large files in parts. No file is parsed here.

The pieces of a suite depend on its files alone, not on who works on them, so that a run can go on with other workers.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import fsspec
from fsspec.core import url_to_fs

from verifier.errors import InputError

from .loaders.fixtures import is_fixture_path
from .suite import case_paths
from .suite_names import suite_names

# Bytes a part, of a compressed file, which has a twentieth of what it holds, and of a plain one: seconds of work, so
# that a killed worker loses little, and the last one is not long alone. They are not many: each reads the whole file.
PART_LENGTH = 24 * 1024
PLAIN_PART_LENGTH = 20 * PART_LENGTH
MOST_PARTS = 64
COMPRESSED = ".gz"
CHUNK = 1 << 20  # bytes read at a time


@dataclass(frozen=True, slots=True)
class Batch:
    """One piece of work. number: its place in the suite, from 0. path: of its file below the suite's root, behind the
    suite's name where there are several.

    source: where a worker gets it: an absolute path, or a URL of fsspec's. It has every `parts`-th test of the file,
    from test `part` on. weight: of all of it, in bytes, for telling how much is left.
    """

    number: int
    path: str
    source: str
    part: int = 0
    parts: int = 1
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Suite:
    """Everything that is to be run. digest: SHA-256 of the files' names and contents, hex."""

    batches: tuple[Batch, ...]
    digest: str


def plan(arguments: Sequence[str]) -> Suite:
    """The pieces of what the arguments name: files and directories, local or by URL. Raises InputError."""
    batches: list[Batch] = []
    digest = hashlib.sha256()
    for argument, suite in zip(arguments, suite_names(arguments), strict=True):
        for below, source, length, fingerprint in _files(argument):
            name = "/".join(part for part in (suite, below) if part) or _root_name(argument)
            digest.update(f"{name}\0{fingerprint}\0".encode("utf-8", "surrogatepass"))
            parts = _parts(source, length)
            batches += [
                Batch(len(batches) + part, name, source, part, parts, max(1, length // parts)) for part in range(parts)
            ]
    if not batches:
        raise InputError(f"{', '.join(arguments)}: nothing to run in it")
    return Suite(tuple(batches), digest.hexdigest())


def _parts(source: str, length: int) -> int:
    if not is_fixture_path(Path(source)):
        return 1
    part = PART_LENGTH if source.endswith(COMPRESSED) else PLAIN_PART_LENGTH
    return max(1, min(MOST_PARTS, length // part))


def _root_name(argument: str) -> str:
    return argument.rstrip("/").rsplit("/", 1)[-1]


def is_url(argument: str) -> bool:
    """Whether it is a URL of fsspec's and no path."""
    return "://" in argument


def _files(argument: str) -> Iterator[tuple[str, str, int, str]]:
    """Path below the root ("" of the root), source, length in bytes, and what its content can be told by."""
    if is_url(argument):
        yield from _remote_files(argument)
        return
    root = Path(argument)
    if not root.exists():
        raise InputError(f"{argument}: does not exist")
    if not (root.is_dir() or root.is_file()):
        raise InputError(f"{argument}: neither a file nor a directory")  # a pipe would be read for ever
    for path in case_paths(root):
        below = path.relative_to(root).as_posix() if path != root else ""
        try:
            length, fingerprint = _fingerprint(path)
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}") from None
        yield below, str(path.absolute()), length, fingerprint


def _remote_files(argument: str) -> Iterator[tuple[str, str, int, str]]:
    try:
        system, root = url_to_fs(argument)
        found = [root] if system.isfile(root) else sorted(system.find(root))
        for path in found:
            below = path[len(root) :].strip("/")
            if not any(part.startswith(".") for part in below.split("/")):
                url = argument if path == root else f"{argument.rstrip('/')}/{below}"
                yield below, url, int(system.size(path) or 0), str(system.ukey(path))
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"{argument}: {error}") from None


def _fingerprint(path: Path) -> tuple[int, str]:
    """Length and SHA-256 of a file, or of all files of a directory that is one source."""
    digest, length = hashlib.sha256(), 0
    for file in sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]:
        if file != path:
            digest.update(file.relative_to(path).as_posix().encode() + b"\0")
        with file.open("rb") as content:
            while chunk := content.read(CHUNK):
                digest.update(chunk)
                length += len(chunk)
    return length, digest.hexdigest()


def fetch(batch: Batch, directory: Path) -> Path:
    """The batch's source as a local path; what is elsewhere is copied into `directory`. Raises InputError."""
    if not is_url(batch.source):
        return Path(batch.source)
    target = directory / _root_name(batch.source)
    try:
        with fsspec.open(batch.source, "rb") as remote, target.open("wb") as local:
            while chunk := remote.read(CHUNK):
                local.write(chunk)
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"{batch.source}: {error}") from None
    return target
