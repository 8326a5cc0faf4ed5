"""A tracer, real or fake, that is made to lie at one step: for tests of what compares traces."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from verifier.domain.result import Result
from verifier.domain.trace import Step, TraceItem, TransactionStart
from verifier.executors.stateless.base import ExecutionRequest
from verifier.executors.stateless.tracer import TraceBatch, Tracer


class LyingTracer:
    """Tells of the step of this index in a transaction what `change` makes of it; of all else, what `tracer` does."""

    def __init__(self, tracer: Tracer, transaction: int, step: int, change: Callable[[Step], Step]) -> None:
        self.name = tracer.name
        self.lineage = tracer.lineage
        self.requests: list[tuple[int, int]] = []
        self._tracer = tracer
        self._at = transaction, step
        self._change = change

    async def trace(
        self, request: ExecutionRequest, first: int = 0, count: int = 0
    ) -> AsyncGenerator[TraceBatch | Result, None]:
        """As Tracer.trace."""
        self.requests.append((first, count))
        transaction, step = -1, 0
        async with aclosing(self._tracer.trace(request, first, count)) as stream:
            async for batch in stream:
                if isinstance(batch, Result):
                    yield batch
                    continue
                items: list[TraceItem] = []
                for item in batch:
                    told = item
                    if isinstance(item, TransactionStart):
                        transaction, step = item.index, 0
                    elif isinstance(item, Step):
                        if (transaction, step) == self._at:
                            told = self._change(item)
                        step += 1
                    items.append(told)
                yield tuple(items)
