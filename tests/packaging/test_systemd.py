"""The systemd unit: systemd itself reads it, and finds little to be exposed."""

import shutil
import subprocess
from pathlib import Path

import pytest

from verifier.configuration.sections import KEYS, MEMORY_DIRECTORY, STATE_DIRECTORY

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "packaging" / "systemd" / "verifier.service"
MOST_EXPOSED = 20  # tenths, of 100: what `systemd-analyze security` calls OK
TIMEOUT = 60.0  # seconds; it reads one file


def analyze(*arguments: str) -> "subprocess.CompletedProcess[str]":
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    command = ["systemd-analyze", *arguments, str(UNIT)]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)


def test_systemd_understands_every_line() -> None:
    complaints = analyze("verify").stderr.splitlines()
    # Where it is installed, the command is there.
    assert [
        line for line in complaints if "/opt/execution-verifier/.venv/bin/verifier is not executable" not in line
    ] == []


def test_it_is_bound() -> None:
    done = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}")
    assert done.returncode == 0, done.stdout


def test_no_secret_and_no_privilege_is_in_it() -> None:
    lines = [line for line in UNIT.read_text().splitlines() if line and line[0] not in "#["]
    settings = {line.partition("=")[0]: line.partition("=")[2] for line in lines}
    assert (settings["DynamicUser"], settings["NoNewPrivileges"], settings["CapabilityBoundingSet"]) == (
        "yes",
        "yes",
        "",
    )
    secrets = [line for line in lines if "JWT" in line]
    assert len(secrets) == 2
    assert all("=%d/" in line for line in secrets)  # systemd's credentials: files that only the service sees


def test_the_sidecar_understands_its_environment_and_may_write_where_it_does() -> None:
    lines = UNIT.read_text().splitlines()
    variables = [line.split("=")[1] for line in lines if line.startswith("Environment=VERIFIER_")]
    assert len(variables) == 2
    assert set(variables) <= {key.variable for key in KEYS}
    assert f"StateDirectory={STATE_DIRECTORY.name}" in lines
    assert f"RuntimeDirectory={MEMORY_DIRECTORY.name}" in lines
    assert (STATE_DIRECTORY.parent, MEMORY_DIRECTORY.parent) == (Path("/var/lib"), Path("/run"))
