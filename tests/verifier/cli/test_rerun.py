"""`verifier replay BUNDLE` with scripted adapters: what it prints, and its exit status."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.executors.stateless.conftest import SCRIPT
from tests.verifier.services.evidence.builders import evidence
from verifier.domain.result import Computed, Result
from verifier.services.evidence import ClientVersion, Versions, write_bundle

from .test_trace import MANIFEST

OLD = Versions("0.0.9", (ClientVersion("a", "scripted", "scripted", "0.9"),))


def bundle(directory: Path, *names: str, wrong: str = "") -> Path:
    """A bundle in which every one of `names` computed what scripted adapters compute, but for `wrong`."""
    given = evidence(directory, versions=OLD)
    outcome = next(each.outcome for each in given.results if each.adapter == "geth")
    assert isinstance(outcome, Computed)
    plain = replace(outcome, receipts=())
    results = [Result(name, "scripted", replace(plain, gas_used=1) if name == wrong else plain) for name in names]
    given = replace(given, results=tuple(results), dispute=replace(given.dispute, statements=()))
    return directory / write_bundle(directory, given)


def replay(directory: Path, modes: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, output and errors with scripted adapters, name → mode."""
    adapters = directory / "adapters"
    adapters.mkdir()
    for name, mode in modes.items():
        (adapters / name).mkdir()
        (adapters / name / "adapter.toml").write_text(MANIFEST.format(name=name, script=SCRIPT, mode=mode))
    ended = subprocess.run(
        [sys.executable, "-m", "verifier.cli.main", "replay", *arguments],
        env={**os.environ, "VERIFIER_ADAPTERS": str(adapters)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_reproduced(tmp_path: Path) -> None:
    path = bundle(tmp_path, "a", "b")
    status, output, errors = replay(tmp_path, {"a": "well", "b": "well", "c": "well"}, str(path))
    assert (status, errors) == (0, "")
    lines = output.splitlines()
    assert lines[0].startswith(f"evidence {path.name}: dispute 1-")
    assert "state_root: transaction 0, step 1" in lines[2]
    assert lines[3].split() == [
        "a",
        "VALID",
        "same",
        *["recorded", "with", "scripted", "0.9,", "now", "scripted", "1.0"],
    ]
    assert lines[4].split() == ["b", "VALID", "same"]
    assert lines[5] == "reproduced; sides now: a, b"


def test_not_reproduced_as_json(tmp_path: Path) -> None:
    path = bundle(tmp_path, "a", "b", "gone", wrong="b")
    status, output, errors = replay(tmp_path, {"a": "well", "b": "well"}, str(path), "--json")
    assert (status, errors) == (1, "")
    document = json.loads(output)
    assert document["evidence"] == path.name
    assert document["reproduced"] is False
    assert document["sides"] == [["a", "b"]]
    a, b, gone = document["adapters"]
    assert (a["reproduction"], a["vote"], a["recorded"]) == ("same", "VALID", [a["digest"]])
    assert (b["reproduction"], b["digest"]) == ("different", a["digest"])
    assert (gone["reproduction"], gone["digest"], gone["remarks"]) == ("silent", None, ["no such adapter here"])


def test_not_everything_tried(tmp_path: Path) -> None:
    path = bundle(tmp_path, "a", "b")
    modes = {"a": "well", "b": "crash-always", "c": "well"}
    status, output, _ = replay(tmp_path, modes, str(path), "--adapters", "a,c")
    assert status == 3
    assert output.splitlines()[-1] == "not everything tried; sides now: a, c"
    assert "not among those that are named" in output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--quorum", "2"], "--quorum does not go with an evidence bundle"),
        (["--mode", "proof"], "--mode does not go with an evidence bundle"),
        (["other"], "is replayed by itself"),
        (["--adapters", "nobody"], "no such adapter: nobody"),
    ],
)
def test_what_does_not_go_with_a_bundle(tmp_path: Path, arguments: list[str], reason: str) -> None:
    status, output, errors = replay(tmp_path, {"a": "well"}, str(bundle(tmp_path, "a")), *arguments)
    assert (status, output) == (2, "")
    assert errors.count("\n") == 1
    assert reason in errors


def test_a_damaged_bundle(tmp_path: Path) -> None:
    path = bundle(tmp_path, "a")
    (path / "results.json").unlink()
    status, output, errors = replay(tmp_path, {"a": "well"}, str(path))
    assert (status, output) == (2, "")
    assert errors == f"verifier: {path}: results.json: No such file or directory\n"


def test_statements_without_a_result_count_too(tmp_path: Path) -> None:
    given: Any = evidence(tmp_path)
    given = replace(given, results=())
    status, output, _ = replay(tmp_path, {"geth": "well"}, str(tmp_path / write_bundle(tmp_path, given)))
    assert status == 1  # scripted adapters have no receipts
    assert "geth         VALID   different" in output
