"""The documentation keeps up with the code."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("witness", "machine", "verifier", "adapters")
MAX_LINES = 500  # a longer module is more than one noun


def modules() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    paths = [Path(line) for line in listed.stdout.splitlines()]
    return [path for path in paths if path.parts[0] in PACKAGES and "_pb2" not in path.name]


def test_every_module_has_its_line_in_the_layout() -> None:
    sections = (ROOT / "docs" / "layout.md").read_text().split("\n## ")
    lines = {section.splitlines()[0].rstrip("/"): section for section in sections}
    for path in modules():
        if path.name == "__init__.py":
            continue
        assert f"- `{path.stem}`: " in lines.get(str(path.parent), ""), path


def test_no_module_has_two_lines() -> None:
    for section in (ROOT / "docs" / "layout.md").read_text().split("\n## "):
        lines = [line.split("`")[1] for line in section.splitlines() if line.startswith("- `")]
        assert len(lines) == len(set(lines)), section.splitlines()[0]


def test_every_module_in_rust_is_named_in_the_layout() -> None:
    sections = (ROOT / "docs" / "layout.md").read_text().split("\n## ")
    lines = {section.splitlines()[0].removesuffix("/ (Rust)"): section for section in sections}
    crates = [path.parent for path in (ROOT / "adapters").glob("*/Cargo.toml")]
    assert crates
    for crate in crates:
        section = lines.get(f"adapters/{crate.name}", "")
        for path in (crate / "src").iterdir():
            if path.name not in ("lib.rs", "main.rs"):
                assert f"`{path.stem}`" in section, path


def test_modules_are_short() -> None:
    for path in modules():
        assert len((ROOT / path).read_text().splitlines()) <= MAX_LINES, path


def test_decisions_are_under_a_page() -> None:
    for path in (ROOT / "docs" / "decisions").glob("*.md"):
        assert len(path.read_text().splitlines()) <= 60, path
