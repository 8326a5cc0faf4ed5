"""A campaign with a real client as a command: nothing differs, and it goes on after it was killed."""

import json
import subprocess
import sys
from pathlib import Path

from verifier.services.fuzzing.state import JOURNAL

VERIFIER = (str(Path(sys.executable).with_name("verifier")), "fuzz", "--adapters", "pyevm", "--recorder", "embedded")
BLOCKS, FIRST = 30, 12
TIMEOUT = 300.0  # seconds, on busy cores


def run(out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*VERIFIER, "--out", str(out), *options], capture_output=True, text=True, timeout=TIMEOUT, check=False
    )


def test_it_goes_on_as_if_it_had_not_been_interrupted(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", "--seed", "7", "--blocks", str(BLOCKS))
    assert whole.returncode == 0, whole.stderr
    assert "no differences" in whole.stdout
    journal = (tmp_path / "whole" / JOURNAL).read_bytes()

    out = tmp_path / "interrupted"
    assert run(out, "--seed", "7", "--blocks", str(FIRST)).returncode == 0
    (out / JOURNAL).write_bytes((out / JOURNAL).read_bytes()[:-5])
    again = run(out, "--seed", "7", "--blocks", str(BLOCKS))
    assert again.returncode == 2
    assert "go on with --resume" in again.stderr
    other = run(out, "--seed", "8", "--blocks", str(BLOCKS), "--resume")
    assert other.returncode == 2
    assert "another campaign" in other.stderr
    resumed = run(out, "--blocks", str(BLOCKS), "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert (out / JOURNAL).read_bytes() == journal
    summary = json.loads((out / "summary.json").read_bytes())
    assert summary["blocks"] == BLOCKS
    assert summary["resumed"] == FIRST - 1
    assert summary["coverage"]["opcodes"]["reached"] > 40
