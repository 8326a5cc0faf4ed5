"""Where replay takes its blocks from: witness files, directories of them, and anything that can be imported."""

import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from verifier.errors import InputError
from witness.errors import WitnessError
from witness.file import MAGIC, SUFFIX, map_witness_file, write_witness_file
from witness.formats import IMPORTABLE_SUFFIXES, load
from witness.model import BlockWitness

# Memory where there is some: an imported file lives only until its block is judged.
SCRATCH = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it


@dataclass(frozen=True)
class Source:
    """One block to judge: its witness file and the mapped content. temporary: to be removed when it is judged."""

    path: Path
    content: BlockWitness
    temporary: bool = False


@dataclass(frozen=True)
class InputFailure:
    """A source that could not be judged, and why, in one line."""

    path: Path
    reason: str


def find_paths(arguments: Sequence[Path]) -> list[Path]:
    """The files that `arguments` name: files as they are, directories searched through, ordered by block number.

    Raises InputError if an argument does not exist, or a directory holds nothing that can be replayed.
    """
    paths: list[Path] = []
    for argument in arguments:
        if argument.is_dir():
            found = [
                path
                for path in argument.rglob("*")
                if path.name.endswith((SUFFIX, *IMPORTABLE_SUFFIXES)) and not _is_hidden(path, argument)
            ]
            if not found:
                raise InputError(f"{argument}: no witness files and nothing to import in it")
            paths += sorted(found, key=_order)
        elif argument.exists():
            paths.append(argument)
        else:
            raise InputError(f"{argument}: does not exist")
    return paths


def open_sources(
    paths: Iterable[Path], scratch: Path, chain_config: bytes | None = None
) -> Iterator[Source | InputFailure]:
    """The blocks in `paths`, one after the other. What has to be imported is converted into files below `scratch`.

    A file that cannot be read is an InputFailure in its place; the others go on.
    """
    for path in paths:
        try:
            if _is_witness_file(path):
                yield Source(path, map_witness_file(path))
                continue
            for content in load(path, chain_config=chain_config):
                # A folder each: two sources may hold the same block.
                folder = Path(tempfile.mkdtemp(dir=scratch))
                converted = write_witness_file(content, folder, sync=False)
                yield Source(converted, map_witness_file(converted), temporary=True)
        except (WitnessError, OSError) as error:
            yield InputFailure(path, str(error))


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """A temporary directory for converted files, in memory where the system has such a place."""
    base = SCRATCH if SCRATCH.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="verifier-import-", dir=base) as directory:
        yield Path(directory)


def _is_witness_file(path: Path) -> bool:
    if path.suffix == SUFFIX or not path.is_file():
        return True  # what is no regular file is refused by the reader, with the reason
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _is_hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _order(path: Path) -> tuple[Path, list[tuple[int, str]]]:
    # Numbers in names count as numbers, so that blocks come in their order.
    parts = re.split(r"(\d+)", path.name)
    return path.parent, [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
