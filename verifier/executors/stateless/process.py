"""Keeps one adapter process running: start, watch, restart with back-off, stop.

The adapter's standard input is a pipe that only this process holds. Whatever ends this process, also SIGKILL, closes
the pipe, and the adapter ends itself and removes its socket (the "lifeline" of adapters/CONTRACT.md).
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path

from .containment import contained
from .manifest import Manifest

log = logging.getLogger(__name__)

# Seconds. Warm-up includes KZG set-up (4-5 s in geth), importing every fork (EELS) and starting workers, on busy cores.
START_TIMEOUT = 120.0
STOP_TIMEOUT = 2.0  # seconds from SIGTERM to SIGKILL; an adapter only has to remove its socket
FIRST_BACKOFF = 0.25  # seconds before the first restart, doubled at each further one
LAST_BACKOFF = 30.0  # seconds; a broken adapter must not burn the cores that the others need
STABLE_AFTER = 60.0  # seconds of service after which the back-off starts again from the first
LOG_TAIL = 4096  # bytes of the log that are searched for the last line


class ProcessState(StrEnum):
    """Where an adapter process stands."""

    STARTING = "starting"
    READY = "ready"
    CRASHED = "crashed"  # it ended by itself, or did not become ready; a restart follows
    STOPPED = "stopped"


class AdapterProcess:
    """One supervised adapter.

    manifest: what to start. socket: the path to serve on. probe: returns when the adapter at the socket is healthy,
    raises what it likes when it is not what it should be (that counts as a crash).
    """

    def __init__(self, manifest: Manifest, socket: Path, probe: Callable[[], Awaitable[None]]) -> None:
        self.manifest = manifest
        self.socket = socket
        self.state = ProcessState.STOPPED
        self.reason = ""
        self.restarts = 0
        self._probe = probe
        self._process: asyncio.subprocess.Process | None = None
        self._supervision: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self._ended_because = ""

    @property
    def pid(self) -> int | None:
        """The process id, while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def log_path(self) -> Path:
        """Where its standard error goes."""
        return self.socket.with_suffix(".log")

    def start(self) -> None:
        """Starts supervision; returns at once. `wait_ready` tells when the adapter serves."""
        if self._supervision is None:
            self.state = ProcessState.STARTING
            self._supervision = asyncio.create_task(self._supervise(), name=f"supervise {self.manifest.name}")

    async def wait_ready(self) -> bool:
        """Waits until it is ready (True), or has crashed or stopped (False)."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.state is not ProcessState.STARTING)
        return self.state is ProcessState.READY

    async def wait_change(self) -> None:
        """Waits until the state is another than now."""
        now = self.state
        async with self._changed:
            await self._changed.wait_for(lambda: self.state is not now)

    def end(self, reason: str) -> None:
        """Kills the process, for a reason that is then shown; it is started again."""
        if self._process is not None and self._process.returncode is None:
            self._ended_because = reason
            self._process.kill()

    async def stop(self) -> None:
        """Ends the process, gently first, and removes its socket. Nothing of it is left afterwards."""
        if self._supervision is not None:
            self._supervision.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervision
            self._supervision = None
        await self._set(ProcessState.STOPPED)

    async def _set(self, state: ProcessState, reason: str = "") -> None:
        async with self._changed:
            self.state, self.reason = state, reason
            self._changed.notify_all()

    async def _supervise(self) -> None:
        loop, backoff = asyncio.get_running_loop(), FIRST_BACKOFF
        try:
            while True:
                await self._set(ProcessState.STARTING, self.reason)  # why the attempt before this one failed
                started = loop.time()
                reason = await self._run_once()
                await self._end_process()
                if loop.time() - started > STABLE_AFTER:
                    backoff = FIRST_BACKOFF
                log.warning("adapter=%s event=crashed reason=%r restart_in=%.2fs", self.manifest.name, reason, backoff)
                await self._set(ProcessState.CRASHED, reason)
                await asyncio.sleep(backoff)
                backoff = min(2 * backoff, LAST_BACKOFF)
                self.restarts += 1
        finally:
            await self._end_process()

    async def _run_once(self) -> str:
        """Runs the adapter until it ends; returns why it ended."""
        command = contained((*self.manifest.command, "--socket", str(self.socket)), self.socket.parent)
        with self.log_path.open("ab") as output:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.DEVNULL,
                    # A file, not a pipe: an adapter that logs while it outlives us must not die of SIGPIPE before it
                    # has removed its socket.
                    stderr=output,
                    # Its own group, so that Ctrl-C on the terminal reaches us alone and we stop it in order.
                    process_group=0,
                )
            except OSError as error:
                return f"cannot start {command[0]}: {error.strerror}"
        ended = asyncio.create_task(self._process.wait())
        probing = asyncio.ensure_future(self._probe())
        try:
            await asyncio.wait({ended, probing}, timeout=START_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return self._exit_reason(ended.result())
            if not probing.done():
                return f"not healthy within {START_TIMEOUT:.0f} s"
            failure = probing.exception()
            if failure is not None:
                return str(failure) or type(failure).__name__
            log.debug("adapter=%s event=ready pid=%s", self.manifest.name, self._process.pid)
            await self._set(ProcessState.READY)
            return self._exit_reason(await ended)
        finally:
            for task in (ended, probing):
                task.cancel()
                with contextlib.suppress(BaseException):
                    await task

    def _exit_reason(self, status: int) -> str:
        ended_because, self._ended_because = self._ended_because, ""
        if ended_because:
            return ended_because
        ending = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        line = last_line(self.log_path)
        return f"{ending}: {line}" if line else ending

    async def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
                try:
                    await asyncio.wait_for(process.wait(), STOP_TIMEOUT)
                except TimeoutError:
                    with contextlib.suppress(ProcessLookupError):
                        process.kill()
                    await process.wait()
        self.socket.unlink(missing_ok=True)


def last_line(path: Path) -> str:
    """The last line of a log file that is not empty, cut to 300 characters; "" if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_TAIL))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    except OSError:
        return ""
    return next((line[:300] for line in reversed(lines) if line), "")
