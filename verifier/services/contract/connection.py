"""How the kit speaks to an adapter: the seam, gRPC behind it, and raw bytes beside it."""

import asyncio
import time
from collections.abc import AsyncIterable, Iterable
from pathlib import Path
from typing import Any, Protocol

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from verifier.executors.stateless.address import Address as Address
from verifier.executors.stateless.client import CALL_TIMEOUT
from verifier.rpc.v1 import executor_pb2 as pb
from verifier.rpc.v1 import executor_pb2_grpc

from .answer import Answer

EXECUTE_METHOD = "/verifier.rpc.v1.StatelessExecutor/Execute"


class Events(Protocol):
    """The events of one Trace. What is not read holds the adapter up."""

    async def read(self) -> pb.TraceEvent | None:
        """The next one, None at the stream's end, however it ended."""

    async def ending(self) -> Answer:
        """How it ended: a gRPC status, without a response. To be asked when `read` gave None."""

    def cancel(self) -> None:
        """Says that nobody waits for any more of them. Nothing if the stream has ended."""


class Connection(Protocol):
    """One connection to an adapter. Nothing that the adapter does raises; it is in what comes back."""

    async def describe(self) -> pb.DescribeResponse | None:
        """Its description, or None if it gives none."""

    async def health(self, service: str) -> str:
        """The health service's word on `service`: "SERVING", …, or the gRPC status' name."""

    async def execute(self, request: pb.ExecuteRequest | bytes, timeout: float) -> Answer:  # noqa: ASYNC109 - gRPC's own
        """One request. bytes: sent as they are. timeout: seconds, the gRPC deadline."""

    def trace(self, request: pb.TraceRequest, timeout: float) -> Events:
        """One Trace. timeout: seconds, the gRPC deadline."""

    async def upload(self, parts: Iterable[pb.UploadPart] | AsyncIterable[pb.UploadPart], timeout: float) -> Answer:  # noqa: ASYNC109 - gRPC's own
        """One Upload of these parts; its status. Raising in `parts` breaks the stream off."""

    async def close(self) -> None:
        """Ends the connection."""


class GrpcEvents:
    """Events over gRPC, which asks for more only as they are read."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self._started = time.monotonic()

    async def read(self) -> pb.TraceEvent | None:
        """See Events."""
        try:
            event = await self._call.read()
        except grpc.aio.AioRpcError:
            return None
        except asyncio.CancelledError:
            if self._call.cancelled():
                return None  # by `cancel`, not this task
            raise
        return None if event is grpc.aio.EOF else event

    async def ending(self) -> Answer:
        """See Events."""
        code, detail = await self._call.code(), await self._call.details()
        return Answer(code, None, " ".join((detail or "").split()), time.monotonic() - self._started)

    def cancel(self) -> None:
        """See Events."""
        self._call.cancel()


class GrpcConnection:
    """A Connection over gRPC, with the verifier's own channel options."""

    def __init__(self, address: Address) -> None:
        # A server may allow more than gRPC's 4 MiB to be sent; how much it takes is the adapter's own limit.
        self._address = address
        self._channel = address.channel(("grpc.max_send_message_length", -1))
        self._executor = executor_pb2_grpc.StatelessExecutorStub(self._channel)  # type: ignore[no-untyped-call]
        self._health = health_pb2_grpc.HealthStub(self._channel)
        self._raw: Any = self._channel.unary_unary(EXECUTE_METHOD, response_deserializer=pb.ExecuteResponse.FromString)

    async def describe(self) -> pb.DescribeResponse | None:
        """See Connection."""
        try:
            described: pb.DescribeResponse = await self._executor.Describe(pb.DescribeRequest(), timeout=CALL_TIMEOUT)
        except grpc.aio.AioRpcError:
            return None
        return described

    async def health(self, service: str) -> str:
        """See Connection."""
        try:
            answer = await self._health.Check(health_pb2.HealthCheckRequest(service=service), timeout=CALL_TIMEOUT)
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

    async def execute(self, request: pb.ExecuteRequest | bytes, timeout: float) -> Answer:  # noqa: ASYNC109 - gRPC's own
        """See Connection."""
        started = time.monotonic()
        payload = request if isinstance(request, bytes) else self._carried(request).SerializeToString()
        try:
            response = await self._raw(payload, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            detail = " ".join((error.details() or "").split())
            return Answer(error.code(), None, detail, time.monotonic() - started)
        return Answer(grpc.StatusCode.OK, response, "", time.monotonic() - started)

    def trace(self, request: pb.TraceRequest, timeout: float) -> Events:
        """See Connection."""
        carried = pb.TraceRequest(execution=self._carried(request.execution), first=request.first, count=request.count)
        return GrpcEvents(self._executor.Trace(carried, timeout=timeout))

    async def upload(self, parts: Iterable[pb.UploadPart] | AsyncIterable[pb.UploadPart], timeout: float) -> Answer:  # noqa: ASYNC109 - gRPC's own
        """See Connection."""
        started = time.monotonic()
        call = self._executor.Upload(parts, timeout=timeout)
        try:
            await call
        except grpc.aio.AioRpcError as error:
            detail = " ".join((error.details() or "").split())
            return Answer(error.code(), None, detail, time.monotonic() - started)
        return Answer(grpc.StatusCode.OK, None, "", time.monotonic() - started)

    async def close(self) -> None:
        """See Connection."""
        await self._channel.close()

    def _carried(self, request: pb.ExecuteRequest) -> pb.ExecuteRequest:
        """The request with the bytes of its file, where the adapter is on another machine and the file is one."""
        path = Path(request.path)
        if self._address.on_this_machine or request.WhichOneof("witness") != "path" or not path.is_file():
            return request
        carried = pb.ExecuteRequest()
        carried.CopyFrom(request)
        carried.content = path.read_bytes()
        return carried
