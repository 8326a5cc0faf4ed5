"""What of the packages is no Python is installed with them."""

import subprocess
import tomllib
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]


def test_every_file_that_a_package_reads_is_installed_with_it() -> None:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = document["tool"]["setuptools"]["package-data"]
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [PurePosixPath(line) for line in listed.stdout.splitlines() if not line.endswith((".py", ".pyi"))]
    assert len(files) > 10
    for file in files:
        package, *rest = file.parts
        below = PurePosixPath(*rest)
        # As setuptools does it: the pattern is for the whole path, and * for no more than one part of it.
        assert any(len(below.parts) == each.count("/") + 1 and below.match(each) for each in patterns[package]), file
    names = {str(file) for file in files}
    assert "verifier/services/conformance/known_differences.toml" in names
    assert "verifier/services/conformance/report/page/page.html" in names
