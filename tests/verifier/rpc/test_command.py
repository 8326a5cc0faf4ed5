"""The command line that every Python adapter has."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.verifier.rpc.block_example import example
from tests.verifier.rpc.conftest import COMMAND
from verifier.rpc.host.command import main
from verifier.rpc.host.fake import ADAPTER
from witness.file import write_witness_file


def test_describe_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(ADAPTER, ["--describe"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["lineage"] == "fake"
    assert json.loads(line)["uncheckedRules"] == ["RULE_OTHER"]


def test_bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_witness_file(example(), tmp_path, sync=False)
    assert main(ADAPTER, ["--bench", str(path), "--runs", "3"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert len(json.loads(line)["runs_ms"]) == 3


def test_bench_of_what_is_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(ADAPTER, ["--bench", str(tmp_path / "absent")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "No such file" in captured.err


def test_missing_module(capsys: pytest.CaptureFixture[str]) -> None:
    adapter = replace(ADAPTER, required_modules=("json", "no_such_module"))
    assert main(adapter, ["--describe"]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert "no_such_module" in line


@pytest.mark.parametrize(
    "arguments", [[], ["--socket"], ["--runs", "0", "--describe"], ["--describe", "--socket", "x"]]
)
def test_wrong_arguments(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(ADAPTER, arguments)
    assert caught.value.code == 2


def test_socket_that_cannot_be_made(tmp_path: Path) -> None:
    for path in (tmp_path / ("long" * 40), tmp_path / "absent" / "fake.sock", tmp_path):
        result = subprocess.run(
            [*COMMAND, "--socket", str(path)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        assert result.returncode == 2
        assert result.stdout == ""
        assert "cannot" in result.stderr or "directory" in result.stderr.lower()
