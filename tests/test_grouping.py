"""Tests that share something costly run in one process; all others go wherever there is time."""

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT, scope_of

RUN_TIMEOUT = 60.0  # seconds for a collection by two processes, on busy cores


def test_the_tests_of_a_marked_file_stay_together() -> None:
    file = "tests/end_to_end/sidecar/test_majority_bug.py"
    assert {scope_of(f"{file}::test_one"), scope_of(f"{file}::test_two[x::y]")} == {"majority bug"}
    assert scope_of("tests/test_layout.py::test_one") == "tests/test_layout.py::test_one"


def test_the_scheduler_is_the_one_that_is_used(tmp_path: Path) -> None:
    tests = 'import pytest\npytestmark = pytest.mark.xdist_group("one")\n' + "".join(
        f"def test_{index}(worker_id): print('by', worker_id)\n" for index in range(4)
    )
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text().replace("parents[1]", "parent"))
    (tmp_path / "test_grouped.py").write_text(tests)
    command = [sys.executable, "-m", "pytest", "-n2", "--dist", "loadgroup", "-rP", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert len({line for line in done.stdout.splitlines() if line.startswith("by gw")}) == 1, done.stdout
