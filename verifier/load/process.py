"""The sidecar as a process of its own, configured for a measurement, and what can be seen of it from outside."""

import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil
from prometheus_client.parser import text_string_to_metric_families

from verifier.errors import VerifierError

START_TIMEOUT = 300.0  # seconds until the gates answer and the adapters are warm, on two busy cores
STOP_GRACE = 20.0  # seconds from SIGTERM to SIGKILL: it ends its adapters first
LOOK_INTERVAL = 0.1  # seconds between two looks at whether it is ready
EXECUTOR_LINEAGE = "known-answers"  # of nobody: the quorum is the adapters'
MIB = 1 << 20


class SidecarProcessError(VerifierError):
    """The sidecar that is to be measured did not start."""


@dataclass(frozen=True, slots=True)
class SidecarProcess:
    """secret: for the engine gate. URLs: where it answers."""

    process: psutil.Process
    secret: bytes
    engine: str
    beacon: str
    status: str
    session: aiohttp.ClientSession

    @property
    def memory(self) -> float:
        """MiB resident, of this process alone."""
        return float(self.process.memory_info().rss / MIB)

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far, of this process alone."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    async def metrics(self) -> "Scrape":
        """All its metrics now."""
        async with self.session.get(f"{self.status}metrics") as response:
            return Scrape(await response.text())


class Scrape:
    """Metrics in Prometheus's text format."""

    def __init__(self, text: str) -> None:
        self._samples = [each for family in text_string_to_metric_families(text) for each in family.samples]

    def total(self, name: str, **labels: str) -> float:
        """The sum of a metric over all labels but those given."""
        return sum(
            float(each.value)
            for each in self._samples
            if each.name == name and all(each.labels.get(label) == value for label, value in labels.items())
        )


@asynccontextmanager
async def sidecar_process(
    directory: Path,
    session: aiohttp.ClientSession,
    *,
    execution_url: str,
    beacon_url: str,
    checkpoint: bytes,
    gate: str,
    live: Sequence[str],
) -> AsyncIterator[SidecarProcess]:
    """Starts it, waits until it is ready, and ends it. directory: for its files, in memory if that is to be measured.

    checkpoint: hash of the block that it starts from. gate: mode.gate. Raises SidecarProcessError.
    """
    secret = secrets.token_bytes(32)
    for name, value in (("consensus.jwt", secret), ("execution.jwt", secrets.token_bytes(32))):
        path = directory / name
        path.write_text(value.hex())
        path.chmod(0o600)
    configuration = directory / "verifier.toml"
    configuration.write_text(_configuration(execution_url, beacon_url, checkpoint, gate, live))
    log_path = directory / "sidecar.log"
    # Not what configures another sidecar on this machine.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VERIFIER_")}
    with log_path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "verifier.cli.main", "sidecar", "--config", str(configuration)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            env=environment,
        )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_TIMEOUT):
            line = (await process.stdout.readline()).decode()
            if not line.startswith("READY "):
                raise SidecarProcessError(f"the sidecar did not start: {_last_line(log_path)}")
            urls = dict(each.split("=", 1) for each in line.split()[1:])
            await until_ready(session, urls["status"])
        yield SidecarProcess(
            psutil.Process(process.pid), secret, urls["engine"], urls["beacon"].rstrip("/"), urls["status"], session
        )
    except TimeoutError:
        raise SidecarProcessError(f"the sidecar is not ready after {START_TIMEOUT:.0f} s") from None
    finally:
        await _ended(process)


async def until_ready(session: aiohttp.ClientSession, url: str) -> None:
    """Waits until everything is ready, and every adapter. url: of the status page."""
    while True:
        async with session.get(f"{url}readyz") as response:
            text = await response.text()
        if response.status == 200 and "not ready" not in text:  # all adapters, not only a quorum of them
            return
        await asyncio.sleep(LOOK_INTERVAL)


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_GRACE):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _last_line(path: Path) -> str:
    lines = path.read_text(errors="replace").splitlines()
    return lines[-1] if lines else "no word of it"


def _configuration(execution_url: str, beacon_url: str, checkpoint: bytes, gate: str, live: Sequence[str]) -> str:
    sections: Mapping[str, Mapping[str, object]] = {
        "execution": {"url": execution_url, "jwt_secret_file": "execution.jwt", "lineage": EXECUTOR_LINEAGE},
        "engine": {"listen": "127.0.0.1:0", "jwt_secret_file": "consensus.jwt"},
        "beacon": {"url": beacon_url, "listen": "127.0.0.1:0"},
        "adapters": {"live": list(live), "late": []},
        "mode": {"gate": gate},
        "chain": {"checkpoint": f"0x{checkpoint.hex()}"},
        "disputes": {"evidence": "evidence"},
        "storage": {"ledger": "ledger.sqlite", "witnesses": "witnesses"},
        "telemetry": {"listen": "127.0.0.1:0", "log_format": "json"},
    }
    lines = []
    for section, keys in sections.items():
        lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
    return "\n".join(lines) + "\n"
