"""`verifier dispute reproduce` where it cannot make a state test; tests/peers has it make some."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.verifier.executors.stateless.conftest import SCRIPT
from tests.verifier.services.evidence.builders import evidence
from verifier.domain.vote import VoteKind
from verifier.services.evidence import Evidence, write_bundle

from .test_trace import MANIFEST


def reproduce(directory: Path, given: Evidence, *arguments: str) -> tuple[int, str]:
    """Exit status and errors, with one scripted adapter named geth. The file is never there afterwards."""
    adapters, bundle, file = directory / "adapters", directory / write_bundle(directory, given), directory / "test.json"
    (adapters / "geth").mkdir(parents=True)
    (adapters / "geth" / "adapter.toml").write_text(MANIFEST.format(name="geth", script=SCRIPT, mode="well"))
    ended = subprocess.run(
        [sys.executable, "-m", "verifier.cli.main", "dispute", "reproduce", str(bundle), str(file), *arguments],
        env={**os.environ, "VERIFIER_ADAPTERS": str(adapters)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert not file.exists()
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "block 1 has 0 transactions, none of index 0"),
        (["--transaction", "7"], "none of index 7"),
        (["--adapter", "nobody"], "no such adapter: nobody"),
    ],
)
def test_what_cannot_be_made_is_said(tmp_path: Path, arguments: list[str], reason: str) -> None:
    status, errors = reproduce(tmp_path, evidence(tmp_path), *arguments)
    assert status == 2
    assert errors.count("\n") == 1
    assert reason in errors


def test_a_bundle_that_names_no_transaction(tmp_path: Path) -> None:
    status, errors = reproduce(tmp_path, evidence(tmp_path, localization=None))
    assert (status, "name it with --transaction" in errors) == (2, True)


def test_a_block_that_nobody_found_valid(tmp_path: Path) -> None:
    given = evidence(tmp_path)
    assert given.localization is not None
    sides = tuple(replace(side, kind=VoteKind.INVALID) for side in given.localization.sides)
    status, errors = reproduce(tmp_path, replace(given, localization=replace(given.localization, sides=sides)))
    assert (status, "with --adapter" in errors) == (2, True)
