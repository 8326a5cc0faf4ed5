"""The gRPC side: StatelessExecutor and the standard health service over a pool of workers."""

import os
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from ..v1 import executor_pb2 as pb
from ..v1 import executor_pb2_grpc
from .client import Adapter
from .endpoint import TcpEndpoint
from .job import Job, TraceJob
from .pool import MEMORY_LIMIT, QueueFullError, WorkerPool
from .task import invalid_argument
from .uploads import UploadError, Uploads, UploadTooLargeError

CONTRACT_VERSION = 1
SERVICE = pb.DESCRIPTOR.services_by_name["StatelessExecutor"].full_name
MAX_RECEIVE = 300 << 20  # bytes; the contract asks for 256 MiB
MAX_SEND = 128 << 20  # bytes; the contract asks for 64 MiB
QUEUE_PER_WORKER = 2  # requests that may wait for each worker
LONGEST_DEADLINE = 7 * 86_400.0  # seconds; beyond it a deadline is no deadline
SPARE_THREADS = 8  # for Describe and Health while every other thread waits for a worker


def default_worker_count() -> int:
    """min(2, cores): a worker of a Python client takes 100 to 200 MB, and a core."""
    return min(2, os.cpu_count() or 1)


def describe(adapter: Adapter, workers: int) -> pb.DescribeResponse:
    """The whole answer of Describe."""
    description = adapter.description()
    description.modes[:] = [pb.MODE_PROOF, pb.MODE_PRESTATE]
    description.uploads = True
    description.max_concurrent_requests = workers
    description.contract_version = CONTRACT_VERSION
    return description


