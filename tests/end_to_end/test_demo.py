"""`verifier demo`, as fast as it goes: real adapters, the sidecar between, and what it shows is as it should be."""

import json
import subprocess
import sys
from pathlib import Path

from verifier.demo.program import FEWEST_SLOTS

TIMEOUT = 240.0  # seconds; 20 on two idle cores, most of it six adapters that get ready


def run_demo(directory: Path, *arguments: str) -> None:
    """Runs it, and checks what it says and what it leaves behind."""
    command = [sys.executable, "-m", "verifier.cli.main", "demo", "--seconds", "1", "--out", directory.name, *arguments]
    # A directory beside where the command is started, as `make run` names it.
    done = subprocess.run(command, cwd=directory.parent, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("as it should be") == 10
    report = json.loads((directory / "report.json").read_text())
    assert report["as_it_should_be"] is True
    assert len(report["blocks"]) == FEWEST_SLOTS
    refused = [block for block in report["blocks"] if block["verdict"] != "ATTEST"]
    assert refused
    assert all((block["counted"], block["engine"]) == (0, "SYNCING") for block in refused)
    assert any(each["answer"] == "refused" for each in report["gates"])
    assert "Everything was as it should be." in (directory / "report.md").read_text()


def test_with_the_embedded_execution_client(tmp_path: Path) -> None:
    run_demo(tmp_path, "--embedded")
