"""All adapters running, for tests that are not written as coroutines."""

import asyncio
import os
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from contextlib import aclosing
from pathlib import Path
from typing import Any, Self, TypeVar

from verifier.app import configured_adapters
from verifier.domain.divergence import TransactionTrace
from verifier.domain.quorum import quorum_policy
from verifier.executors.stateless.base import StatelessExecutor
from verifier.executors.stateless.manifest import Manifest
from verifier.executors.stateless.pool import AdapterPool
from verifier.executors.stateless.tracer import Tracer
from verifier.services.conformance.clients import Client
from verifier.services.replay import BlockReport, ReplayOptions, judge
from verifier.services.tracing import BlockTrace, TraceOptions, compare_traces
from witness.file import map_witness_file, write_witness_file
from witness.model import BlockWitness

T = TypeVar("T")
START_TIMEOUT = 240.0  # seconds for all adapters to become warm on two busy cores


class RunningAdapters:
    """The adapters of this checkout that can be started, in an event loop of their own."""

    def __init__(self) -> None:
        self.manifests: list[Manifest] = []
        self.absent: dict[str, str] = {}
        for manifest in configured_adapters():
            reason = manifest.unavailable_because()
            if reason is None:
                self.manifests.append(manifest)
            else:
                self.absent[manifest.name] = ": ".join(reason)
        if self.absent and os.environ.get("CI"):
            raise RuntimeError(f"in CI every adapter must be there: {self.absent}")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="adapters")
        self._pool = AdapterPool(self.manifests)

    def __enter__(self) -> Self:
        self._thread.start()
        self.run(self._pool.__aenter__())
        self.run(self._pool.wait_ready(), START_TIMEOUT)
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._pool.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        """Runs a coroutine in the adapters' loop and waits for its result."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return future.result(timeout)

    @property
    def names(self) -> list[str]:
        """The adapters that run."""
        return [manifest.name for manifest in self.manifests]

    def sockets(self) -> dict[str, Path]:
        """Adapter name → the unix-domain socket that it serves on."""
        return {each.name: each.socket for each in self._pool.supervised}

    def processes(self) -> dict[str, tuple[int | None, int]]:
        """Adapter name → (process id, restarts): unchanged as long as nothing crashed."""
        return {each.name: (each.process.pid, each.process.restarts) for each in self._pool.supervised}

    def executors(self, names: Sequence[str] = ()) -> list[StatelessExecutor]:
        """The named adapters, or all."""
        return [each for each in self._pool.executors if not names or each.name in names]

    def clients(self) -> list[Client]:
        """All of them, as a conformance run asks them."""
        return [Client.of(each) for each in self._pool.supervised]

    def tracers(self, names: Sequence[str] = ()) -> list[Tracer]:
        """The named adapters, or all, as those who trace."""
        return [each for each in self._pool.tracers if not names or each.name in names]

    def trace_file(self, path: Path) -> tuple[list[TransactionTrace], BlockTrace]:
        """Compares all adapters' traces of one witness file."""
        return self.run(self._trace_file(path))

    async def _trace_file(self, path: Path) -> tuple[list[TransactionTrace], BlockTrace]:
        transactions: list[TransactionTrace] = []
        async with aclosing(compare_traces(self._pool.tracers, path, map_witness_file(path), TraceOptions())) as traces:
            async for each in traces:
                if isinstance(each, BlockTrace):
                    return transactions, each
                transactions.append(each)
        raise AssertionError("a comparison ends with its block")

    def judge_file(self, path: Path, names: Sequence[str] = (), **options: Any) -> BlockReport:
        """Judges one witness file."""
        executors = self.executors(names)
        policy = quorum_policy({each.name: each.lineage for each in executors})
        return self.run(judge(executors, path, map_witness_file(path), ReplayOptions(policy, **options)))

    def judge(self, content: BlockWitness, directory: Path, names: Sequence[str] = (), **options: Any) -> BlockReport:
        """Publishes `content` in `directory` and judges it."""
        path = write_witness_file(content, directory, sync=False)
        try:
            return self.judge_file(path, names, **options)
        finally:
            path.unlink()
