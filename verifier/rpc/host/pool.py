"""The workers: processes that can be thrown away, so that no request can harm the server.

Each slot is one thread that starts its worker, waits until it is warm, hands it one job at a time, and replaces it when
it has died, hung past a deadline, sent garbage or run out of memory. The thread lives as long as the server, because
Linux ties a child's PR_SET_PDEATHSIG to the thread that started it.
"""

import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from google.protobuf.message import DecodeError

from ..v1 import executor_pb2 as pb
from .channel import Channel, ChannelError, Kind
from .client import Adapter
from .job import Job
from .responses import crashed, one_line

log = logging.getLogger(__name__)

WARM_TIMEOUT = 180.0  # seconds; a cold import of a client on a loaded machine has been seen to take 20
END_TIMEOUT = 5.0  # seconds from the end of its channel to the end of a worker that died by itself
IDLE_CHECK = 1.0  # seconds between two looks at an idle worker
FIRST_BACKOFF, LAST_BACKOFF = 0.5, 30.0  # seconds before a worker that would not start is tried again
MEMORY_LIMIT = 4 << 30  # bytes of private memory a worker


class QueueFullError(Exception):
    """More requests at once than there are workers and places in the queue."""


class Worker:
    """One started worker process and the channel to it."""

    def __init__(self, adapter: Adapter, forks: tuple[str, ...], memory_limit: int) -> None:
        ours, theirs = socket.socketpair()
        lifeline_end, self._lifeline = os.pipe()
        try:
            command = [sys.executable, "-m", f"{__package__}.worker", adapter.factory, ",".join(forks)]
            command += [str(number) for number in (theirs.fileno(), lifeline_end, os.getpid(), memory_limit)]
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command,
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,  # nothing may appear on standard output, whatever a client prints
                pass_fds=(theirs.fileno(), lifeline_end),
                # Clients verify proofs and state invariants by assert.
                env={name: value for name, value in os.environ.items() if name != "PYTHONOPTIMIZE"},
            )
        except BaseException:
            os.close(self._lifeline)
            ours.close()
            raise
        finally:
            os.close(lifeline_end)
            theirs.close()
        self.channel = Channel(ours)

    def wait(self) -> str:
        """How a process whose channel has ended came to its end."""
        try:
            status = self.process.wait(END_TIMEOUT)
        except subprocess.TimeoutExpired:
            return "closed its channel"
        if status >= 0:
            return f"ended with status {status}"
        try:
            return f"was ended by {signal.Signals(-status).name}"
        except ValueError:
            return f"was ended by signal {-status}"

    def close(self) -> None:
        """Kills the process if it still runs, and waits for its end."""
        self.process.kill()
        self.process.wait()
        self.channel.close()
        os.close(self._lifeline)


