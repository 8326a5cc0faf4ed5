"""Peers end with whoever started them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.peers.process import RUNNING, PeerError, PeerProcess

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
TIMEOUT = 60.0  # seconds for Python to start, or for a process to be gone, on busy cores


def stubborn(log: Path) -> PeerProcess:
    peer = PeerProcess("stubborn", [sys.executable, "-c", STUBBORN], log)
    peer.wait_for_line("^up$", TIMEOUT)
    return peer


def test_what_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    with stubborn(tmp_path / "log") as peer:
        process = psutil.Process(peer.pid)
        assert peer in RUNNING
        peer.stop(grace=0.1)
    assert not process.is_running()
    assert peer not in RUNNING
    assert "up" in (tmp_path / "log").read_text().splitlines()


def test_a_peer_does_not_outlive_tests_that_are_killed(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from tests.peers.test_process import stubborn
print(stubborn(Path({str(tmp_path / "log")!r})).pid, flush=True)
input()
"""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as tests:
        assert tests.stdout is not None
        peer = psutil.Process(int(tests.stdout.readline()))
        os.kill(tests.pid, signal.SIGKILL)
    peer.wait(TIMEOUT)


def test_a_line_that_never_comes_is_an_error_with_the_log(tmp_path: Path) -> None:
    with PeerProcess("brief", [sys.executable, "-c", "print('only this')"], tmp_path / "log") as peer:
        with pytest.raises(PeerError, match=r"(?s)brief ended, expected: never.*only this"):
            peer.wait_for_line("never", TIMEOUT)
        assert peer.wait_ended(TIMEOUT) == 0