class Servicer(executor_pb2_grpc.StatelessExecutorServicer):
    """Takes requests in, and waits for the pool."""

    def __init__(self, description: pb.DescribeResponse, pool: WorkerPool) -> None:
        self._description = description
        self._pool = pool
        self._uploads = Uploads()

    def Describe(  # noqa: N802 - the name in the protocol
        self,
        request: pb.DescribeRequest,  # noqa: ARG002 - empty
        context: grpc.ServicerContext,  # noqa: ARG002 - gRPC passes it
    ) -> pb.DescribeResponse:
        """What this adapter is; does not need a worker."""
        return self._description

    def Execute(  # noqa: N802 - the name in the protocol
        self, request: pb.ExecuteRequest, context: grpc.ServicerContext
    ) -> pb.ExecuteResponse:
        """Executes a block in a worker. A request whose caller is gone is stopped."""
        started = time.monotonic()
        self._check(request, context)
        remaining = _remaining(context)
        job = Job(request.SerializeToString(), None if remaining is None else started + remaining)
        if not context.add_callback(job.cancel):
            _abort(context, grpc.StatusCode.CANCELLED, "the request was cancelled")
        with _errors_as_status(context):
            self._pool.submit(job)
            response = job.future.result(remaining)
        response.timings.total_us = int((time.monotonic() - started) * 1e6)
        return response

    def Trace(  # noqa: N802 - the name in the protocol
        self, request: pb.TraceRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.TraceEvent]:
        """Executes a block in a worker and passes its events on, as fast as they are read."""
        started = time.monotonic()
        if not self._description.traces:
            _abort(context, grpc.StatusCode.UNIMPLEMENTED, "this adapter does not trace")
        self._check(request.execution, context)
        remaining = _remaining(context)
        job = TraceJob(request.SerializeToString(), None if remaining is None else started + remaining)
        if not context.add_callback(job.cancel):
            _abort(context, grpc.StatusCode.CANCELLED, "the request was cancelled")
        try:
            with _errors_as_status(context):
                self._pool.submit(job)
                yield from job.events()
                response = job.future.result()  # is there: the events have ended
        finally:
            job.cancel()  # gRPC closes this generator where nobody reads it any more
        response.timings.total_us = int((time.monotonic() - started) * 1e6)
        yield pb.TraceEvent(outcome=response)

    def Upload(  # noqa: N802 - the name in the protocol
        self, request_iterator: Iterator[pb.UploadPart], context: grpc.ServicerContext
    ) -> pb.UploadResponse:
        """Takes a witness file in, for later requests to name."""
        try:
            self._uploads.receive(request_iterator)
        except UploadError as error:
            _abort(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except UploadTooLargeError as error:
            _abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
        return pb.UploadResponse()

    def _check(self, request: pb.ExecuteRequest, context: grpc.ServicerContext) -> None:
        """Ends the call where the request is not well formed; puts the content in where it names an upload."""
        reason = invalid_argument(request)
        if reason is not None:
            _abort(context, grpc.StatusCode.INVALID_ARGUMENT, reason)
        if request.WhichOneof("witness") == "uploaded":
            content = self._uploads.get(request.uploaded)
            if content is None:
                _abort(context, grpc.StatusCode.NOT_FOUND, f"the upload {request.uploaded.hex()} is not held")
            request.content = content


def _remaining(context: grpc.ServicerContext) -> float | None:
    """Seconds until the request's deadline; None where it has none."""
    remaining: float | None = context.time_remaining()
    return None if remaining is not None and remaining > LONGEST_DEADLINE else remaining  # gRPC's way to say "none"


@contextmanager
def _errors_as_status(context: grpc.ServicerContext) -> Iterator[None]:
    """The one table of errors: what a request can come to without an answer, as gRPC says it."""
    try:
        yield
    except QueueFullError as error:
        _abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
    except TimeoutError:
        _abort(context, grpc.StatusCode.DEADLINE_EXCEEDED, "the request's deadline has passed")
    except CancelledError:
        _abort(context, grpc.StatusCode.CANCELLED, "the request was cancelled")


def _abort(context: grpc.ServicerContext, code: grpc.StatusCode, detail: str) -> NoReturn:
    context.abort(code, detail)
    raise AssertionError("unreachable: abort raises")


class AdapterServer:
    """The server on its socket (a path) or TCP endpoint, from start to end. address: where it listens.

    Raises OSError if it cannot listen there.
    """

    def __init__(
        self,
        adapter: Adapter,
        endpoint: Path | TcpEndpoint,
        workers: int | None = None,
        memory_limit: int = MEMORY_LIMIT,
    ) -> None:
        count = workers or default_worker_count()
        self._lock = threading.Lock()
        self._warm_workers = 0
        self._expected = count
        self._was_complete = False
        self._health = health.HealthServicer(
            experimental_non_blocking=True, experimental_thread_pool=ThreadPoolExecutor(1, "health")
        )
        self._set_serving(serving=False)
        description = describe(adapter, count)
        queue_size = count * QUEUE_PER_WORKER
        self._pool = WorkerPool(adapter, tuple(description.forks), count, queue_size, self._warm_changed, memory_limit)
        self._server = grpc.server(
            ThreadPoolExecutor(count + queue_size + SPARE_THREADS, "grpc"),
            options=[
                ("grpc.max_receive_message_length", MAX_RECEIVE),
                ("grpc.max_send_message_length", MAX_SEND),
                ("grpc.so_reuseport", 0),
            ],
        )
        register = executor_pb2_grpc.add_StatelessExecutorServicer_to_server
        register(Servicer(description, self._pool), self._server)  # type: ignore[no-untyped-call]  # generated
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if isinstance(endpoint, TcpEndpoint):
            self._path: Path | None = None
            self._inode: int | None = None
            self.address = endpoint.bind(self._server)
        else:
            self._path = endpoint
            self._inode = self._bind(endpoint)
            self.address = str(endpoint)

    def start(self) -> None:
        """Serves from now on; NOT_SERVING until the workers are warm."""
        self._server.start()
        self._pool.start()

    def stop(self) -> None:
        """Ends at once: running requests are cut off, workers killed, the socket removed."""
        with suppress(OSError):
            if self._path is not None and self._path.stat().st_ino == self._inode:  # not a successor's
                self._path.unlink()
        self._pool.stop()
        self._server.stop(None)

    def _bind(self, path: Path) -> int:
        if path.is_symlink() or path.exists():
            path.unlink()
        previous = os.umask(0o177)  # the socket is made with mode 0600, never wider
        try:
            self._server.add_insecure_port(f"unix:{path}")
        except RuntimeError as error:
            raise OSError(f"cannot listen on {path}: {error}") from None
        finally:
            os.umask(previous)
        status = path.stat()
        if stat.S_IMODE(status.st_mode) != 0o600:
            path.chmod(0o600)
        return status.st_ino

    def _warm_changed(self, warm: int) -> None:
        # Called under the pool's lock, so calls come in order. After the first complete start one warm worker is
        # enough to be healthy: a worker that is being replaced only takes capacity away.
        self._was_complete = self._was_complete or warm == self._expected
        self._set_serving(serving=self._was_complete and warm > 0)

    def _set_serving(self, *, serving: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for service in ("", SERVICE):
            self._health.set(service, status)
