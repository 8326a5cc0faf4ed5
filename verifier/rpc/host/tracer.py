"""Where a client reports the instructions that it is about to execute; they leave in batches."""

from collections.abc import Callable

from ..v1 import executor_pb2 as pb

STEPS_A_MESSAGE = 256  # the contract: at most a few hundred
STACKS_A_MESSAGE = 1 << 20  # bytes of stacks in a message; a single stack has at most 32 KiB


class Tracer:
    """Hands the steps of the transactions asked for to `send`. What is a step: adapters/CONTRACT.md, "Traces".

    first, count: as in TraceRequest; count 0 means to the last.
    `send` may block for as long as the reader is slow. `wanted` says whether steps are wanted now, that is, whether a
    transaction that was asked for is running; `step` may only be called then.
    """

    def __init__(self, first: int, count: int, send: Callable[[pb.TraceEvent], object]) -> None:
        self.wanted = False
        self._first = first
        self._end = first + count if count else None
        self._send = send
        self._index = 0
        self._sent = 0
        self._stacks = 0
        self._batch = pb.TraceEvent()

    def start_transaction(self, index: int, hash_: bytes) -> None:
        """hash_: 32 bytes."""
        self.wanted = index >= self._first and (self._end is None or index < self._end)
        self._index, self._sent = index, 0
        if self.wanted:
            self._send(pb.TraceEvent(transaction_start=pb.TransactionStart(index=index, hash=hash_)))

    def step(
        self, depth: int, account: bytes, pc: int, op: int, gas: int, stack: bytes, memory_size: int = 0
    ) -> pb.Step:
        """Reports one instruction before it is executed; fields as in the message.

        Of the message returned, `gas_cost` and `error` may be set until this object is called again.
        """
        if len(self._batch.steps.steps) >= STEPS_A_MESSAGE or self._stacks >= STACKS_A_MESSAGE:
            self.flush()
        self._stacks += len(stack)
        return self._batch.steps.steps.add(
            depth=depth, account=account, pc=pc, op=op, gas=gas, stack=stack, memory_size=memory_size
        )

    def end_transaction(self, gas_used: int, *, succeeded: bool) -> None:
        """gas_used: refunds taken off. succeeded: whether the outermost call did."""
        if not self.wanted:
            return
        self.flush()
        self.wanted = False
        end = pb.TransactionEnd(index=self._index, succeeded=succeeded, gas_used=gas_used, steps=self._sent)
        self._send(pb.TraceEvent(transaction_end=end))

    def flush(self) -> None:
        """Sends the steps that still wait."""
        count = len(self._batch.steps.steps)
        if count:
            batch, self._batch, self._stacks = self._batch, pb.TraceEvent(), 0
            self._sent += count
            self._send(batch)
