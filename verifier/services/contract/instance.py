"""An adapter's process as the kit runs it: its own pipes, so that every way of ending can be tried.

`executors.stateless.process` keeps an adapter alive; here it is started and ended on purpose.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from verifier.executors.stateless.address import Address, TlsFiles
from verifier.executors.stateless.containment import contained
from verifier.executors.stateless.manifest import Manifest
from verifier.executors.stateless.process import START_TIMEOUT, last_line

from .connection import GrpcConnection
from .errors import AdapterStartError

LISTENING = re.compile(r"event=listening\b.*?\baddress=\"?([^\s\"]+)")
POLL = 0.05  # seconds between two looks at what another process does
EXIT_TIMEOUT = 10.0  # seconds to end in; "at once", on busy cores and with workers to end. A supervisor gives 2
CHILDREN_TIMEOUT = 5.0  # seconds for the children of an ended process to be gone


class Instance:
    """One run of an adapter's process. Use `start`, and `kill` at the end."""

    def __init__(self, manifest: Manifest, folder: Path, name: str) -> None:
        self.manifest = manifest
        self.socket = folder / f"{name}.sock"
        self.output = folder / f"{name}.out"
        self.log = folder / f"{name}.log"
        self.address = Address(path=self.socket)
        self._process: asyncio.subprocess.Process | None = None
        self._children: list[psutil.Process] = []

    @property
    def pid(self) -> int:
        """The process id; 0 before the start."""
        return self._process.pid if self._process is not None else 0

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process is not None and self._process.returncode is None

    async def start(self, *, inherit: bool = False, listen: str = "", tls: Sequence[str] = ()) -> None:
        """Starts it as the verifier does with `--socket`, or with `--listen` and these arguments for TLS.

        inherit: what it wrote before is kept. Raises AdapterStartError.
        """
        where = ("--listen", listen, *tls) if listen else ("--socket", str(self.socket))
        command = contained((*self.manifest.command, *where), self.socket.parent, network=bool(listen))
        mode = "ab" if inherit else "wb"
        with self.output.open(mode) as output, self.log.open(mode) as log:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *command, stdin=asyncio.subprocess.PIPE, stdout=output, stderr=log, process_group=0
                )
            except OSError as error:
                raise AdapterStartError(f"{self.manifest.name}: {command[0]}: {error.strerror}") from None

    async def listening(self, tls: TlsFiles | None = None) -> Address:
        """Where it listens, by its log, with what we show to it. Raises AdapterStartError if it does not say."""
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            logged = self.log.read_text(errors="replace")
            found = LISTENING.search(logged)
            if found is not None:
                return Address.parse(found[1], tls)
            if not self.running:
                break
            await asyncio.sleep(POLL)
        why = f"no event=listening within {START_TIMEOUT:.0f} s" if self.running else self.ending()
        raise AdapterStartError(f"{self.manifest.name} --listen: {why}")

    async def wait_serving(self, address: Address | None = None) -> GrpcConnection:
        """A connection to it, once it is healthy (or has no health service at all). Raises AdapterStartError.

        address: where it listens, its socket by default.
        """
        return await self._connected(address or self.address, warm=True)

    async def wait_answering(self, address: Address | None = None) -> GrpcConnection:
        """A connection to it, once it describes itself, warm or not. Raises AdapterStartError."""
        return await self._connected(address or self.address, warm=False)

    async def _connected(self, address: Address, *, warm: bool) -> GrpcConnection:
        connection, deadline = GrpcConnection(address), time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and self.running:
            if address.path is None or self.socket.exists():
                if not warm and await connection.describe() is not None:
                    return connection
                if warm and await connection.health("") not in ("NOT_SERVING", "UNAVAILABLE", "DEADLINE_EXCEEDED"):
                    return connection
            await asyncio.sleep(POLL)
        await connection.close()
        why = f"not healthy within {START_TIMEOUT:.0f} s" if self.running else self.ending()
        await self.kill()
        raise AdapterStartError(f"{self.manifest.name}: {why}")

    def note_children(self) -> list[psutil.Process]:
        """The processes that it has started, remembered for `children_left`."""
        with contextlib.suppress(psutil.Error):
            self._children = psutil.Process(self.pid).children(recursive=True)
        return self._children

    async def children_left(self) -> list[int]:
        """The ids of noted children that still run a moment after the end of their parent."""
        deadline = time.monotonic() + CHILDREN_TIMEOUT
        while True:
            left = [each.pid for each in self._children if _runs(each)]
            if not left or time.monotonic() >= deadline:
                return left
            await asyncio.sleep(POLL)

    def processor_time(self) -> float:
        """Seconds of processor time that it and its children have used so far."""
        total = 0.0
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            for each in (process, *process.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    times = each.cpu_times()
                    total += times.user + times.system
        return total

    def memory(self) -> int:
        """Bytes resident in it and its children."""
        total = 0
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            for each in (process, *process.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    total += each.memory_info().rss
        return total

    def close_standard_input(self) -> None:
        """What happens when its supervisor is gone."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def send_signal(self, number: int) -> None:
        """Sends a signal to the process alone."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def wait_exit(self) -> int | None:
        """Its exit status (negative: the signal), or None if it does not end in time."""
        if self._process is None:
            return None
        try:
            return await asyncio.wait_for(self._process.wait(), EXIT_TIMEOUT)
        except TimeoutError:
            return None

    def ending(self) -> str:
        """How it ended, in one line."""
        status = self._process.returncode if self._process is not None else None
        line = last_line(self.log)
        how = f"killed by signal {-status}" if status is not None and status < 0 else f"exit status {status}"
        return f"{how}: {line}" if line else how

    async def kill(self) -> None:
        """Ends whatever is left of it. Its children too: a broken adapter must not leave any to us."""
        self.close_standard_input()
        children = self._children
        if self.running:
            children = [*children, *self.note_children()]
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
        for child in children:
            with contextlib.suppress(psutil.Error):
                child.kill()
        self.socket.unlink(missing_ok=True)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def mode_of(path: Path) -> int:
    """The permission bits of a file. Raises OSError."""
    return path.stat().st_mode & 0o777
