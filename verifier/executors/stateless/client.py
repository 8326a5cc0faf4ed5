"""Speaks gRPC to one running adapter."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from verifier.domain.result import Abstention, AbstentionReason, Mode, Outcome, Result
from verifier.errors import AdapterError
from verifier.rpc.v1 import executor_pb2 as pb
from verifier.rpc.v1 import executor_pb2_grpc

from .address import Address
from .base import ExecutionRequest
from .messages import MODES, MalformedAnswerError, decode_outcome, encode_request, rule_name
from .trace_messages import TraceReader
from .tracer import TraceBatch
from .upload import UploadForgottenError, UploadRefusedError, WitnessDigest, upload_parts

CONTRACT_VERSION = 1
HEALTH_INTERVAL = 0.05  # seconds between health checks while an adapter starts
CALL_TIMEOUT = 10.0  # seconds for Describe and Health, which involve no execution
# A request that any adapter answers at once, if it has a place for it: a file that is none.
NO_WITNESS = pb.ExecuteRequest(content=b"\0", block_hash=bytes(32), pre_state_root=bytes(32), mode=pb.MODE_PROOF)
LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
# grpc.aio's own words, with INTERNAL, where a call ended while it was still being written to. The status with which it
# ended is then not known.
ENDED_WHILE_WRITTEN = "Internal error from Core"

REFUSALS = (
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNIMPLEMENTED,
)


@dataclass(frozen=True, slots=True)
class Description:
    """What an adapter says of itself."""

    client_name: str
    client_version: str
    adapter_version: str
    lineage: str
    forks: tuple[str, ...]
    unchecked_rules: tuple[str, ...]
    max_concurrent_requests: int
    traces: bool = False
    uploads: bool = False
    modes: tuple[Mode, ...] = (Mode.PROOF,)


def decode_description(message: pb.DescribeResponse) -> Description:
    """The adapter's self-description. Raises AdapterError if it is of another contract version."""
    if message.contract_version != CONTRACT_VERSION:
        raise AdapterError(f"contract version {message.contract_version}, this verifier speaks {CONTRACT_VERSION}")
    return Description(
        client_name=message.client_name,
        client_version=message.client_version,
        adapter_version=message.adapter_version,
        lineage=message.lineage,
        forks=tuple(message.forks),
        unchecked_rules=tuple(rule_name(rule) for rule in message.unchecked_rules if rule in pb.Rule.values()),
        max_concurrent_requests=max(1, message.max_concurrent_requests),
        traces=message.traces,
        uploads=message.uploads,
        modes=tuple(mode for mode, number in MODES.items() if number in message.modes),
    )


class AdapterLostError(AdapterError):
    """The connection to the adapter broke: it ended, or is not there."""


class AdapterStartingError(AdapterError):
    """The adapter answers, and is not ready yet."""


