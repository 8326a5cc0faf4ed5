"""One Trace as a check sees it: the transactions with their steps, the outcome, and what is wrong with the order."""

from dataclasses import dataclass, field
from typing import Any

import grpc

from verifier.rpc.v1 import executor_pb2 as pb
from witness.model import BlockWitness

from .answer import Answer
from .bundled_block import BundledBlock
from .connection import Events
from .reference_steps import ReferenceStep
from .subject import Subject, request_for

WORD = 32  # bytes
NO_TRACES = "Describe does not say that it traces"


@dataclass
class TracedTransaction:
    """What was streamed about one transaction. end: None where the stream has none."""

    index: int
    hash: bytes
    steps: list[pb.Step] = field(default_factory=list)
    end: pb.TransactionEnd | None = None

    @property
    def canonical(self) -> tuple[ReferenceStep, ...]:
        """Of each step what has to be equal in all clients."""
        return tuple(canonical(step) for step in self.steps)


@dataclass
class Traced:
    """A stream as far as it was read. largest: steps in one message; breaches: of the order.

    outcome: the response at the end of the whole stream, or the gRPC status that it ended with instead.
    """

    transactions: list[TracedTransaction] = field(default_factory=list)
    outcome: Answer = field(default_factory=lambda: Answer(grpc.StatusCode.UNKNOWN, detail="not read to its end"))
    largest: int = 0
    breaches: list[str] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """How many steps, all transactions together."""
        return sum(len(transaction.steps) for transaction in self.transactions)

    def add(self, event: pb.TraceEvent) -> None:
        """Takes the next event in."""
        kind = event.WhichOneof("event")
        if self.outcome.response is not None:
            self.breaches.append(f"{kind} after the outcome")
            return
        last = self.transactions[-1] if self.transactions else None
        under_way = last if last is not None and last.end is None else None
        match kind:
            case "transaction_start":
                start = event.transaction_start
                if under_way is not None:
                    self.breaches.append(f"transaction {start.index} starts before the end of {under_way.index}")
                self.transactions.append(TracedTransaction(start.index, start.hash))
            case "steps":
                self.largest = max(self.largest, len(event.steps.steps))
                if under_way is None:
                    self.breaches.append(f"{len(event.steps.steps)} steps outside a transaction")
                else:
                    under_way.steps.extend(event.steps.steps)
            case "transaction_end":
                index = event.transaction_end.index
                if under_way is None or under_way.index != index:
                    self.breaches.append(f"transaction {index} ends, and has not started")
                else:
                    under_way.end = event.transaction_end
            case "outcome":
                self.outcome = Answer(grpc.StatusCode.OK, event.outcome)
            case _:
                self.breaches.append("an event of no kind")

    def end(self, ending: Answer) -> None:
        """Takes the stream's end in."""
        if ending.status is not grpc.StatusCode.OK:
            self.outcome = ending
        elif self.outcome.response is None:
            self.breaches.append("the stream ends without an outcome")


async def traced(
    subject: Subject,
    block: BundledBlock,
    content: BlockWitness | None = None,
    *,
    first: int = 0,
    count: int = 0,
    **fields: Any,
) -> Traced:
    """Traces a bundled block, or `content` that was made out of it, to the stream's end. fields: of the request."""
    if content is None:
        return await read_whole(subject.trace(request_for(block, block.path, **fields), first, count))
    with subject.published(content) as path:
        request = request_for(block, path, **{"block_hash": content.hash, **fields})
        return await read_whole(subject.trace(request, first, count))


async def read_whole(events: Events) -> Traced:
    """Reads a stream to its end."""
    found = Traced()
    while (event := await events.read()) is not None:
        found.add(event)
    found.end(await events.ending())
    return found


def canonical(step: pb.Step) -> ReferenceStep:
    """What of a step is compared. A word that is not whole counts as one."""
    words = (step.stack[start : start + WORD] for start in range(0, len(step.stack), WORD))
    stack = tuple(int.from_bytes(word, "big") for word in words)
    return ReferenceStep(step.depth, step.account, step.pc, step.op, step.gas, stack)
