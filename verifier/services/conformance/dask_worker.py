"""What runs in a Dask worker: its workbench, started with the first batch and ended with the run or the worker."""

import os
import threading

from distributed import Worker, WorkerPlugin, get_worker

from .batch import Batch
from .workbench import ExaminedBatch, WorkbenchSettings, WorkbenchThread


class BenchPlugin(WorkerPlugin):
    """One run's workbench in a worker. Dask also gives it to workers that come later."""

    def __init__(self, settings: WorkbenchSettings) -> None:
        self.name = f"verifier-conformance-{os.urandom(8).hex()}"
        self._settings = settings

    def key(self, batch: Batch) -> str:
        """A name for the batch's task that no other run on the cluster has."""
        return f"{self.name}-{batch.number}"

    def setup(self, worker: Worker) -> None:  # noqa: ARG002 - Dask's signature
        """Prepares; nothing is started before there is work."""
        self._lock = threading.Lock()
        self._bench: WorkbenchThread | None = None

    def teardown(self, worker: Worker) -> None:  # noqa: ARG002
        """Ends recorder and adapters."""
        with self._lock:
            bench, self._bench = self._bench, None
            if bench is not None:
                bench.__exit__()

    def bench(self) -> WorkbenchThread:
        """The worker's, started where it is not. Raises AdapterUnavailableError."""
        with self._lock:
            if self._bench is None:
                self._bench = WorkbenchThread(self._settings).__enter__()
            return self._bench


def examine_batch(plugin: str, batch: Batch) -> ExaminedBatch:
    """A task: the batch, on the worker's bench."""
    running = get_worker().plugins[plugin]
    assert isinstance(running, BenchPlugin)
    return running.bench().submit(batch).result()
