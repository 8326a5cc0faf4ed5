"""`verifier trace` with scripted adapters: what it prints, and its exit status."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.verifier.executors.stateless.conftest import SCRIPT
from tests.verifier.services.builders import write_chain

MANIFEST = """
name = "{name}"
lineage = "scripted"
description = "for tests"
forks = ["paris"]
[start]
command = ["{{python}}", "{script}", "{mode}"]
"""


@pytest.fixture
def witness(tmp_path: Path) -> Path:
    """A witness file of a block that scripted adapters answer about without looking."""
    write_chain(tmp_path, 1)
    (path,) = tmp_path.glob("*.witness")
    return path


def trace(directory: Path, modes: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, output and errors with scripted adapters, name → mode."""
    adapters = directory / "adapters"
    for name, mode in modes.items():
        (adapters / name).mkdir(parents=True)
        (adapters / name / "adapter.toml").write_text(MANIFEST.format(name=name, script=SCRIPT, mode=mode))
    ended = subprocess.run(
        [sys.executable, "-m", "verifier.cli.main", "trace", *arguments],
        env={**os.environ, "VERIFIER_ADAPTERS": str(adapters)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_equal(tmp_path: Path, witness: Path) -> None:
    status, output, errors = trace(tmp_path, {"a": "well", "b": "well", "c": "no-traces"}, str(witness))
    assert (status, errors) == (0, "")
    first, second, third = output.splitlines()
    assert "1 transaction    0 0x09090909…        2 steps     21000 gas succeeded: equal" in first
    assert "paris: equal: 2 equal steps in 1 transactions; a, b" in second
    assert "apart: c: refused: this adapter serves no traces" in third


def test_a_divergence(tmp_path: Path, witness: Path) -> None:
    status, output, errors = trace(tmp_path, {"a": "well", "b": "other", "c": "well"}, str(witness))
    assert (status, errors) == (1, "")
    block, where, before, most, other = output.splitlines()
    assert "DIVERGENCE: 0 equal steps in 0 transactions; a, b, c" in block
    assert "first divergence: transaction 0, step 1: gas, stack" in where
    assert f"0 all: depth 1 0x{'0a' * 20} pc 3 PUSH1 gas 100000 stack [0x0 0x0] of 2" in before
    assert "1 a, c: depth 1" in most
    assert "1 b: depth 1" in other
    assert other.endswith("gas 99999 stack [0x1 0x0] of 2 (no); word 0 from the top: 0x1 instead of 0x0")


def test_json(tmp_path: Path, witness: Path) -> None:
    status, output, errors = trace(tmp_path, {"a": "well", "b": "other"}, "--json", "--steps", "0", str(witness))
    assert (status, errors) == (1, "")
    document = json.loads(output)
    assert document["equal"] is False
    assert document["block"]["number"] == 1
    assert document["divergence"]["fields"] == ["gas", "stack"]
    assert document["divergence"]["before"] == []
    assert [group["adapters"] for group in document["divergence"]["groups"]] == [["a"], ["b"]]
    assert document["divergence"]["groups"][1]["event"]["gas"] == "0x1869f"


def test_eip_3155_lines(tmp_path: Path, witness: Path) -> None:
    modes = {"a": "well", "b": "other"}
    status, output, errors = trace(tmp_path, modes, "--jsonl", "--adapters", "b", "--transaction", "0", str(witness))
    assert (status, errors) == (0, "")
    step, other, end = map(json.loads, output.splitlines())
    assert step == {
        "pc": 3,
        "op": 0x60,
        "gas": "0x186a0",
        "gasCost": "0x3",
        "memSize": 0,
        "stack": ["0x0", "0x0"],
        "depth": 1,
        "opName": "PUSH1",
    }
    assert (other["stack"], other["error"]) == (["0x0", "0x1"], "no")
    assert end == {"gasUsed": "0x5208", "pass": True}


def test_nothing_to_compare(tmp_path: Path, witness: Path) -> None:
    status, output, _ = trace(tmp_path, {"a": "well", "b": "error"}, str(witness))
    assert status == 3
    assert "not compared: 2 equal steps in 1 transactions; a" in output
    assert "apart: b: crashed: internal: scripted error" in output


def test_lines_of_an_adapter_that_abstains(tmp_path: Path, witness: Path) -> None:
    status, output, errors = trace(tmp_path, {"a": "no-end"}, "--jsonl", str(witness))
    assert status == 3
    assert len(output.splitlines()) == 2
    assert errors == "verifier: a on block 1: crashed: malformed answer: computed, but transaction 0 has no end\n"


def test_lines_of_several_adapters(tmp_path: Path, witness: Path) -> None:
    status, output, errors = trace(tmp_path, {"a": "well", "b": "well"}, "--jsonl", str(witness))
    assert (status, output) == (2, "")
    assert errors.startswith("verifier: --jsonl prints the steps of one adapter")


def test_a_file_that_is_none(tmp_path: Path, witness: Path) -> None:
    witness.chmod(0o644)
    witness.write_bytes(b"garbage")
    status, output, errors = trace(tmp_path, {"a": "well", "b": "well"}, str(witness))
    assert (status, output) == (2, "")
    assert errors.startswith("verifier: ")
