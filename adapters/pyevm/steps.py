"""Every instruction of a traced block, reported before py-evm executes it.

py-evm's loop takes its instructions from the computation's code, one after the other: so the code is what is replaced.
Blocks that are not traced run on classes that know nothing of this.
"""

from collections.abc import Iterator
from typing import Any

from eth.exceptions import Revert
from eth.vm.code_stream import CodeStream
from eth.vm.opcode_values import STOP

from verifier.rpc.host.responses import describe_error
from verifier.rpc.host.tracer import Tracer

from .machine import BlockMachine

WORD = 32  # bytes on the stack


class ReportedCode(CodeStream):
    """A code whose instructions are reported as they are taken from it, up to the code's end.

    py-evm goes on with an implicit STOP there, which is no step.
    """

    __slots__ = ["_computation", "_tracer"]

    def __init__(self, code: bytes, computation: Any, tracer: Tracer) -> None:
        super().__init__(code)
        self._computation = computation
        self._tracer = tracer

    def __iter__(self) -> Iterator[int]:
        computation, tracer, code, length = self._computation, self._tracer, self._raw_code_bytes, len(self)
        message, meter, stack = computation.msg, computation._gas_meter, computation._stack.values
        depth, account = message.depth + 1, message.storage_address
        while self.program_counter < length:
            at = self.program_counter
            op = code[at]
            words = b"".join(
                [item.to_bytes(WORD, "big") if type(item) is int else bytes(item).rjust(WORD, b"\0") for item in stack]
            )
            memory = len(computation._memory)
            step = tracer.step(depth, account, at, op, meter.gas_remaining, words, memory)
            self.program_counter = at + 1
            computation.latest_step = step
            yield op
            computation.latest_step = None
        yield STOP


class ReportingComputation:
    """Mixed into a computation of a traced block."""

    latest_step: Any = None  # the message of the instruction being executed, for as long as nothing else was reported

    def __init__(self, state: Any, message: Any, transaction_context: Any) -> None:
        super().__init__(state, message, transaction_context)  # type: ignore[call-arg]  # of the class below this one
        tracer: Tracer | None = getattr(state, "tracer", None)
        if tracer is not None and tracer.wanted:
            self.code = ReportedCode(message.code, self, tracer)

    def apply_child_computation(self, child_message: Any) -> Any:
        """py-evm's; the child's instructions are reported from here on."""
        self.latest_step = None
        return super().apply_child_computation(child_message)  # type: ignore[misc]

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> Any:
        if error is not None and self.latest_step is not None and not isinstance(error, Revert):
            self.latest_step.error = describe_error(error)
        return super().__exit__(kind, error, traceback)  # type: ignore[misc]


class ReportingMachine(BlockMachine):
    """Mixed into the machine of a traced block. `report_to` has to be called before `import_block`."""

    _tracer: Tracer

    def report_to(self, tracer: Tracer) -> None:
        """tracer: is told of the block's transactions and instructions."""
        self._tracer = tracer

    def apply_transaction(self, header: Any, transaction: Any) -> Any:
        """py-evm's; reports where the transaction starts and ends."""
        self.state.tracer = self._tracer  # type: ignore[attr-defined]  # of the class below this one
        self._tracer.start_transaction(len(self.receipts), transaction.hash)
        receipt, computation = super().apply_transaction(header, transaction)
        self._tracer.end_transaction(receipt.gas_used - header.gas_used, succeeded=computation.is_success)
        return receipt, computation
