"""`verifier config show`, and how every configurable command takes its options."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from verifier.cli.main import verifier
from verifier.configuration.sections import KEYS
from verifier.errors import ConfigurationError

NEEDED = """
[execution]
jwt_secret_file = "execution.jwt"
lineage = "geth"
[engine]
jwt_secret_file = "consensus.jwt"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "verifier.toml"
    path.write_text(NEEDED)
    return path


def show(*arguments: str, **environment: str) -> str:
    result = CliRunner().invoke(
        verifier, ["config", "show", *arguments], env=environment, catch_exceptions=False, standalone_mode=False
    )
    return result.output


def test_values_with_where_they_come_from(file: Path) -> None:
    lines = show("--config", str(file), "--quorum-required", "2", VERIFIER_ENGINE_HOLD_SECONDS="3").splitlines()
    assert "quorum.required = 2  # flag --quorum-required" in lines
    assert "engine.hold_seconds = 3.0  # environment VERIFIER_ENGINE_HOLD_SECONDS" in lines
    assert f'execution.lineage = "geth"  # file {file}' in lines
    assert "quorum.rejecting = (not set)  # default" in lines
    assert len(lines) == len(KEYS)


def test_as_json_and_the_file_named_by_the_environment(file: Path) -> None:
    shown = json.loads(show("--json", VERIFIER_CONFIG=str(file)))
    assert shown["execution"]["jwt_secret_file"] == {
        "value": str(file.parent / "execution.jwt"),
        "from": f"file {file}",
    }


def test_what_cannot_be_ends_it(file: Path) -> None:
    with pytest.raises(ConfigurationError, match="--engine-hold-seconds"):
        show("--config", str(file), "--engine-hold-seconds", "8")


def test_every_key_has_a_flag_with_help() -> None:
    text = show("--help")
    assert all(key.flag in text for key in KEYS)
