"""Tracing a block in this process, as a worker does, and the part of the steps that has to be equal in all clients."""

from dataclasses import dataclass, field

from tests.adapters.real_block import trusted_root
from verifier.rpc.host.client import Client
from verifier.rpc.host.worker import trace
from verifier.rpc.v1 import executor_pb2 as pb
from witness.file import encode_witness_file
from witness.model import BlockWitness


@dataclass
class Traced:
    """One transaction's trace. steps: the six fields that are compared, each step."""

    start: pb.TransactionStart
    steps: list[tuple[int, bytes, int, int, int, bytes]] = field(default_factory=list)
    errors: dict[int, str] = field(default_factory=dict)
    end: pb.TransactionEnd | None = None


def trace_block(
    client: Client, forks: tuple[str, ...], content: BlockWitness, first: int = 0, count: int = 0
) -> tuple[list[Traced], pb.ExecuteResponse]:
    """Every transaction's trace and the outcome; checks the order of the events."""
    root = trusted_root(content)
    request = pb.ExecuteRequest(
        content=encode_witness_file(content), block_hash=content.hash, pre_state_root=root, parent_header_optional=True
    )
    events: list[pb.TraceEvent] = []
    asked = pb.TraceRequest(execution=request, first=first, count=count)
    outcome = trace(client, asked, frozenset(forks), events.append)
    return traced(events), outcome


def traced(events: list[pb.TraceEvent]) -> list[Traced]:
    """The events before the outcome, by transaction."""
    found: list[Traced] = []
    for event in events:
        match event.WhichOneof("event"):
            case "transaction_start":
                assert not found or found[-1].end is not None
                found.append(Traced(event.transaction_start))
            case "steps":
                assert found[-1].end is None
                for step in event.steps.steps:
                    if step.error:
                        found[-1].errors[len(found[-1].steps)] = step.error
                    found[-1].steps.append((step.depth, step.account, step.pc, step.op, step.gas, step.stack))
            case "transaction_end":
                assert found[-1].end is None
                found[-1].end = event.transaction_end
                assert event.transaction_end.steps == len(found[-1].steps)
                assert event.transaction_end.index == found[-1].start.index
            case other:
                raise AssertionError(f"unexpected event {other}")
    return found
