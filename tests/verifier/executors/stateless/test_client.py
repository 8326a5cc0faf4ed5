"""A connection that breaks: an adapter that is gone, or only the deadline."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc.aio import AioRpcError, Metadata

from verifier.domain.result import Abstention, AbstentionReason, Result
from verifier.executors.stateless.address import Address
from verifier.executors.stateless.base import ExecutionRequest
from verifier.executors.stateless.client import AdapterClient, AdapterLostError


def execute(request: ExecutionRequest, code: grpc.StatusCode) -> Result:
    """The result where the call ends with this status."""

    class Stub:
        async def Execute(self, *_: Any, **__: Any) -> None:  # noqa: N802 - the name in the protocol
            raise AioRpcError(code, Metadata(), Metadata(), "the stream was reset")

    async def scenario() -> Result:
        client = AdapterClient("broken", "broken", Address(path=Path("/nowhere.sock")))
        client._executor = Stub()  # type: ignore[assignment]
        try:
            return await client.execute(request)
        finally:
            await client.close()

    return asyncio.run(scenario())


@pytest.mark.parametrize("code", [grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE])
def test_a_stream_that_ends_before_the_deadline_is_a_lost_adapter(
    request_for_a_block: ExecutionRequest, code: grpc.StatusCode
) -> None:
    with pytest.raises(AdapterLostError, match="the stream was reset"):
        execute(replace(request_for_a_block, deadline=60.0), code)


@pytest.mark.parametrize("code", [grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED])
def test_a_stream_that_ends_at_the_deadline_is_a_timeout(
    request_for_a_block: ExecutionRequest, code: grpc.StatusCode
) -> None:
    result = execute(replace(request_for_a_block, deadline=1e-9), code)
    assert isinstance(result.outcome, Abstention)
    assert result.outcome.reason is AbstentionReason.TIMEOUT
