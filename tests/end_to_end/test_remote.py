"""A real adapter that runs elsewhere, over mutual TLS: asked, killed in the middle of a block, started again."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from verifier.app import bundled_chain
from verifier.domain.quorum import Verdict, quorum_policy
from verifier.domain.result import Computed, Result
from verifier.executors.stateless import remote
from verifier.executors.stateless.base import ExecutionRequest
from verifier.executors.stateless.pool import AdapterPool
from verifier.executors.stateless.remotes import read_remotes
from verifier.services.recording import RecordOptions, record
from verifier.services.replay import ReplayOptions, judge
from verifier.services.tracing import TraceOptions, trace_request
from witness.file import map_witness_file

ROOT = Path(__file__).parents[2]
LISTENING = re.compile(r"event=listening address=\S+:(\d+)")
START_TIMEOUT = 120  # seconds; a Python client on busy cores


@dataclass
class Elsewhere:
    """An adapter's process on a port that it keeps, with its TLS files in `folder`."""

    folder: Path
    port: int = 0
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Starts it; returns when it listens."""
        command = [sys.executable, "-m", "adapters.pyevm", "--listen", f"127.0.0.1:{self.port}", "--workers", "1"]
        for option, name in (("certificate", "adapter"), ("key", "adapter-key"), ("client-ca", "ca")):
            command += [f"--tls-{option}", str(self.folder / f"{name}.pem")]
        log = self.folder / "adapter.log"
        with log.open("w") as errors:
            self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stderr=errors, text=True)
        while not (found := LISTENING.search(log.read_text())):
            assert self.process.poll() is None, log.read_text()
            os.sched_yield()
        self.port = int(found[1])

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Ends it."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(START_TIMEOUT)

    def remotes(self, ca: str = "ca.pem") -> Path:
        """The file that names it "far"."""
        path = self.folder / "remotes.toml"
        path.write_text(
            f'[far]\nlineage = "pyevm"\naddress = "127.0.0.1:{self.port}"\n'
            f'tls_ca = "{ca}"\ntls_certificate = "verifier.pem"\ntls_key = "verifier-key.pem"\n'
        )
        return path


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    """py-evm's adapter, listening with mutual TLS."""
    folder = tmp_path_factory.mktemp("elsewhere")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(folder / "other-ca.pem"))
    for name, host in (("adapter", "127.0.0.1"), ("verifier", "verifier.example")):
        issued = authority.issue_cert(host)
        issued.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))
        issued.private_key_pem.write_to_path(str(folder / f"{name}-key.pem"))
    adapter = Elsewhere(folder)
    adapter.start()
    yield adapter
    adapter.end(signal.SIGTERM)


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A block of the bundled chain."""
    chain, folder = bundled_chain(), tmp_path_factory.mktemp("witness")
    event = next(iter(record(chain / "chain.rlp", RecordOptions(folder, chain / "genesis.json", sync=False))))
    assert event.path is not None
    return event.path


def verifier(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "verifier.cli.main", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=START_TIMEOUT, check=False)


def test_it_votes_and_traces(elsewhere: Elsewhere, witness: Path) -> None:
    async def scenario() -> None:
        content = map_witness_file(witness)
        async with AdapterPool([], read_remotes(elsewhere.remotes())) as pool:
            await pool.wait_ready()
            options = ReplayOptions(quorum_policy({"far": "pyevm"}))
            report = await judge(pool.executors, witness, content, options)
            assert report.decision.verdict is Verdict.ATTEST, report.votes
            request, _ = trace_request(witness, content, TraceOptions())
            async with aclosing(pool.tracers[0].trace(request)) as stream:
                *batches, result = [each async for each in stream]
            assert batches
            assert isinstance(result, Result)
            assert isinstance(result.outcome, Computed)

    asyncio.run(scenario())


def test_killed_in_the_middle_of_a_block_and_started_again(
    elsewhere: Elsewhere, witness: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "AWAY_PATIENCE", float(START_TIMEOUT))

    async def scenario() -> Result:
        request: ExecutionRequest
        request, _ = trace_request(witness, map_witness_file(witness), TraceOptions(deadline=START_TIMEOUT))
        async with AdapterPool([], read_remotes(elsewhere.remotes())) as pool:
            await pool.wait_ready()
            (adapter,) = pool.remote
            assert elsewhere.process is not None
            elsewhere.process.send_signal(signal.SIGSTOP)  # whatever it is sent now is not answered
            asking = asyncio.create_task(adapter.execute(request))
            while not adapter._uploading.locked():  # noqa: ASYNC110 - nothing tells that it has begun
                await asyncio.sleep(0)
            await asyncio.to_thread(elsewhere.end)
            await asyncio.to_thread(elsewhere.start)
            result = await asking
            assert adapter.connects == 2
            return result

    assert isinstance(asyncio.run(scenario()).outcome, Computed)


def test_replay_and_trace_on_the_command_line(elsewhere: Elsewhere, witness: Path) -> None:
    done = verifier("replay", "--remotes", elsewhere.remotes(), "--adapters", "far", witness)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ATTEST" in done.stdout
    traced = verifier("trace", "--remotes", elsewhere.remotes(), "--adapters", "far", "--jsonl", witness)
    assert traced.returncode == 0, traced.stderr
    assert '\n{"pc":0,' in traced.stdout  # the first transaction is a plain transfer


def test_whoever_it_is_not_does_not_vote(elsewhere: Elsewhere, witness: Path) -> None:
    done = verifier("replay", "--remotes", elsewhere.remotes(ca="other-ca.pem"), "--adapters", "far", witness)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "unavailable: 127.0.0.1:" in done.stdout
    assert "CERTIFICATE_VERIFY_FAILED" in done.stdout


def test_the_contract_kit_over_tls(elsewhere: Elsewhere) -> None:
    files = [elsewhere.folder / name for name in ("ca.pem", "verifier.pem", "verifier-key.pem")]
    tls = [each for pair in zip(("--tls-ca", "--tls-certificate", "--tls-key"), files, strict=True) for each in pair]
    address = f"127.0.0.1:{elsewhere.port}"
    only = ("--only", "describe", "--only", "health", "--only", "execute.values")
    done = verifier("adapters", "check", address, *tls, *only)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "execute.values: met" in done.stdout
    half = verifier("adapters", "check", address, *tls[:4], *only)
    assert half.returncode == 2
    assert half.stderr == "verifier: TLS needs all three: the CA, the certificate, and its key\n"
