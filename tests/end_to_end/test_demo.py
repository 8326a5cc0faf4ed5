"""`verifier demo`, as fast as it goes: real adapters, the sidecar between, and what it shows is as it should be."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from verifier.demo.program import FEWEST_SLOTS, Act
from verifier.services.evidence.bundle import read_bundle

# Seconds; 35 on two idle cores, most of it six adapters that get ready, twice: an operator's word needs a new start.
TIMEOUT = 300.0
EXPECTED = 16


def run_demo(directory: Path, *arguments: str) -> dict[str, Any]:
    """Runs it, and checks what it says and what it leaves behind; the scene in which the execution client errs."""
    command = [sys.executable, "-m", "verifier.cli.main", "demo", "--seconds", "1", "--out", directory.name, *arguments]
    # A directory beside where the command is started, as `make run` names it.
    done = subprocess.run(command, cwd=directory.parent, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("as it should be") == EXPECTED
    report = json.loads((directory / "report.json").read_text())
    assert report["as_it_should_be"] is True
    assert sum(block["scene"]["depth"] for block in report["blocks"]) == FEWEST_SLOTS
    refused = [block for block in report["blocks"] if block["verdict"] != "ATTEST"]
    assert [block["scene"]["act"] for block in refused] == [Act.CLIENT_ERRS, Act.MAJORITY_LIES]
    assert all((block["counted"], block["dispute"]["conclusion"]) == (0, "invalid") for block in refused)
    assert any(each["answer"] == "refused" for each in report["gates"])
    assert "Everything was as it should be." in (directory / "report.md").read_text()
    for block in report["blocks"]:
        if block["dispute"] is not None:
            read_bundle(directory / "work" / "evidence" / block["dispute"]["evidence"])
    erring: dict[str, Any] = refused[0]
    return erring


def test_with_the_embedded_execution_client(tmp_path: Path) -> None:
    erring = run_demo(tmp_path, "--embedded")
    assert "EXP at pc 4" in erring["dispute"]["localized"]
    assert "has 0x9 on top of the stack, embedded-client has 0xa" in erring["dispute"]["localized"]
