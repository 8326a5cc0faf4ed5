"""Witness files of blocks that differ, kept for who looks into it: a folder a test, below a directory of the run."""

import shutil
from pathlib import Path

from verifier.domain.conformance import CaseName
from verifier.services.recording import directory_name


def folder_of(name: CaseName) -> str:
    """The test's folder; two where one test is of two kinds, with and without the witnesses of its fixture."""
    return directory_name(Path(name.path, name.kind), name.test)


def keep(witness: Path, directory: Path, name: CaseName, index: int) -> None:
    """Copies the witness file of the test's block with this index. Raises OSError."""
    folder = directory / folder_of(name)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(witness, folder / f"{index}-{witness.name}")  # two blocks of a test may have the same hash
