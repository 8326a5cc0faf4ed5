"""How the kit speaks to an adapter: the seam, gRPC behind it, and raw bytes beside it."""

import asyncio
import time
from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from verifier.errors import UsageError
from verifier.executors.stateless.client import CALL_TIMEOUT, OPTIONS
from verifier.rpc.v1 import executor_pb2 as pb
from verifier.rpc.v1 import executor_pb2_grpc

from .answer import Answer

LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
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


@dataclass(frozen=True, slots=True)
class Address:
    """Where an adapter listens: "unix:/path" or "host:port". Raises UsageError from `parse` for anything else."""

    path: Path | None = None
    host: str = ""
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Reads an address. Plain TCP only to this machine: nothing protects the connection."""
        if text.startswith("unix:"):
            path = Path(text.removeprefix("unix:"))
            if not path.is_absolute():
                raise UsageError(f"{text}: a socket's path is absolute, unix:/path")
            return cls(path=path)
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise UsageError(f"{text}: neither an adapter's name nor an address, unix:/path or host:port")
        if host not in LOOPBACK:
            raise UsageError(f"{text}: plain TCP only to this machine ({', '.join(LOOPBACK[:3])})")
        return cls(host=host, port=int(port))

    @staticmethod
    def is_one(text: str) -> bool:
        """Whether a command's argument is meant as an address, not as a name."""
        return ":" in text

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path is not None else f"{self.host}:{self.port}"

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A plain connection, to send what is no gRPC. Raises OSError."""
        if self.path is not None:
            return await asyncio.open_unix_connection(self.path)
        return await asyncio.open_connection(self.host.strip("[]"), self.port)


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
        options = (*OPTIONS, ("grpc.max_send_message_length", -1))
        self._channel = grpc.aio.insecure_channel(str(address), options=options)
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
        payload = request if isinstance(request, bytes) else request.SerializeToString()
        try:
            response = await self._raw(payload, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            detail = " ".join((error.details() or "").split())
            return Answer(error.code(), None, detail, time.monotonic() - started)
        return Answer(grpc.StatusCode.OK, response, "", time.monotonic() - started)

    def trace(self, request: pb.TraceRequest, timeout: float) -> Events:
        """See Connection."""
        return GrpcEvents(self._executor.Trace(request, timeout=timeout))

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
