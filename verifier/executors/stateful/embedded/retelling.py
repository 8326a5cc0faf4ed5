"""What a block's transactions did, told by executing it once more: receipts, and every instruction as it is taken.

Steps are those of geth's structLogs (debug_traceBlockByHash), as far as `verifier.executors.stateful.rpc_tracer` reads
them. py-evm's loop takes its instructions from the computation's code, so the code is what is replaced.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from eth.exceptions import Revert
from eth.vm.code_stream import CodeStream
from eth.vm.opcode_values import STOP

from machine.configuration import Parts
from verifier.domain.opcode import OPCODES
from verifier.errors import UnknownBlockError
from witness.chain_config import ChainConfig
from witness.header import decode_block_header

from .database import Reader
from .execution import BlockRun
from .machine import RecordingMachine
from .signing import created_address

WORD = 32  # bytes on the stack
Step = dict[str, Any]


@dataclass(frozen=True)
class Told:
    """A transaction. hash: 32 bytes; created: the contract's address, b"" if it is no creation. receipt: py-evm's."""

    hash: bytes
    created: bytes
    receipt: Any
    gas_used: int
    succeeded: bool
    steps: list[Step]

    def struct_logs(self) -> dict[str, Any]:
        """As debug_traceTransaction answers."""
        return {"gas": self.gas_used, "failed": not self.succeeded, "returnValue": "", "structLogs": self.steps}

    def receipt_object(self) -> dict[str, Any]:
        """As eth_getBlockReceipts answers, without what follows from the block."""
        receipt = self.receipt
        return {
            "transactionHash": _data(self.hash),
            "cumulativeGasUsed": hex(receipt.gas_used),
            "gasUsed": hex(self.gas_used),
            "status": hex(int(self.succeeded)),
            "contractAddress": _data(self.created) if self.created else None,
            "logs": [
                {
                    "address": _data(log.address),
                    "topics": [f"0x{topic:064x}" for topic in log.topics],
                    "data": _data(log.data),
                }
                for log in receipt.logs
            ],
        }


def retell(config: ChainConfig, reader: Reader, block_hash: bytes, parts: Parts) -> tuple[Told, ...]:
    """The transactions of a block that `reader` has. parts: of the machine that it is executed on, as it was before.

    Raises UnknownBlockError, and what BlockRun raises.
    """
    encoded = reader.get("blocks", block_hash)
    if encoded is None:
        raise UnknownBlockError(f"block 0x{block_hash.hex()} is not known, or has no transactions")
    header = decode_block_header(encoded)
    fork = config.fork(header.number, header.timestamp, paris=True)
    telling = replace(parts, machine=_TellingMachine, computation=_TellingComputation)
    run = BlockRun(config, fork, encoded, header.parent_hash, reader, sections=False, parts=telling)
    run.execute()
    return run.machine.told if run.machine is not None else ()


class _ToldCode(CodeStream):
    """A code whose instructions are told as they are taken from it; the implicit STOP at its end is none."""

    __slots__ = ["_computation", "_steps"]

    def __init__(self, code: bytes, computation: Any, steps: list[Step]) -> None:
        super().__init__(code)
        self._computation = computation
        self._steps = steps

    def __iter__(self) -> Iterator[int]:
        computation, code, length = self._computation, self._raw_code_bytes, len(self)
        meter, stack, depth = computation._gas_meter, computation._stack.values, computation.msg.depth + 1
        while self.program_counter < length:
            at = self.program_counter
            op = code[at]
            step: Step = {
                "pc": at,
                "op": OPCODES.get(op, f"opcode 0x{op:x} not defined"),
                "gas": meter.gas_remaining,
                "depth": depth,
                "stack": [_word(item) for item in stack],
            }
            self._steps.append(step)
            self.program_counter = at + 1
            computation.latest_step = step
            yield op
            computation.latest_step = None
        yield STOP


class _TellingComputation:
    """Mixed into the computations."""

    latest_step: Step | None = None  # being executed, for as long as nothing else was told

    def __init__(self, state: Any, message: Any, transaction_context: Any) -> None:
        super().__init__(state, message, transaction_context)  # type: ignore[call-arg]  # of the class below this one
        steps = getattr(state, "steps", None)
        if steps is not None:
            self.code = _ToldCode(message.code, self, steps)

    def apply_child_computation(self, child_message: Any) -> Any:
        """py-evm's; the child's instructions are told from here on."""
        self.latest_step = None
        return super().apply_child_computation(child_message)  # type: ignore[misc]

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> Any:
        if error is not None and self.latest_step is not None and not isinstance(error, Revert):
            self.latest_step["error"] = " ".join(str(error).split()) or type(error).__name__
        return super().__exit__(kind, error, traceback)  # type: ignore[misc]


class _TellingMachine(RecordingMachine):
    """Mixed into the machine. told: the transactions so far."""

    told: tuple[Told, ...] = ()

    def apply_transaction(self, header: Any, transaction: Any) -> Any:
        """py-evm's; the system calls around the transactions are not told."""
        state: Any = self.state  # type: ignore[attr-defined]  # of the class below this one
        steps: list[Step] = []
        state.steps = steps
        try:
            receipt, computation = super().apply_transaction(header, transaction)
        finally:
            state.steps = None
        created = b"" if transaction.to else created_address(transaction.sender, transaction.nonce)
        gas_used = receipt.gas_used - header.gas_used
        told = Told(transaction.hash, created, receipt, gas_used, computation.is_success, steps)
        self.told += (told,)
        return receipt, computation


def _word(item: Any) -> str:
    return hex(item) if type(item) is int else _data(bytes(item))


def _data(value: bytes) -> str:
    return f"0x{value.hex()}"
