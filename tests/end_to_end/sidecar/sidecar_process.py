"""`verifier sidecar` as a process: configured, started, killed, and what it says of itself."""

import contextlib
import json
import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from tests.peers.process import PeerProcess

START_TIMEOUT = 120.0  # seconds until both gates answer, on two busy cores; 2 s on idle ones
LOG_TIMEOUT = 60.0  # seconds for what it is about to log
ADAPTERS_GONE = 30.0  # seconds until the adapters have noticed that it is gone
SECRETS = ("execution.jwt", "consensus.jwt")


class SidecarProcess:
    """One sidecar on a directory that takes its configuration, secrets, ledger, witnesses and log.

    settings: sections of the configuration, over those that every test has; environment: variables. After `kill` or
    `stop`, `start` goes on with the same ledger and ports. program: the module that is run.
    """

    program = "verifier.cli.main"

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, Mapping[str, Any]],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self._environment = environment
        self.engine_url = self.beacon_url = self.status_url = ""
        self.settings: dict[str, dict[str, Any]] = {
            "execution": {"jwt_secret_file": SECRETS[0]},
            "engine": {"jwt_secret_file": SECRETS[1], "listen": "127.0.0.1:0"},
            "beacon": {"listen": "127.0.0.1:0"},
            "disputes": {"evidence": "evidence"},
            "storage": {"ledger": "ledger.sqlite", "witnesses": "witnesses", "embedded": "embedded"},
            "telemetry": {"listen": "127.0.0.1:0", "log_format": "json"},
        }
        for section, values in settings.items():
            self.settings.setdefault(section, {}).update(values)
        self._process: PeerProcess | None = None
        directory.mkdir(parents=True, exist_ok=True)
        for name in SECRETS:
            if not (directory / name).exists():
                self.write_secret(name, secrets.token_bytes(32))

    @property
    def process(self) -> PeerProcess:
        """The process since the last start."""
        assert self._process is not None, "not started"
        return self._process

    @property
    def ledger(self) -> Path:
        """Its ledger's file."""
        return self.directory / "ledger.sqlite"

    def secret(self, name: str) -> bytes:
        """The 32 bytes in one of its two files."""
        return bytes.fromhex((self.directory / name).read_text())

    def write_secret(self, name: str, secret: bytes) -> None:
        """What it takes for a secret from the next start on."""
        path = self.directory / name
        path.write_text(secret.hex())
        path.chmod(0o600)

    def start(self) -> None:
        """Starts it and waits until both gates answer. Raises PeerError."""
        self.launch()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Waits until both gates of what was launched answer. Raises PeerError."""
        try:
            addresses = self.process.wait_for_line(r"^READY (.*)$", START_TIMEOUT)[1]
        except BaseException:
            self.kill()
            raise
        told = dict(part.split("=", 1) for part in addresses.split())
        self.engine_url, self.beacon_url, self.status_url = (told[name] for name in ("engine", "beacon", "status"))
        for name, url in told.items():
            section = "telemetry" if name == "status" else name
            self.settings[section]["listen"] = url.removeprefix("http://").rstrip("/")

    def launch(self) -> None:
        """Starts it, without waiting for anything."""
        path = self.directory / "verifier.toml"
        path.write_text(
            "\n".join(
                f"[{section}]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in values.items())
                for section, values in self.settings.items()
            )
        )
        command = [sys.executable, "-m", self.program, "sidecar", "--config", str(path)]
        self._process = PeerProcess("sidecar", command, self.directory / "sidecar.log", self._environment)

    def stop(self) -> None:
        """Ends it in order."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """SIGKILL, as a crash does; its adapters end by themselves."""
        if self._process is not None:
            self._process.kill()

    def adapters(self, name: str = "-adapter") -> list[psutil.Process]:
        """The processes of the adapters in whose command `name` is."""
        found = []
        for each in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if any(name in part for part in each.cmdline()) and each.exe() != sys.executable:
                    found.append(each)
        return found

    def logged(self, since: int = 0) -> list[dict[str, Any]]:
        """Everything that it has logged since a line, as it logged it."""
        entries = []
        for line in self.process.lines[since:]:
            if line.startswith("{"):
                with contextlib.suppress(ValueError):
                    entries.append(json.loads(line))
        return entries

    def mark(self) -> int:
        """The number of lines so far, for `since`."""
        return len(self.process.lines)

    def wait_for_alarm(self, name: str, since: int = 0, timeout: float = LOG_TIMEOUT) -> str:
        """The text of the first such alarm. Raises PeerError."""
        self.process.wait_for_line(rf'"alarm": "{name}"', timeout, since)
        return str(next(each["text"] for each in self.logged(since) if each.get("alarm") == name))

    def wait_for_log(self, pattern: str, since: int = 0, timeout: float = LOG_TIMEOUT) -> str:
        """The first line in which the pattern is found. Raises PeerError."""
        return self.process.wait_for_line(pattern, timeout, since).string

    def alarms(self, since: int = 0) -> set[str]:
        """The names of the alarms that were raised."""
        return {each["alarm"] for each in self.logged(since) if "alarm" in each}


def wait_gone(processes: list[psutil.Process]) -> None:
    """Waits until processes have ended. Raises AssertionError."""
    deadline = time.monotonic() + ADAPTERS_GONE
    _, alive = psutil.wait_procs(processes, max(0.0, deadline - time.monotonic()))
    assert not alive, alive
