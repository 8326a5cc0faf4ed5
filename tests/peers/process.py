"""A peer's process: its output in a file, lines of it awaited, and nothing left behind.

A small supervisor stands between: it ends the peer when the test's process ends, however it ends.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

STOP_GRACE = 10.0  # seconds from SIGTERM to SIGKILL; geth writes its state to disk when it ends
COLOURS = re.compile("\x1b\\[[0-9;]*m")
LOG_TAIL = 40  # lines that an error shows


RUNNING: "set[PeerProcess]" = set()  # whose logs a failing test shows


class PeerError(AssertionError):
    """A peer that did not do what a test needs, with the end of its log."""


class PeerProcess:
    """One process. command: argument vector; log_path: where stdout and stderr go, appended.

    environment: added to this process's own. The process is started at once.
    """

    def __init__(
        self, name: str, command: Sequence[str], log_path: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log_path = log_path
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        RUNNING.add(self)
        log_path.parent.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.peers.leash", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=Path(__file__).parents[2],
            start_new_session=True,  # Ctrl-C on the terminal reaches the tests alone, which then stop it in order
        )
        self._reader = threading.Thread(target=self._read, name=f"output of {name}", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The peer's own process id, for tests that send it signals."""
        return int(self.wait_for_line(r"^leash: pid (\d+)$", 10)[1])

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def lines(self) -> list[str]:
        """What it has printed so far."""
        with self._changed:
            return list(self._lines)

    def wait_for_line(self, pattern: str, timeout: float, since: int = 0) -> re.Match[str]:
        """The first line from index `since` on in which `pattern` is found. timeout: seconds. Raises PeerError."""
        expression, at, deadline = re.compile(pattern), since, time.monotonic() + timeout
        with self._changed:
            while True:
                for line in self._lines[at:]:
                    match = expression.search(line)
                    if match:
                        return match
                at = len(self._lines)
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    why = "ended" if self._ended else f"printed no such line within {timeout:.0f} s"
                    raise PeerError(f"{self.name} {why}, expected: {pattern}\n{self._tail()}")
                self._changed.wait(left)

    def wait_ended(self, timeout: float) -> int:
        """Waits until it has ended by itself; its exit status. timeout: seconds. Raises PeerError."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise PeerError(f"{self.name} still runs after {timeout:.0f} s\n{self.tail()}") from None

    def kill(self) -> None:
        """SIGKILL to the peer, as when a machine loses it; waits until it is gone."""
        with contextlib.suppress(PeerError, ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._finish()

    def stop(self, grace: float = STOP_GRACE) -> None:
        """SIGTERM, then SIGKILL after `grace` seconds. Nothing of it is left afterwards."""
        if self.running:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
        self._finish()

    def tail(self) -> str:
        """The end of its log, for messages."""
        with self._changed:
            return self._tail()

    def _finish(self) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()  # the leash kills
        self._process.wait()
        self._reader.join()
        RUNNING.discard(self)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _tail(self) -> str:
        return "\n".join([f"--- {self.log_path}", *self._lines[-LOG_TAIL:]])

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self.log_path.open("a") as log:
            for encoded in self._process.stdout:
                line = COLOURS.sub("", encoded.decode(errors="replace").rstrip("\n"))
                log.write(line + "\n")
                log.flush()
                with self._changed:
                    self._lines.append(line)
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
