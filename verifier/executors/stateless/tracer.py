"""The seam to whoever streams the steps of a block's transactions, with the fake that tests use."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from verifier.domain.result import Outcome, Result
from verifier.domain.trace import TraceItem

from .base import ExecutionRequest

TraceBatch = tuple[TraceItem, ...]


class Tracer(Protocol):
    """Executes a block from its witness and streams what its transactions do."""

    @property
    def name(self) -> str:
        """The adapter's own name."""

    @property
    def lineage(self) -> str:
        """The engine lineage that it is of."""

    def trace(
        self, request: ExecutionRequest, first: int = 0, count: int = 0
    ) -> AsyncGenerator[TraceBatch | Result, None]:
        """Batches of items in order, then the result, once. count: of transactions from `first` on, 0 for all.

        Never raises for what an adapter does: that becomes an abstention, at whatever place. To be closed
        (contextlib.aclosing) by who does not read it to its end.
        """


@dataclass
class FakeTracer:
    """A tracer that streams what it was given; `requests` keeps what it was asked."""

    name: str
    lineage: str
    batches: Sequence[TraceBatch]
    outcome: Outcome
    requests: list[tuple[ExecutionRequest, int, int]] = field(default_factory=list)

    async def trace(
        self, request: ExecutionRequest, first: int = 0, count: int = 0
    ) -> AsyncGenerator[TraceBatch | Result, None]:
        """The batches, whatever is asked for, then the outcome."""
        self.requests.append((request, first, count))
        for batch in self.batches:
            yield batch
        yield Result(self.name, self.lineage, self.outcome)
