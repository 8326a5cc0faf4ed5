"""The real `verifier sidecar` as a process, with its log read as it is written."""

import json
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.peers.process import PeerProcess

START_TIMEOUT = 240.0  # seconds until the gates answer, its adapters starting meanwhile on two busy cores
STOP_GRACE = 20.0  # seconds from SIGTERM to SIGKILL; it ends its adapters first

URLS = ("engine", "beacon", "status")  # as the line READY names them

Settings = Mapping[str, Mapping[str, Any]]


class Sidecar:
    """One sidecar, all of whose files are in `directory`. Starts with `start` or as a context manager.

    settings: section → key → value, over what a test needs in any case: any ports, JSON logs, everything below the
    directory. secret: what the consensus client shows to the engine gate. URLs are there once it is started.
    """

    def __init__(self, directory: Path, settings: Settings) -> None:
        self.directory = directory
        self.secret = secrets.token_bytes(32)
        self.engine_url = self.beacon_url = self.status_url = ""
        self._settings = settings
        self._process: PeerProcess | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts it and waits until the gates answer. Raises PeerError."""
        self.directory.mkdir(parents=True, exist_ok=True)
        secret_file = self.directory / "consensus.jwt"
        secret_file.write_text(self.secret.hex())
        secret_file.chmod(0o600)
        configuration = self.directory / "verifier.toml"
        configuration.write_text(_toml(self._complete(secret_file)))
        command = [sys.executable, "-m", "verifier.cli.main", "sidecar", "--config", str(configuration)]
        self._process = PeerProcess("sidecar", command, self.directory / "sidecar.log")
        try:
            ready = self._process.wait_for_line(r"^READY (.*)$", START_TIMEOUT)[1]
        except BaseException:
            self._process.stop()
            raise
        urls = dict(each.split("=", 1) for each in ready.split())
        self.engine_url, self.beacon_url, self.status_url = (urls.get(each, "") for each in URLS)

    def stop(self) -> None:
        """Ends it in order."""
        if self._process is not None:
            self._process.stop(STOP_GRACE)

    @property
    def process(self) -> PeerProcess:
        """The process since the start."""
        assert self._process is not None, "not started"
        return self._process

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log's lines so far with this event: "verdict", "vote", "alarm" …, at the configured level."""
        lines = [json.loads(line) for line in self.process.lines if line.startswith("{")]
        return [line for line in lines if line.get("event") == name]

    def _complete(self, secret_file: Path) -> Settings:
        given: dict[str, dict[str, Any]] = {section: dict(keys) for section, keys in self._settings.items()}
        needed: dict[str, dict[str, Any]] = {
            "engine": {"listen": "127.0.0.1:0", "jwt_secret_file": str(secret_file)},
            "beacon": {"listen": "127.0.0.1:0"},
            "storage": {
                "ledger": str(self.directory / "ledger.sqlite"),
                "witnesses": str(self.directory / "witnesses"),
            },
            "telemetry": {"listen": "127.0.0.1:0", "log_format": "json", "log_level": "debug"},
        }
        return {each: needed.get(each, {}) | given.get(each, {}) for each in needed.keys() | given.keys()}


def _toml(settings: Settings) -> str:
    """Settings as TOML: strings, numbers, lists and switches are written as in JSON."""
    lines = []
    for section, keys in settings.items():
        lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
    return "\n".join(lines) + "\n"
