"""Spreads batches over workers: one in this process, or Dask's, on this machine or on a cluster.

Each worker process has adapters and a recorder of its own, from its first batch until it ends. A worker that is killed
loses nothing: its batches are done again by another, with the same result.
"""

import logging
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

from verifier.errors import VerifierError

from .batch import Batch
from .workbench import ExaminedBatch, WorkbenchSettings, WorkbenchThread

if TYPE_CHECKING:
    from distributed import Client

# Batches under way in a worker: most are a handful of tests, and one of them may have a block that takes minutes.
AT_ONCE = 4
# Batches that are submitted for each worker: those, and the next two.
SUBMITTED = 6
# Bytes of a worker's own process; its adapters have limits of their own.
MEMORY_LIMIT = 4 << 30
CONNECT_TIMEOUT = 30  # seconds to reach the scheduler of a cluster, over a network


class ClusterError(VerifierError):
    """A cluster that cannot be reached, has no workers, or whose workers end again and again."""


def in_process(batches: Iterable[Batch], settings: WorkbenchSettings) -> Iterator[ExaminedBatch]:
    """Each batch as it is done, by one worker in this process."""
    with WorkbenchThread(settings) as bench:
        remaining = iter(batches)
        under_way: set[Future[ExaminedBatch]] = {bench.submit(batch) for batch in islice(remaining, AT_ONCE)}
        while under_way:
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            under_way |= {bench.submit(batch) for batch in islice(remaining, len(done))}
            for each in done:
                yield each.result()


def on_cluster(
    batches: Iterable[Batch], settings: WorkbenchSettings, *, workers: int = 0, address: str | None = None
) -> Iterator[ExaminedBatch]:
    """Each batch as it is done, by `workers` processes on this machine, or by those of the cluster at `address`.

    Raises ClusterError, and what a batch raises.
    """
    # Imported here: it takes a second, and most commands do not need it.
    from distributed import Client, LocalCluster

    logging.getLogger("distributed").setLevel(logging.WARNING)
    with ExitStack() as exits:
        if address is None:
            with _interrupts_held():
                cluster = LocalCluster(
                    n_workers=workers,
                    threads_per_worker=AT_ONCE,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address=None,
                    memory_limit=MEMORY_LIMIT,
                    # Others on this machine reach loopback too, and whoever reaches a worker runs code in it.
                    security=True,
                )
                exits.enter_context(cluster)
            client = exits.enter_context(Client(cluster, set_as_default=False))
        else:
            try:
                client = exits.enter_context(Client(address, timeout=CONNECT_TIMEOUT, set_as_default=False))
            except (OSError, ValueError) as error:
                raise ClusterError(f"{address}: no scheduler: {error}") from None
        yield from _spread(client, batches, settings)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C on the terminal waits, and never reaches the processes that are started now: the run ends them, in order.

    Which signals are held is inherited, by Dask's thread that starts workers, also later ones, and by them.
    """
    # Once it runs; else it is started by Dask's thread, and lets go of the signals there (cpython's ensure_running).
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _spread(client: "Client", batches: Iterable[Batch], settings: WorkbenchSettings) -> Iterator[ExaminedBatch]:
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    from .dask_worker import BenchPlugin, examine_batch

    plugin = BenchPlugin(settings)
    client.register_plugin(plugin, name=plugin.name)
    submitted: set[Any] = set()
    try:
        threads = sum(client.nthreads().values())
        if not threads:
            raise ClusterError(f"{client.scheduler_info()['address']}: it has no workers")
        remaining = iter(batches)
        ahead = max(1, threads * SUBMITTED // AT_ONCE)

        def submit(count: int) -> list[Any]:
            some = islice(remaining, count)
            futures = [client.submit(examine_batch, plugin.name, batch, key=plugin.key(batch)) for batch in some]
            submitted.update(futures)
            return futures

        under_way = as_completed(submit(ahead), loop=client.loop, raise_errors=False)
        for future in under_way:
            submitted.discard(future)
            try:
                yield future.result()
            except KilledWorker as error:
                raise ClusterError(f"workers end again and again: {error}") from None
            future.release()
            under_way.update(submit(1))
    finally:
        client.cancel(list(submitted))
        with suppress(KeyError):  # interrupted before it was registered
            client.unregister_worker_plugin(plugin.name)
