"""An adapter on TCP for tests, in this process: it keeps uploads, and can be stopped at any time."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass, field
from typing import Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer

from tests.verifier.executors.stateless.scripted_adapter import ANSWER, END, OUTCOME, START, STEPS
from verifier.rpc.v1 import executor_pb2 as pb
from verifier.rpc.v1 import executor_pb2_grpc

Hook = Callable[["RemoteServer", grpc.ServicerContext], None]


def nothing(server: "RemoteServer", context: grpc.ServicerContext) -> None:
    """A hook that does nothing."""


@dataclass
class RemoteServer(executor_pb2_grpc.StatelessExecutorServicer):
    """Serves on a loopback port, always the same one. on_execute, on_part: what happens there, before anything else."""

    credentials: grpc.ServerCredentials | None = None
    lineage: str = "scripted"
    uploads: bool = True
    keeps: int = 4
    on_execute: Hook = nothing
    on_part: Hook = nothing
    port: int = 0
    held: OrderedDict[bytes, bytes] = field(default_factory=OrderedDict)
    uploaded: list[bytes] = field(default_factory=list)
    largest_part: int = 0
    executed: list[pb.ExecuteRequest] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self.port}"

    def start(self, *, serving: bool = True) -> None:
        """Starts, or starts again: nothing that was uploaded before is held then."""
        self.held.clear()
        # Not shared: another process would otherwise be given the port of one that was stopped.
        self._server = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        executor_pb2_grpc.add_StatelessExecutorServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]
        self.health = HealthServicer()
        self.set_serving(serving)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        address = f"127.0.0.1:{self.port}"
        if self.credentials is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, self.credentials)
        self._server.start()

    def set_serving(self, serving: bool) -> None:
        """What its health says."""
        status = health_pb2.HealthCheckResponse
        self.health.set("", status.SERVING if serving else status.NOT_SERVING)

    def stop(self) -> None:
        """Ends at once, whatever is under way."""
        self._server.stop(None).wait()

    def Describe(self, request: pb.DescribeRequest, context: grpc.ServicerContext) -> pb.DescribeResponse:  # noqa: N802
        return pb.DescribeResponse(
            client_name="remote",
            lineage=self.lineage,
            modes=[pb.MODE_PROOF],
            max_concurrent_requests=2,
            contract_version=1,
            traces=True,
            uploads=self.uploads,
        )

    def Upload(self, parts: Iterator[pb.UploadPart], context: grpc.ServicerContext) -> pb.UploadResponse:  # noqa: N802
        digest, length, content = b"", 0, b""
        for part in parts:
            self.on_part(self, context)
            digest, length = digest or part.digest, length or part.length
            self.largest_part = max(self.largest_part, len(part.content))
            content += part.content
        if hashlib.sha256(content).digest() != digest or len(content) != length:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not what the first part says")
        self.held[digest] = content
        self.uploaded.append(digest)
        while len(self.held) > self.keeps:
            self.held.popitem(last=False)
        return pb.UploadResponse()

    def Execute(self, request: pb.ExecuteRequest, context: grpc.ServicerContext) -> pb.ExecuteResponse:  # noqa: N802
        self._open(request, context)
        return ANSWER

    def Trace(self, request: pb.TraceRequest, context: grpc.ServicerContext) -> Iterator[pb.TraceEvent]:  # noqa: N802
        self._open(request.execution, context)
        yield from (START, STEPS, END, OUTCOME)

    def _open(self, request: pb.ExecuteRequest, context: grpc.ServicerContext) -> None:
        self.executed.append(request)
        self.on_execute(self, context)
        if request.WhichOneof("witness") != "uploaded":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no path of another machine can be opened")
        if request.uploaded not in self.held:
            context.abort(grpc.StatusCode.NOT_FOUND, "not held")
        self.held.move_to_end(request.uploaded)


def once(hook: Hook) -> Hook:
    """The hook at its first call, nothing later."""
    done = threading.Event()

    def first(server: RemoteServer, context: grpc.ServicerContext) -> None:
        if not done.is_set():
            done.set()
            hook(server, context)

    return first


def unavailable(server: RemoteServer, context: grpc.ServicerContext) -> None:
    """A hook: the stream breaks as where a connection is cut."""
    context.abort(grpc.StatusCode.UNAVAILABLE, "scripted break")
