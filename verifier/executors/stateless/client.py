"""Speaks gRPC to one running adapter."""

import asyncio
import time
from dataclasses import dataclass

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from verifier.domain.result import Abstention, AbstentionReason, Mode, Outcome, Result
from verifier.errors import AdapterError
from verifier.rpc.v1 import executor_pb2 as pb
from verifier.rpc.v1 import executor_pb2_grpc

from .base import ExecutionRequest
from .messages import MODES, MalformedAnswerError, decode_outcome, encode_request, rule_name

CONTRACT_VERSION = 1
MAX_ANSWER = 64 * 1024 * 1024  # bytes; a receipt takes about 60, so this is far above any block
HEALTH_INTERVAL = 0.05  # seconds between health checks while an adapter starts
CALL_TIMEOUT = 10.0  # seconds for Describe and Health, which involve no execution
OPTIONS = (
    # For unix:PATH gRPC would send the escaped path as :authority, which HTTP/2 servers in Rust refuse as malformed.
    ("grpc.default_authority", "localhost"),
    ("grpc.max_receive_message_length", MAX_ANSWER),
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Each adapter has its own connection, whatever gRPC would like to share.
    ("grpc.use_local_subchannel_pool", 1),
)
# A request that any adapter answers at once, if it has a place for it: a file that is none.
NO_WITNESS = pb.ExecuteRequest(content=b"\0", block_hash=bytes(32), pre_state_root=bytes(32), mode=pb.MODE_PROOF)
LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


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
        modes=tuple(mode for mode, number in MODES.items() if number in message.modes),
    )


class AdapterLostError(AdapterError):
    """The connection to the adapter broke: it ended, or is not there."""


class AdapterClient:
    """A stateless executor behind a gRPC address ("unix:/path")."""

    def __init__(self, name: str, lineage: str, address: str) -> None:
        self.name = name
        self.lineage = lineage
        self.description: Description | None = None
        self._channel = grpc.aio.insecure_channel(address, options=OPTIONS)
        self._executor = executor_pb2_grpc.StatelessExecutorStub(self._channel)  # type: ignore[no-untyped-call]
        self._health = health_pb2_grpc.HealthStub(self._channel)
        self._places = asyncio.Semaphore(1)

    async def probe(self) -> None:
        """Returns once the adapter is healthy and is what it should be. Raises AdapterError if it is another."""
        while not await self._is_serving():  # noqa: ASYNC110 - another process, nothing here could signal it
            await asyncio.sleep(HEALTH_INTERVAL)
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

    async def execute(self, request: ExecutionRequest) -> Result:
        """Asks for one block; waits for a free place first. elapsed_ms counts from there.

        Raises AdapterLostError if the adapter went away meanwhile.
        """
        if self.description is not None and request.mode not in self.description.modes:
            return self._abstain(AbstentionReason.REFUSED, f"does not execute in {request.mode} mode", 0.0)
        try:
            async with asyncio.timeout(request.deadline):
                await self._places.acquire()
        except TimeoutError:
            return self._abstain(AbstentionReason.TIMEOUT, f"busy for all of {request.deadline:.1f} s", 0.0)
        started = time.monotonic()
        try:
            response: pb.ExecuteResponse = await self._executor.Execute(
                encode_request(request), timeout=request.deadline
            )
        except grpc.aio.AioRpcError as error:
            elapsed = (time.monotonic() - started) * 1000
            # A server may end the stream before the deadline's own status is out: gRPC in Go then shows CANCELLED.
            if error.code() in LOST and elapsed < request.deadline * 1000:
                raise AdapterLostError(_describe(error)) from None
            return self._abstain(*_reason(error, request.deadline), elapsed)
        finally:
            self._places.release()
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

    async def close(self) -> None:
        """Ends the connection; requests under way end as crashed."""
        await self._channel.close()

    async def _is_serving(self) -> bool:
        try:
            answer = await self._health.Check(health_pb2.HealthCheckRequest(), timeout=CALL_TIMEOUT)
        except grpc.aio.AioRpcError:
            return False
        serving: bool = answer.status == health_pb2.HealthCheckResponse.SERVING
        return serving

    def _abstain(self, reason: AbstentionReason, detail: str, elapsed_ms: float) -> Result:
        return Result(self.name, self.lineage, Abstention(reason, detail), elapsed_ms)


def _reason(error: grpc.aio.AioRpcError, deadline: float) -> tuple[AbstentionReason, str]:
    match error.code():
        case grpc.StatusCode.DEADLINE_EXCEEDED | grpc.StatusCode.CANCELLED | grpc.StatusCode.UNAVAILABLE:
            return AbstentionReason.TIMEOUT, f"no answer within {deadline:.1f} s"
        case grpc.StatusCode.RESOURCE_EXHAUSTED | grpc.StatusCode.INVALID_ARGUMENT:
            return AbstentionReason.REFUSED, _describe(error)
        case _:
            return AbstentionReason.CRASHED, _describe(error)


def _describe(error: grpc.aio.AioRpcError) -> str:
    return f"{error.code().name.lower()}: {' '.join((error.details() or '').split())[:300]}"
