"""An adapter without a process: a connection that answers as it is told."""

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import grpc

from verifier.rpc.v1 import executor_pb2 as pb
from verifier.services.contract.answer import Answer
from verifier.services.contract.bundle import Bundle
from verifier.services.contract.bundled_block import BundledBlock
from verifier.services.contract.catalogue import select
from verifier.services.contract.connection import Address, Events
from verifier.services.contract.examination import examine
from verifier.services.contract.obligation import Finding
from verifier.services.contract.subject import Subject


class ScriptedEvents:
    """A stream of these events that ends with this status."""

    def __init__(self, events: Sequence[pb.TraceEvent], status: grpc.StatusCode = grpc.StatusCode.OK) -> None:
        self._events, self._status = list(events), status

    async def read(self) -> pb.TraceEvent | None:
        return self._events.pop(0) if self._events else None

    async def ending(self) -> Answer:
        return Answer(self._status)

    def cancel(self) -> None:
        self._events.clear()


def honest(block: BundledBlock) -> pb.ExecuteResponse:
    """What a client answers that computed what the header says."""
    header = block.header
    proven = ("state_root", "receipts_root", "logs_bloom", "gas_used", "transactions_root")
    fields = (*proven, "blob_gas_used", "withdrawals_root", "requests_hash")
    values = {name: value for name in fields if (value := getattr(header, name)) is not None}
    return pb.ExecuteResponse(computed=pb.Computed(**values))


Script = Callable[[pb.TraceRequest], Events]


class Scripted:
    """A connection that gives every block the same answer."""

    def __init__(self, answer: Answer, description: pb.DescribeResponse) -> None:
        self.answer, self.description = answer, description
        self.requests: list[pb.ExecuteRequest | bytes] = []
        self.script: Script | None = None

    async def describe(self) -> pb.DescribeResponse | None:
        return self.description

    async def health(self, service: str) -> str:
        return "SERVING" if service else "NOT_SERVING"

    async def execute(self, request: pb.ExecuteRequest | bytes, timeout: float) -> Answer:  # noqa: ASYNC109 - the seam's
        self.requests.append(request)
        return self.answer

    def trace(self, request: pb.TraceRequest, timeout: float) -> Events:
        return self.script(request) if self.script is not None else ScriptedEvents((), grpc.StatusCode.UNIMPLEMENTED)

    async def upload(self, parts: Iterable[pb.UploadPart] | AsyncIterable[pb.UploadPart], timeout: float) -> Answer:  # noqa: ASYNC109 - the seam's
        return Answer(grpc.StatusCode.UNIMPLEMENTED)

    async def close(self) -> None:
        pass


def scripted(bundle: Bundle, scratch: Path, answer: Answer, **description: object) -> tuple[Subject, Scripted]:
    fields: dict[str, Any] = {
        "client_name": "scripted",
        "client_version": "1",
        "adapter_version": "1",
        "lineage": "x",
        "forks": ["prague"],
        "modes": [pb.MODE_PROOF],
        "max_concurrent_requests": 1,
        "contract_version": 1,
        **description,
    }
    said = pb.DescribeResponse(**fields)
    connection = Scripted(answer, said)
    address = Address(path=scratch / "none.sock")
    return Subject("scripted", address, connection, said, bundle, scratch, sample_time=0.0), connection


def findings(subject: Subject, *ids: str) -> dict[str, Finding]:
    async def run() -> dict[str, Finding]:
        return {finding.obligation.id: finding async for finding in examine(subject, select(ids))}

    return asyncio.run(run())


REFUSAL = Answer(
    grpc.StatusCode.OK, pb.ExecuteResponse(abstention=pb.Abstention(reason=pb.ABSTENTION_REASON_REFUSED, detail="no"))
)
