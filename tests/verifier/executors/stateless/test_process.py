"""Supervision of real processes: start, readiness, crash, restart, stop, and nothing left behind."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from tests.verifier.executors.stateless.conftest import Scripted
from verifier.executors.stateless import process as process_module
from verifier.executors.stateless.address import Address
from verifier.executors.stateless.client import AdapterClient
from verifier.executors.stateless.process import AdapterProcess, ProcessState, last_line


def supervised(manifest_of: Scripted, mode: str, directory: Path) -> tuple[AdapterProcess, AdapterClient]:
    socket = directory / "scripted.sock"
    client = AdapterClient("scripted", "scripted", Address(path=socket))
    return AdapterProcess(manifest_of(mode), socket, client.probe), client


def run(
    manifest_of: Scripted, mode: str, directory: Path, body: Callable[[AdapterProcess], Awaitable[None]]
) -> AdapterProcess:
    async def scenario() -> AdapterProcess:
        process, client = supervised(manifest_of, mode, directory)
        process.start()
        try:
            await body(process)
        finally:
            pid = process.pid
            await process.stop()
            await client.close()
        assert process.state is ProcessState.STOPPED
        assert pid is None or not psutil.pid_exists(pid)
        assert not process.socket.exists()
        return process

    return asyncio.run(scenario())


async def reaches(process: AdapterProcess, state: ProcessState) -> None:
    while process.state is not state:
        await process.wait_change()


@pytest.mark.parametrize("mode", ["well", "ignore-sigterm"])
def test_becomes_ready_and_stops(scripted: Scripted, socket_directory: Path, mode: str) -> None:
    async def body(process: AdapterProcess) -> None:
        assert await process.wait_ready()
        assert process.socket.exists()
        assert process.pid is not None

    run(scripted, mode, socket_directory, body)


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("exit", "exit status 9: fatal: scripted exit"),
        ("wrong-lineage", "it is of lineage 'other', configured is 'scripted'"),
        ("wrong-contract", "contract version 2, this verifier speaks 1"),
    ],
)
def test_what_cannot_be_used_is_crashed_with_its_reason(
    scripted: Scripted, socket_directory: Path, mode: str, reason: str
) -> None:
    async def body(process: AdapterProcess) -> None:
        assert not await process.wait_ready()
        assert process.state is ProcessState.CRASHED
        assert process.reason == reason

    run(scripted, mode, socket_directory, body)


def test_a_program_that_does_not_exist(scripted: Scripted, socket_directory: Path) -> None:
    manifest = scripted("well")
    object.__setattr__(manifest, "start_command", ("/nonexistent/adapter",))

    async def body(process: AdapterProcess) -> None:
        assert not await process.wait_ready()
        assert process.reason == "exit status 126: cannot start /nonexistent/adapter: No such file or directory"

    run(lambda _: manifest, "well", socket_directory, body)


def test_never_healthy_is_given_up(scripted: Scripted, socket_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "START_TIMEOUT", 1.0)

    async def body(process: AdapterProcess) -> None:
        assert not await process.wait_ready()
        assert process.reason == "not healthy within 1 s"

    run(scripted, "never-healthy", socket_directory, body)


def test_a_killed_adapter_is_restarted(scripted: Scripted, socket_directory: Path) -> None:
    async def body(process: AdapterProcess) -> None:
        for restarts in (1, 2):
            assert await process.wait_ready()
            pid = process.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await reaches(process, ProcessState.CRASHED)
            assert process.reason.startswith("killed by signal 9")
            await reaches(process, ProcessState.READY)
            assert process.pid != pid
            assert process.restarts == restarts

    run(scripted, "well", socket_directory, body)


PARENT = """
import asyncio, signal, sys
from pathlib import Path
from verifier.executors.stateless.manifest import Manifest
from verifier.executors.stateless.pool import AdapterPool

async def main():
    command = (sys.executable, sys.argv[1], "well")
    manifest = Manifest("scripted", "scripted", "-", (), Path.cwd(), command)
    async with AdapterPool([manifest]) as pool:
        await pool.wait_ready()
        print(pool.supervised[0].process.pid, pool.supervised[0].socket, flush=True)
        await asyncio.Event().wait()

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts tests in the background ignores it
asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_its_parent(number: signal.Signals) -> None:
    script = Path(__file__).parent / "scripted_adapter.py"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert parent.stdout is not None
    pid, socket = parent.stdout.readline().split()
    adapter = psutil.Process(int(pid))
    assert Path(socket).exists()
    parent.send_signal(number)
    parent.wait(timeout=30)
    parent.stdout.close()
    adapter.wait(timeout=30)
    assert not Path(socket).exists()


def test_last_line(tmp_path: Path) -> None:
    log = tmp_path / "adapter.log"
    assert last_line(log) == ""
    log.write_bytes(b"first\n" + b"x" * 10_000 + b"\nthe \xff reason\n\n")
    assert last_line(log) == "the \ufffd reason"
