"""From the events of one trace stream to the core's values: order, counts and sizes checked, never believed."""

from verifier.domain.result import Computed, Mode, Outcome
from verifier.domain.trace import Step, TraceItem, TransactionEnd, TransactionStart
from verifier.rpc.v1 import executor_pb2 as pb

from .messages import ADDRESS_LENGTH, HASH_LENGTH, MalformedAnswerError, decode_outcome

WORD = 32  # bytes
MAX_STACK = 1024 * WORD  # bytes; yellow paper 9.1: the stack has at most 1024 words
MAX_DEPTH = 1025  # the outermost call is 1, and 1024 may be nested in it (yellow paper 8, C_D)
MAX_ERROR = 200  # characters of a client's free text that are kept; it ends in terminals


class TraceReader:
    """Reads the events of one stream in their order. first, count, mode: what was asked for, as in TraceRequest.

    outcome: what came of the block, once the event that says so has come.
    """

    def __init__(self, first: int = 0, count: int = 0, mode: Mode = Mode.PROOF) -> None:
        self.outcome: Outcome | None = None
        self.adapter_ms: float | None = None
        self._mode = mode
        self._first = first
        self._next = first
        self._end = first + count if count else None
        self._inside = False
        self._steps = 0

    def read(self, event: pb.TraceEvent) -> tuple[TraceItem, ...]:
        """The items of one event. Raises MalformedAnswerError for what may not stand here."""
        if self.outcome is not None:
            raise MalformedAnswerError("an event after the outcome")
        match event.WhichOneof("event"):
            case "steps":
                return self._read_steps(event.steps)
            case "transaction_start":
                return (self._read_start(event.transaction_start),)
            case "transaction_end":
                return (self._read_end(event.transaction_end),)
            case "outcome":
                self._read_outcome(event.outcome)
                return ()
            case _:
                raise MalformedAnswerError("an event that is none of the contract's")

    def _read_start(self, message: pb.TransactionStart) -> TransactionStart:
        if self._inside:
            raise MalformedAnswerError(f"transaction {message.index} starts inside transaction {self._next}")
        if message.index != self._next or (self._end is not None and message.index >= self._end):
            raise MalformedAnswerError(f"transaction {message.index} starts, {self._expected()} expected")
        if len(message.hash) != HASH_LENGTH:
            raise MalformedAnswerError(f"transaction {message.index} has a hash of {len(message.hash)} bytes")
        self._inside, self._steps = True, 0
        return TransactionStart(message.index, message.hash)

    def _read_steps(self, message: pb.Steps) -> tuple[Step, ...]:
        if not self._inside:
            raise MalformedAnswerError("steps outside a transaction")
        steps = tuple(map(self._step, message.steps))
        self._steps += len(steps)
        return steps

    def _step(self, message: pb.Step) -> Step:
        depth, account, op, stack, error = message.depth, message.account, message.op, message.stack, message.error
        if not 1 <= depth <= MAX_DEPTH:
            raise MalformedAnswerError(f"a step at depth {depth}")
        if len(account) != ADDRESS_LENGTH:
            raise MalformedAnswerError(f"a step in an account of {len(account)} bytes")
        if op > 255:
            raise MalformedAnswerError(f"a step with the operation {op}")
        if len(stack) % WORD or len(stack) > MAX_STACK:
            raise MalformedAnswerError(f"a step with a stack of {len(stack)} bytes")
        if error:
            error = "".join(character if character.isprintable() else " " for character in error)[:MAX_ERROR].strip()
        return Step(depth, account, message.pc, op, message.gas, stack, message.gas_cost, message.memory_size, error)

    def _read_end(self, message: pb.TransactionEnd) -> TransactionEnd:
        if not self._inside or message.index != self._next:
            raise MalformedAnswerError(f"transaction {message.index} ends, and has not started")
        if message.steps != self._steps:
            raise MalformedAnswerError(f"transaction {message.index}: {self._steps} steps came, {message.steps} said")
        self._inside = False
        self._next += 1
        return TransactionEnd(message.index, message.succeeded, message.gas_used, message.steps)

    def _read_outcome(self, message: pb.ExecuteResponse) -> None:
        outcome = decode_outcome(message, self._mode)
        if isinstance(outcome, Computed):
            if self._inside:
                raise MalformedAnswerError(f"computed, but transaction {self._next} has no end")
            last = len(outcome.receipts) if self._end is None else min(self._end, len(outcome.receipts))
            if self._next != max(self._first, last):
                raise MalformedAnswerError(f"computed, but {self._expected()} has not come")
        self.outcome, self.adapter_ms = outcome, message.timings.total_us / 1000 or None

    def _expected(self) -> str:
        return f"transaction {self._next}" if self._end is None or self._next < self._end else "the outcome"
