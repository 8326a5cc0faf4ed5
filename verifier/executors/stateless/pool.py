"""All adapters together: starts them, and asks every one of them about a block."""

import asyncio
import contextlib
import logging
import shutil
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

from verifier.domain.result import Abstention, AbstentionReason, Result

from .address import Address
from .base import ExecutionRequest, StatelessExecutor
from .client import AdapterClient, AdapterLostError, Description
from .engine_remote import EngineExecutor
from .manifest import Manifest
from .process import AdapterProcess, ProcessState
from .remote import RemoteAdapter
from .remotes import AnyRemote, EngineRemote
from .sockets import create_socket_directory
from .tracer import TraceBatch, Tracer
from .upload import WitnessDigests

log = logging.getLogger(__name__)

ATTEMPTS = 2
# Seconds after a deadline in which an adapter has to be free again: it may only notice where it next reads the state.
STUCK_AFTER = 10.0
PLACE_PATIENCE = 10.0  # seconds for its other requests to end, and for an answer that needs no execution
LOSS_NOTICE = 1.0  # seconds for an ended process to be noticed after its connection broke


class SupervisedAdapter:
    """A stateless executor that keeps its own process running."""

    def __init__(self, manifest: Manifest, directory: Path, stuck_after: float = STUCK_AFTER) -> None:
        self.name = manifest.name
        self.lineage = manifest.lineage
        self.expected_ms = 0.0
        # A directory of its own: it is all that the adapter may write to.
        self.socket = directory / manifest.name / "adapter.sock"
        self.socket.parent.mkdir(mode=0o700)
        self.client = AdapterClient(manifest.name, manifest.lineage, Address(path=self.socket))
        self.process = AdapterProcess(manifest, self.socket, self.client.probe)
        self._stuck_after = stuck_after
        self._check: asyncio.Task[None] | None = None

    @property
    def description(self) -> Description | None:
        """What it said of itself when it last started; None before that."""
        return self.client.description

    async def execute(self, request: ExecutionRequest) -> Result:
        """Waits for the adapter to be up (it may be restarting), then asks it; all within the request's deadline.

        If the adapter ends meanwhile it is asked once more: another block's request may have ended it. Never raises.
        """
        started = time.monotonic()
        loss = ""
        for _ in range(ATTEMPTS):
            if not await self._wait_ready(request.deadline - (time.monotonic() - started)):
                reason = loss or self.process.reason or f"not ready within {request.deadline:.1f} s"
                return self._abstain(reason, started)
            remaining = max(0.0, request.deadline - (time.monotonic() - started))
            try:
                result = await self.client.execute(replace(request, deadline=remaining))
                self.expected_ms = result.elapsed_ms
                if result.has_timed_out:
                    self._check_later()
                return result
            except AdapterLostError as error:
                loss = str(error)
                await self._notice_loss()
        return self._abstain(f"{loss} ({self.process.reason})" if self.process.reason else loss, started)

    async def stop(self) -> None:
        """Ends the connection and the process."""
        if self._check is not None:
            self._check.cancel()
        # The connection first: gRPC would report one that breaks.
        await self.client.close()
        await self.process.stop()

    def _check_later(self) -> None:
        if self._check is None or self._check.done():
            self._check = asyncio.create_task(self._end_if_stuck(), name=f"check {self.name}")

    async def _end_if_stuck(self) -> None:
        """An adapter in which a request runs on for ever has fewer places, in the end none: it is started again."""
        pid = self.process.pid
        await asyncio.sleep(self._stuck_after)
        if not await self.client.has_free_places(PLACE_PATIENCE) and self.process.pid == pid:
            self.process.end(f"a request ran on for {self._stuck_after:.0f} s after its deadline")

    async def trace(
        self, request: ExecutionRequest, first: int = 0, count: int = 0
    ) -> AsyncGenerator[TraceBatch | Result, None]:
        """See Tracer. Waits for the adapter to be up; a trace that breaks off is not started again."""
        started = time.monotonic()
        if not await self._wait_ready(request.deadline):
            yield self._abstain(self.process.reason or f"not ready within {request.deadline:.1f} s", started)
            return
        remaining = max(0.0, request.deadline - (time.monotonic() - started))
        finished = False
        try:
            async with contextlib.aclosing(
                self.client.trace(replace(request, deadline=remaining), first, count)
            ) as stream:
                async for each in stream:
                    finished = isinstance(each, Result) and not each.has_timed_out
                    yield each
        except AdapterLostError as error:
            finished = True
            await self._notice_loss()
            reason = f"{error} ({self.process.reason})" if self.process.reason else str(error)
            yield self._abstain(reason, started)
        finally:
            if not finished:
                self._check_later()  # nobody waits for it any more: it has to stop

    async def _wait_ready(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                while not await self.process.wait_ready():
                    if self.process.state is ProcessState.STOPPED:
                        return False
                    await self.process.wait_change()
        except TimeoutError:
            return False
        return True

    async def _notice_loss(self) -> None:
        # The connection breaks a moment before the process is seen to have ended.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOSS_NOTICE):
                if self.process.state is ProcessState.READY:
                    await self.process.wait_change()

    def _abstain(self, detail: str, started: float) -> Result:
        elapsed_ms = (time.monotonic() - started) * 1000
        return Result(self.name, self.lineage, Abstention(AbstentionReason.CRASHED, detail), elapsed_ms)


class UnavailableAdapter:
    """Stands for a configured adapter that cannot be started: it still counts in m, and says why it is silent."""

    def __init__(self, manifest: Manifest, reason: str) -> None:
        self.name = manifest.name
        self.lineage = manifest.lineage
        self.expected_ms = 0.0
        self.reason = reason

    async def execute(self, request: ExecutionRequest) -> Result:  # noqa: ARG002 - the seam's signature
        """Abstains."""
        return Result(self.name, self.lineage, Abstention(AbstentionReason.UNAVAILABLE, self.reason))

    async def trace(
        self,
        request: ExecutionRequest,
        first: int = 0,  # noqa: ARG002 - the seam's signature
        count: int = 0,  # noqa: ARG002
    ) -> AsyncGenerator[TraceBatch | Result, None]:
        """Abstains."""
        yield await self.execute(request)


class AdapterPool:
    """The configured adapters, running or not, and remote ones. An async context: ours are stopped at its end."""

    def __init__(
        self, manifests: Sequence[Manifest], remotes: Sequence[AnyRemote] = (), stuck_after: float = STUCK_AFTER
    ) -> None:
        self._manifests = manifests
        self._remotes = remotes
        self._stuck_after = stuck_after
        self._directory: Path | None = None
        self.executors: list[StatelessExecutor] = []
        self.tracers: list[Tracer] = []  # the same ones
        self.supervised: list[SupervisedAdapter] = []
        self.remote: list[RemoteAdapter] = []
        self.engines: list[EngineExecutor] = []

    async def __aenter__(self) -> "AdapterPool":
        self._directory = create_socket_directory()
        for manifest in self._manifests:
            unavailable = manifest.unavailable_because()
            if unavailable is not None:
                absent = UnavailableAdapter(manifest, ": ".join(unavailable))
                self.executors.append(absent)
                self.tracers.append(absent)
                continue
            adapter = SupervisedAdapter(manifest, self._directory, self._stuck_after)
            adapter.process.start()
            self.supervised.append(adapter)
            self.executors.append(adapter)
            self.tracers.append(adapter)
        digests = WitnessDigests()
        for remote in self._remotes:
            if isinstance(remote, EngineRemote):
                engine = EngineExecutor(remote)
                self.engines.append(engine)
                self.executors.append(engine)
                self.tracers.append(engine)
                continue
            elsewhere = RemoteAdapter(remote, digests)
            elsewhere.start()
            self.remote.append(elsewhere)
            self.executors.append(elsewhere)
            self.tracers.append(elsewhere)
        return self

    async def __aexit__(self, *_: object) -> None:
        # Shielded: also when this task is being cancelled (Ctrl-C), every adapter is stopped before we go.
        await asyncio.shield(self._stop())

    async def _stop(self) -> None:
        # The connections first: gRPC would report each one that breaks.
        await asyncio.gather(*(adapter.close() for adapter in self.remote), *(each.close() for each in self.engines))
        await asyncio.gather(*(adapter.stop() for adapter in self.supervised))
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)

    async def wait_ready(self) -> None:
        """Waits until every adapter has become ready or has failed its first start, or could not be reached."""
        await asyncio.gather(
            *(adapter.process.wait_ready() for adapter in self.supervised),
            *(adapter.wait_ready() for adapter in self.remote),
        )


async def execute_on_all(executors: Sequence[StatelessExecutor], request: ExecutionRequest) -> AsyncIterator[Result]:
    """Every executor's result for one block, in the order in which they come; ends when all have answered.

    The slowest is asked first: the verdict waits for it, and the fast ones would keep the cores from its request.
    Leaving early (closing the generator) cancels those still under way.
    """
    slowest_first = sorted(executors, key=lambda executor: executor.expected_ms, reverse=True)
    tasks = [asyncio.create_task(executor.execute(request)) for executor in slowest_first]
    try:
        for next_result in asyncio.as_completed(tasks):
            yield await next_result
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
