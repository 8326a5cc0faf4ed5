"""What a block's transactions did, told by executing it once more: receipts, and every instruction as it is taken.

Steps are those of geth's structLogs (debug_traceBlockByHash), as far as `verifier.executors.stateful.rpc_tracer` reads
them.
"""

from dataclasses import dataclass, replace
from typing import Any

from machine.configuration import Parts
from machine.steps import ObservedComputation
from verifier.domain.opcode import OPCODES
from verifier.errors import UnknownBlockError
from witness.chain_config import ChainConfig
from witness.header import decode_block_header

from .database import Reader
from .execution import BlockRun
from .machine import RecordingMachine
from .signing import created_address

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
    telling = replace(parts, machine=_TellingMachine, computation=ObservedComputation)
    run = BlockRun(config, fork, encoded, header.parent_hash, reader, sections=False, parts=telling)
    run.execute()
    return run.machine.told if run.machine is not None else ()


class _Steps:
    """The instructions of one transaction."""

    wanted = True

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def step(self, computation: Any, place: int, opcode: int) -> Step:
        step: Step = {
            "pc": place,
            "op": OPCODES.get(opcode, f"opcode 0x{opcode:x} not defined"),
            "gas": computation._gas_meter.gas_remaining,
            "depth": computation.msg.depth + 1,
            "stack": [_word(item) for item in computation._stack.values],
        }
        self.steps.append(step)
        return step

    def fail(self, step: Step, error: BaseException) -> None:
        step["error"] = " ".join(str(error).split()) or type(error).__name__


class _TellingMachine(RecordingMachine):
    """Mixed into the machine. told: the transactions so far."""

    told: tuple[Told, ...] = ()

    def apply_transaction(self, header: Any, transaction: Any) -> Any:
        """py-evm's; the system calls around the transactions are not told."""
        state: Any = self.state  # type: ignore[attr-defined]  # of the class below this one
        observer = state.observer = _Steps()
        try:
            receipt, computation = super().apply_transaction(header, transaction)
        finally:
            state.observer = None
        created = b"" if transaction.to else created_address(transaction.sender, transaction.nonce)
        gas_used = receipt.gas_used - header.gas_used
        told = Told(transaction.hash, created, receipt, gas_used, computation.is_success, observer.steps)
        self.told += (told,)
        return receipt, computation


def _word(item: Any) -> str:
    return hex(item) if type(item) is int else _data(bytes(item))


def _data(value: bytes) -> str:
    return f"0x{value.hex()}"