class WorkerPool:
    """`size` workers of one adapter and a queue of at most `queue_size` jobs before them.

    warm_changed is called from any thread with the number of warm workers whenever it changes.
    """

    def __init__(
        self,
        adapter: Adapter,
        forks: tuple[str, ...],
        size: int,
        queue_size: int,
        warm_changed: Callable[[int], None],
        memory_limit: int = MEMORY_LIMIT,
    ) -> None:
        self._adapter = adapter
        self._forks = forks
        self._memory_limit = memory_limit
        self._capacity = size + queue_size
        self._warm_changed = warm_changed
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._pending = 0
        self._warm = 0
        self._workers: set[Worker] = set()
        self._stopping = threading.Event()
        self._slots = [
            threading.Thread(target=self._serve_slot, name=f"slot-{index}", daemon=True) for index in range(size)
        ]

    def start(self) -> None:
        """Starts all workers; returns at once, warm_changed tells when they are warm."""
        for slot in self._slots:
            slot.start()

    def submit(self, job: Job) -> None:
        """Queues a job; its future gets the answer, or TimeoutError at its deadline. Raises QueueFullError."""
        with self._lock:
            if self._pending >= self._capacity:
                raise QueueFullError(f"{self._pending} requests are running or waiting, {self._capacity} may")
            self._pending += 1
        job.future.add_done_callback(self._leave)
        self._jobs.put(job)

    def stop(self) -> None:
        """Kills every worker and waits until they are gone."""
        self._stopping.set()
        with self._lock:
            workers = list(self._workers)
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            worker.process.wait()

    def _serve_slot(self) -> None:
        backoff = FIRST_BACKOFF
        while not self._stopping.is_set():
            worker = self._start_worker()
            if worker is None:
                self._stopping.wait(backoff)
                backoff = min(backoff * 2, LAST_BACKOFF)
                continue
            backoff = FIRST_BACKOFF
            self._count_warm(1)
            try:
                cause = self._serve_worker(worker)
            finally:
                self._count_warm(-1)
                self._forget(worker)
            if not self._stopping.is_set():
                log.warning("event=worker_replaced pid=%d cause=%r", worker.process.pid, cause)

    def _start_worker(self) -> Worker | None:
        with self._lock:
            if self._stopping.is_set():
                return None
            worker = Worker(self._adapter, self._forks, self._memory_limit)
            self._workers.add(worker)
        try:
            kind, payload = worker.channel.receive(time.monotonic() + WARM_TIMEOUT)
            if kind == Kind.READY:
                return worker
            cause = payload.decode(errors="replace")
        except (OSError, EOFError, ChannelError) as error:  # TimeoutError is an OSError
            cause = str(error)
        self._forget(worker)
        if not self._stopping.is_set():
            log.error("event=worker_not_started pid=%d cause=%r", worker.process.pid, one_line(cause))
        return None

    def _forget(self, worker: Worker) -> None:
        with self._lock:
            self._workers.discard(worker)
        worker.close()

    def _count_warm(self, change: int) -> None:
        with self._lock:
            self._warm += change
            self._warm_changed(self._warm)

    def _serve_worker(self, worker: Worker) -> str:
        """Hands jobs to the worker until it has to be replaced; says why."""
        while not self._stopping.is_set():
            try:
                job = self._jobs.get(timeout=IDLE_CHECK)
            except queue.Empty:
                if worker.process.poll() is not None:
                    return "ended while idle"
                continue
            if worker.process.poll() is not None:
                self._jobs.put(job)  # not this job's fault; whichever worker is free takes it
                return "ended while idle"
            cause = self._run(worker, job)
            if cause is not None:
                return cause
        return "stopping"

    def _run(self, worker: Worker, job: Job) -> str | None:
        """Runs one job; None if the worker can go on, else why it has to be replaced."""
        if not job.begin(worker.process):
            job.finish(TimeoutError("the deadline passed before the request was started"))
            return None
        outcome: pb.ExecuteResponse | Exception
        cause: str | None = None
        try:
            worker.channel.send(job.kind, job.request, job.deadline)
            kind, payload = worker.channel.receive(job.deadline)
            while kind == Kind.EVENT:
                job.take(payload)  # blocks, and with it the worker, while the trace's reader is slow
                kind, payload = worker.channel.receive(job.deadline)
            outcome = pb.ExecuteResponse.FromString(payload)
            if kind == Kind.LAST_ANSWER:
                cause = "asked to be replaced"
            elif kind != Kind.ANSWER or outcome.WhichOneof("outcome") is None:
                cause = "sent no answer"
                outcome = crashed("the worker sent what is no answer")
        except TimeoutError as error:
            worker.process.kill()
            cause, outcome = "deadline passed", error
        except (OSError, EOFError):
            cause = f"the worker {worker.wait()}"
            outcome = crashed(cause)
        except (ChannelError, DecodeError) as error:
            cause = "sent garbage"
            outcome = crashed(f"the worker sent what is no answer: {error}")
        if job.end():
            cause = "request cancelled"
        job.finish(outcome)
        return cause

    def _leave(self, _: "Future[pb.ExecuteResponse]") -> None:
        with self._lock:
            self._pending -= 1
