"""The instructions and transactions of a traced block, reported as py-evm comes to them."""

from typing import Any

from verifier.rpc.host.responses import describe_error
from verifier.rpc.host.tracer import Tracer

from .machine import BlockMachine

WORD = 32  # bytes on the stack


class ReportedSteps:
    """Tells a tracer of each instruction."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @property
    def wanted(self) -> bool:
        """Whether the tracer wants more."""
        return self._tracer.wanted

    def step(self, computation: Any, place: int, opcode: int) -> Any:
        """Reports it. Returns its message."""
        message, stack = computation.msg, computation._stack.values
        words = b"".join(
            [item.to_bytes(WORD, "big") if type(item) is int else bytes(item).rjust(WORD, b"\0") for item in stack]
        )
        gas, memory = computation._gas_meter.gas_remaining, len(computation._memory)
        return self._tracer.step(message.depth + 1, message.storage_address, place, opcode, gas, words, memory)

    def fail(self, step: Any, error: BaseException) -> None:
        """Says so in its message."""
        step.error = describe_error(error)


class ReportingMachine(BlockMachine):
    """Mixed into the machine of a traced block. `report_to` has to be called before `import_block`."""

    _tracer: Tracer

    def report_to(self, tracer: Tracer) -> None:
        """tracer: is told of the block's transactions and instructions."""
        self._tracer = tracer

    def apply_transaction(self, header: Any, transaction: Any) -> Any:
        """py-evm's; reports where the transaction starts and ends."""
        self.state.observer = ReportedSteps(self._tracer)  # type: ignore[attr-defined]  # of the class below this one
        self._tracer.start_transaction(len(self.receipts), transaction.hash)
        receipt, computation = super().apply_transaction(header, transaction)
        self._tracer.end_transaction(receipt.gas_used - header.gas_used, succeeded=computation.is_success)
        return receipt, computation
