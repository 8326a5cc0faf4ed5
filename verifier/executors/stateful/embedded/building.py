"""Blocks made by py-evm: transactions in, a valid block out. For chains of our own; nobody votes on this."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import rlp

from machine.configuration import Parts
from witness.chain_config import ChainConfig
from witness.header import decode_header, keccak256

from ..base import ImportOutcome, WitnessSink
from ..errors import UnbuildableBlockError
from ..genesis import Genesis
from .database import Reader
from .execution import UNDECODABLE, BlockRun, one_line
from .executor import EmbeddedExecutor
from .machine import PARTS, machine_class

GWEI = 10**9


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """What a block shall contain. transactions: encoded (EIP-2718); withdrawals: (index, validator, address, gwei).

    timestamp: seconds. Roots, gas, fees and requests follow from the execution.
    """

    timestamp: int
    transactions: Sequence[bytes] = ()
    withdrawals: Sequence[tuple[int, int, bytes, int]] = ()
    coinbase: bytes = bytes(20)
    extra_data: bytes = b""
    random: bytes = bytes(32)
    parent_beacon_block_root: bytes = bytes(32)


class ChainBuilder:
    """Adds blocks to a chain in a database directory, from Paris on. Raises what the executor raises."""

    def __init__(self, directory: Path, genesis: Genesis, sink: WitnessSink) -> None:
        self._config = genesis.config
        self._executor = EmbeddedExecutor(directory, genesis, sink, sync=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.close()

    def add(self, plan: BlockPlan) -> tuple[bytes, ImportOutcome]:
        """Builds a block on the head and imports it; its RLP, and what the import said."""
        encoded = self.build(plan)
        return encoded, self._executor.import_block(encoded)

    def build(self, plan: BlockPlan) -> bytes:
        """The RLP of a block on the head, which stays the head."""
        with self._executor.reading() as reader:
            return build_block(self._config, reader, self._executor.head().hash, plan)


def build_block(config: ChainConfig, reader: Reader, parent_hash: bytes, plan: BlockPlan) -> bytes:
    """The RLP of a block on a parent. Raises UnbuildableBlockError if a transaction may not be included."""
    return build_with_requests(config, reader, parent_hash, plan)[0]


def build_with_requests(
    config: ChainConfig,
    reader: Reader,
    parent_hash: bytes,
    plan: BlockPlan,
    parts: Parts = PARTS,
    run_class: type[BlockRun] = BlockRun,
) -> tuple[bytes, tuple[bytes, ...]]:
    """As build_block, with the block's execution requests as the Engine API lists them (EIP-7685).

    parts: what the machine is made of, beside py-evm. run_class: what the block is executed by. Raises
    UnbuildableBlockError if a transaction may not be included, or is none.
    """
    parent_rlp = reader.get("headers", parent_hash)
    assert parent_rlp is not None, "the parent is in the database"
    parent = decode_header(parent_rlp)
    fork = config.fork(parent.number + 1, plan.timestamp, paris=True)
    machine = machine_class(config, fork, parts)
    block_class = machine.get_block_class()
    draft_fields: dict[str, Any] = {
        "timestamp": plan.timestamp,
        "gas_limit": parent.gas_limit,
        "coinbase": plan.coinbase,
        "extra_data": plan.extra_data,
        "mix_hash": plan.random,
    }
    if "parent_beacon_block_root" in _header_names(block_class):
        draft_fields["parent_beacon_block_root"] = plan.parent_beacon_block_root
    run = run_class(config, fork, b"", parent_hash, reader, parts=parts)
    transactions: list[Any] = []
    try:
        for encoded in plan.transactions:
            transactions.append(block_class.get_transaction_builder().decode(encoded))
    except UNDECODABLE as error:
        raise _unbuildable(parent.number + 1, error, len(transactions)) from error
    try:
        draft = block_class(
            header=machine.create_header_from_parent(run.parent, **draft_fields),
            transactions=transactions,
            uncles=[],
            **_withdrawals(block_class, plan),
        )
        return bytes(rlp.encode(run.compute(draft))), run.requests
    except UNDECODABLE as error:
        raise _unbuildable(parent.number + 1, error, run.transaction_under_way) from error


def _unbuildable(number: int, error: Exception, transaction: int | None) -> UnbuildableBlockError:
    reason = one_line(error)
    return UnbuildableBlockError(f"block {number} cannot be built so: {reason}", transaction, reason)


def _header_names(block_class: Any) -> Any:
    return block_class._meta.fields[0][1]._meta.field_names


def _withdrawals(block_class: Any, plan: BlockPlan) -> dict[str, Any]:
    """The part of a block that comes with Shanghai (EIP-4895)."""
    if "withdrawals" not in block_class._meta.field_names:
        return {}
    return {"withdrawals": [_withdrawal(block_class, entry) for entry in plan.withdrawals]}


def _withdrawal(block_class: Any, entry: tuple[int, int, bytes, int]) -> Any:
    withdrawal_class = dict(block_class._meta.fields)["withdrawals"].element_sedes
    index, validator, address, amount = entry
    return withdrawal_class(index=index, validator_index=validator, address=address, amount=amount)


def address_of(name: str) -> bytes:
    """An address that nobody has the key of: the last 20 bytes of the name's hash."""
    return keccak256(name.encode())[-20:]