class AdapterClient:
    """A stateless executor behind an address, over a connection of its own. Raises InputError for bad TLS files."""

    def __init__(self, name: str, lineage: str, address: Address) -> None:
        self.name = name
        self.lineage = lineage
        self.description: Description | None = None
        self._channel = address.channel()
        self._executor = executor_pb2_grpc.StatelessExecutorStub(self._channel)  # type: ignore[no-untyped-call]
        self._health = health_pb2_grpc.HealthStub(self._channel)
        self._places = asyncio.Semaphore(1)

    async def probe(self) -> None:
        """Returns once the adapter is healthy and is what it should be. Raises AdapterError if it is another."""
        while await self._health_status() != "SERVING":  # noqa: ASYNC110 - another process, nothing could signal it
            await asyncio.sleep(HEALTH_INTERVAL)
        await self._check_description()

    async def reach(self) -> None:
        """Asks once. Raises AdapterStartingError while it is warming up, AdapterError if it cannot be used."""
        status = await self._health_status()
        if status == "NOT_SERVING":
            raise AdapterStartingError("it is there, and not ready yet")
        if status != "SERVING":
            raise AdapterError(status)
        await self._check_description()

    async def wait_disconnected(self) -> None:
        """Returns when the connection that was made is gone."""
        await self._channel.wait_for_state_change(grpc.ChannelConnectivity.READY)

    async def _check_description(self) -> None:
        try:
            message = await self._executor.Describe(pb.DescribeRequest(), timeout=CALL_TIMEOUT)
        except grpc.aio.AioRpcError as error:
            raise AdapterError(f"Describe failed: {_describe(error)}") from None
        description = decode_description(message)
        if description.lineage != self.lineage:
            raise AdapterError(f"it is of lineage {description.lineage!r}, configured is {self.lineage!r}")
        if self.description is None or self.description.max_concurrent_requests != description.max_concurrent_requests:
            self._places = asyncio.Semaphore(description.max_concurrent_requests)
        self.description = description

    async def execute(self, request: ExecutionRequest, uploaded: bytes | None = None) -> Result:
        """Asks for one block; waits for a free place first. elapsed_ms counts from there.

        uploaded: digest of the witness as it was uploaded, instead of its path. Raises AdapterLostError if the adapter
        went away meanwhile, UploadForgottenError if it does not hold the upload.
        """
        if self.description is not None and request.mode not in self.description.modes:
            return self._abstain(AbstentionReason.REFUSED, f"does not execute in {request.mode} mode", 0.0)
        places = self._places  # another after a restart with another number of them
        try:
            async with asyncio.timeout(request.deadline):
                await places.acquire()
        except TimeoutError:
            return self._abstain(AbstentionReason.TIMEOUT, f"busy for all of {request.deadline:.1f} s", 0.0)
        started = time.monotonic()
        try:
            response: pb.ExecuteResponse = await self._executor.Execute(
                _message(request, uploaded), timeout=request.deadline
            )
        except grpc.aio.AioRpcError as error:
            elapsed = (time.monotonic() - started) * 1000
            if uploaded is not None and error.code() is grpc.StatusCode.NOT_FOUND:
                raise UploadForgottenError(_describe(error)) from None
            # A server may end the stream before the deadline's own status is out: gRPC in Go then shows CANCELLED.
            if error.code() in LOST and elapsed < request.deadline * 1000:
                raise AdapterLostError(_describe(error)) from None
            return self._abstain(*_reason(error, request.deadline), elapsed)
        finally:
            places.release()
        elapsed = (time.monotonic() - started) * 1000
        outcome: Outcome
        try:
            outcome = decode_outcome(response, request.mode)
        except MalformedAnswerError as error:
            outcome = Abstention(AbstentionReason.CRASHED, f"malformed answer: {error}")
        return Result(self.name, self.lineage, outcome, elapsed, response.timings.total_us / 1000 or None)

    async def has_free_places(self, patience: float) -> bool:
        """Whether every place that it says it has is free, asked while nothing of ours runs there.

        patience: seconds for what still runs to end, and as many for the answers. True also where it cannot be asked.
        """
        count = self.description.max_concurrent_requests if self.description is not None else 1
        taken, places = 0, self._places
        try:
            async with asyncio.timeout(patience):
                while taken < count:
                    await places.acquire()
                    taken += 1
            return all(await asyncio.gather(*(self._answers(patience) for _ in range(count))))
        except TimeoutError:
            return True
        finally:
            for _ in range(taken):
                places.release()

    async def _answers(self, seconds: float) -> bool:
        try:
            await self._executor.Execute(NO_WITNESS, timeout=seconds)
        except grpc.aio.AioRpcError as error:
            return error.code() not in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED)
        return True

    async def trace(
        self, request: ExecutionRequest, first: int = 0, count: int = 0, uploaded: bytes | None = None
    ) -> AsyncGenerator[TraceBatch | Result, None]:
        """See Tracer; takes a place and raises as `execute` does.

        The adapter waits while nobody reads: no more is held here than what is in a few windows of HTTP/2.
        """
        if self.description is not None and not self.description.traces:
            yield self._abstain(AbstentionReason.REFUSED, "this adapter serves no traces", 0.0)
            return
        if self.description is not None and request.mode not in self.description.modes:
            yield self._abstain(AbstentionReason.REFUSED, f"does not execute in {request.mode} mode", 0.0)
            return
        started = time.monotonic()
        places = self._places  # another after a restart with another number of them
        try:
            async with asyncio.timeout(request.deadline):
                await places.acquire()
        except TimeoutError:
            yield self._abstain(AbstentionReason.TIMEOUT, f"busy for all of {request.deadline:.1f} s", 0.0)
            return
        reader = TraceReader(first, count, request.mode)
        message = pb.TraceRequest(execution=_message(request, uploaded), first=first, count=count)
        remaining = max(0.0, request.deadline - (time.monotonic() - started))
        call = self._executor.Trace(message, timeout=remaining)
        ending = Abstention(AbstentionReason.CRASHED, "malformed answer: the trace ended without an outcome")
        try:
            async for event in call:
                items = reader.read(event)
                if items:
                    yield items
        except MalformedAnswerError as error:
            reader.outcome = Abstention(AbstentionReason.CRASHED, f"malformed answer: {error}")
        except grpc.aio.AioRpcError as error:
            if uploaded is not None and error.code() is grpc.StatusCode.NOT_FOUND:
                raise UploadForgottenError(_describe(error)) from None
            if error.code() in LOST and time.monotonic() - started < request.deadline:
                raise AdapterLostError(_describe(error)) from None
            reader.outcome = Abstention(*_reason(error, request.deadline))
        finally:
            call.cancel()
            places.release()
        elapsed = (time.monotonic() - started) * 1000
        yield Result(self.name, self.lineage, reader.outcome or ending, elapsed, reader.adapter_ms)

    async def upload(self, path: Path, witness: WitnessDigest, deadline: float) -> None:
        """Sends a witness file. deadline: seconds.

        Raises AdapterLostError if the stream broke, TimeoutError, UploadRefusedError, AdapterError.
        """
        started = time.monotonic()
        try:
            with path.open("rb") as file:
                await self._executor.Upload(upload_parts(file, witness), timeout=deadline)
        except OSError as error:
            raise UploadRefusedError(f"the witness cannot be read: {error.strerror}") from None
        except grpc.aio.AioRpcError as error:
            reason = f"upload: {_describe(error)}"
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED or time.monotonic() - started >= deadline:
                raise TimeoutError(reason) from None
            if error.code() in LOST or error.details() == ENDED_WHILE_WRITTEN:
                raise AdapterLostError(reason) from None
            if error.code() in REFUSALS:
                raise UploadRefusedError(reason) from None
            raise AdapterError(reason) from None

    async def close(self) -> None:
        """Ends the connection; requests under way end as crashed."""
        await self._channel.close()

    async def _health_status(self) -> str:
        """The health service's word, or why there is none."""
        try:
            answer = await self._health.Check(health_pb2.HealthCheckRequest(), timeout=CALL_TIMEOUT)
        except grpc.aio.AioRpcError as error:
            return _describe(error)
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

    def _abstain(self, reason: AbstentionReason, detail: str, elapsed_ms: float) -> Result:
        return Result(self.name, self.lineage, Abstention(reason, detail), elapsed_ms)


def _reason(error: grpc.aio.AioRpcError, deadline: float) -> tuple[AbstentionReason, str]:
    match error.code():
        case grpc.StatusCode.DEADLINE_EXCEEDED | grpc.StatusCode.CANCELLED | grpc.StatusCode.UNAVAILABLE:
            return AbstentionReason.TIMEOUT, f"no answer within {deadline:.1f} s"
        case code if code in REFUSALS:
            return AbstentionReason.REFUSED, _describe(error)
        case _:
            return AbstentionReason.CRASHED, _describe(error)


def _message(request: ExecutionRequest, uploaded: bytes | None) -> pb.ExecuteRequest:
    message = encode_request(request)
    if uploaded is not None:
        message.uploaded = uploaded  # the same oneof: the path goes
    return message


def _describe(error: grpc.aio.AioRpcError) -> str:
    return f"{error.code().name.lower()}: {' '.join((error.details() or '').split())[:300]}"
