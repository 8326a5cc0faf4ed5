"""The contract kit against every adapter that can be started here, by name, and against one by its address."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.end_to_end.running import RunningAdapters
from verifier.app import configured_adapters
from verifier.executors.stateless.manifest import Manifest
from verifier.services.contract.certificates import make_certificates
from verifier.services.contract.instance import Instance

VERIFIER = (sys.executable, "-m", "verifier.cli.main")
MANIFESTS = configured_adapters()
# Seconds a check of many cases; test_dropped and test_prestate drop every one.
SAMPLE_TIME = "1"
# Obligations that ask for no process of the kit's own, and take a few seconds.
QUICK = ("describe", "health", "execute", "request", "missing.all", "process.socket-mode")
# And some of each of the contract's later parts.
LATER = ("prestate.post-state", "prestate.malformed-section", "trace.steps", "trace.range", "upload.execute")


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `verifier adapters check` to its end."""
    return subprocess.run(
        [*VERIFIER, "adapters", "check", *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def only(*ids: str) -> list[str]:
    """The arguments that select these obligations."""
    return [argument for id_ in ids for argument in ("--only", id_)]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest.name)
def test_every_obligation(manifest: Manifest) -> None:
    unavailable = manifest.unavailable_because()
    if unavailable is not None:
        assert not os.environ.get("CI"), f"in CI every adapter must be there: {unavailable}"
        pytest.skip(f"{manifest.name} cannot be started: {': '.join(unavailable)}")
    done = check(manifest.name, "--json", "--sample-time", SAMPLE_TIME)
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    unmet = {each["obligation"]: each["detail"] for each in documents if each["standing"] == "not met"}
    assert not unmet
    assert (done.returncode, done.stderr) == (0, "")
    assert len(documents) > 90
    # Nothing that the bundled blocks could have shown was left out.
    exempt = {each["obligation"] for each in documents if each["standing"] == "not applicable"}
    assert exempt <= {"execute.unlisted-forks"}, exempt


@pytest.fixture
def available(adapters: RunningAdapters) -> str:
    """The name of an adapter that runs."""
    return next(name for name in ("geth", "ethrex", "pyevm", "eels") if name in adapters.names)


def test_by_the_address_of_a_socket(adapters: RunningAdapters, available: str) -> None:
    done = check(f"unix:{adapters.sockets()[available]}", *only(*QUICK, "process.lifeline"), "--json")
    documents = {each["obligation"]: each for each in map(json.loads, done.stdout.splitlines())}
    assert (done.returncode, done.stderr) == (0, ""), documents
    assert documents["execute.values"]["standing"] == "met"
    assert documents["process.socket-mode"]["standing"] == "met"
    assert documents["process.lifeline"]["standing"] == "not applicable"


def test_by_a_port_of_this_machine(adapters: RunningAdapters, available: str) -> None:
    async def run() -> tuple[int | None, str, str]:
        async with forwarded(adapters.sockets()[available]) as port:
            process = await asyncio.create_subprocess_exec(
                *VERIFIER,
                "adapters",
                "check",
                f"127.0.0.1:{port}",
                *only(*QUICK),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            output, errors = await process.communicate()
            return process.returncode, output.decode(), errors.decode()

    status, output, errors = asyncio.run(run())
    assert (status, errors) == (0, ""), output
    assert "process.socket-mode: not applicable" in output


def test_over_mutual_tls(tmp_path: Path) -> None:
    """Nobody's files are seen there as far as the kit knows: it sends along what it asks about."""
    (manifest,) = configured_adapters(["pyevm"])
    certificates = make_certificates(tmp_path)
    server, client = certificates.server, certificates.client
    files = ("--tls-certificate", server.certificate, "--tls-key", server.key, "--tls-client-ca", server.ca)
    ours = ("--tls-ca", client.ca, "--tls-certificate", client.certificate, "--tls-key", client.key)

    async def run(*shown: Path | str) -> subprocess.CompletedProcess[str]:
        instance = Instance(manifest, tmp_path, "remote")
        try:
            await instance.start(listen="127.0.0.1:0", tls=[str(each) for each in files])
            address = await instance.listening(client)
            await (await instance.wait_serving(address)).close()
            arguments = (str(address), *map(str, shown), *only(*QUICK, *LATER, "listen"), "--json")
            return await asyncio.to_thread(check, *arguments)
        finally:
            await instance.kill()

    done = asyncio.run(run(*ours))
    documents = {each["obligation"]: each for each in map(json.loads, done.stdout.splitlines())}
    assert (done.returncode, done.stderr) == (0, ""), documents
    for id_ in ("execute.values", *LATER):
        assert documents[id_]["standing"] == "met"
    assert documents["listen.tls"]["standing"] == "not applicable"
    # Who shows nothing hears that nobody is there, in one line.
    refused = asyncio.run(run())
    assert (refused.returncode, refused.stdout) == (2, "")
    assert len(refused.stderr.splitlines()) == 1


@asynccontextmanager
async def forwarded(socket: Path) -> AsyncIterator[int]:
    """A port of this machine whose connections are passed on to a unix-domain socket."""

    writers: list[asyncio.StreamWriter] = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        while octets := await reader.read(1 << 16):
            writer.write(octets)
            await writer.drain()
        writer.close()

    async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_reader, their_writer = await asyncio.open_unix_connection(socket)
        await asyncio.gather(copy(reader, their_writer), copy(their_reader, writer), return_exceptions=True)

    server = await asyncio.start_server(passed_on, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for writer in writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


class TestUsage:
    def test_list(self) -> None:
        done = check("--list", *only("missing"))
        assert done.returncode == 0
        assert done.stdout.startswith("missing.node: ")

    @pytest.mark.parametrize(
        ("arguments", "why"),
        [
            ((), "name an adapter"),
            (("no-such-adapter",), "no such adapter"),
            (("geth", "--only", "no-such"), "no such obligation"),
            (("10.1.2.3:50051",), "plain TCP only to this machine"),
            (("unix:relative.sock",), "absolute"),
            (("unix:/no/such.sock", "--only", "health"), "unix:/no/such.sock: "),
        ],
    )
    def test_errors_are_one_line_and_status_2(self, arguments: tuple[str, ...], why: str) -> None:
        done = check(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        assert why in line
