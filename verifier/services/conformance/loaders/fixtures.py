"""Files and directories of tests, whichever of the two kinds each is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .blockchain_test import BlockchainTest, parse_blockchain_test
from .blockchain_test_engine import parse_engine_test
from .document import read_document
from .errors import FixtureError, NotFixtureError

SUFFIXES = (".json", ".json.gz")


def is_fixture_path(path: Path) -> bool:
    """Whether the file's name is that of a JSON document."""
    return path.name.endswith(SUFFIXES)


def fixture_files(directory: Path) -> list[Path]:
    """The JSON documents below a directory, hidden folders left out, in order of their paths."""
    return sorted(
        path
        for path in directory.rglob("*")
        if is_fixture_path(path)
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(directory).parts)
    )


def _looks_like_test(value: Any) -> bool:
    return isinstance(value, dict) and "network" in value and ("blocks" in value or "engineNewPayloads" in value)


def load_tests(path: Path) -> Iterator[BlockchainTest]:
    """Each test of a file, in the file's order. Raises NotFixtureError if none is in it, FixtureError."""
    document = read_document(path)
    if not isinstance(document, dict) or not any(_looks_like_test(value) for value in document.values()):
        raise NotFixtureError(f"{path}: no blockchain tests in it")
    for name, value in document.items():
        parse = parse_engine_test if isinstance(value, dict) and "engineNewPayloads" in value else parse_blockchain_test
        try:
            yield parse(name, value)
        except FixtureError as error:
            raise FixtureError(f"{path}: {name}: {error}") from None
