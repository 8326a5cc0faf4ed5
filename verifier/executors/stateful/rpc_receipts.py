"""The transactions of a block as an execution client tells of them: receipts, and where each one's code was."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from verifier.domain.result import Receipt
from witness.errors import WitnessError
from witness.formats.json_field import as_list, as_object, as_octets, as_octets_list, as_quantity
from witness.header import HASH_LENGTH, keccak256
from witness.rlp_encoding import Item, encode_item

from .call_frames import Frame
from .errors import ExecutionClientError

ADDRESS_LENGTH = 20


@dataclass(frozen=True, slots=True)
class ExecutedTransaction:
    """A transaction as its block's client executed it. hash: 32 bytes. gas_used: gas. outermost: its own call."""

    hash: bytes
    receipt: Receipt
    gas_used: int
    outermost: Frame


def executed_transactions(receipts: Any, block: Any) -> tuple[ExecutedTransaction, ...]:
    """From what eth_getBlockReceipts and eth_getBlockByHash (with transactions) give. Raises ExecutionClientError."""
    try:
        listed = as_list(as_object(block, "block").get("transactions"), "transactions")
        told = as_list(receipts, "receipts")
        if len(listed) != len(told):
            raise ExecutionClientError(f"eth_getBlockReceipts: {len(told)} receipts of {len(listed)} transactions")
        before, executed = 0, []
        for transaction, receipt in zip(listed, told, strict=True):
            each = _transaction(as_object(transaction, "transaction"), as_object(receipt, "receipt"), before)
            before = each.receipt.cumulative_gas_used
            executed.append(each)
    except WitnessError as error:
        raise ExecutionClientError(f"eth_getBlockReceipts: {error!s:.300}") from None
    return tuple(executed)


def receipts_of(transactions: Sequence[ExecutedTransaction]) -> tuple[Receipt, ...]:
    """Their receipts, in order."""
    return tuple(each.receipt for each in transactions)


def _transaction(transaction: dict[str, Any], receipt: dict[str, Any], before: int) -> ExecutedTransaction:
    hash_ = as_octets(receipt.get("transactionHash"), "transactionHash", HASH_LENGTH)
    if as_octets(transaction.get("hash"), "hash", HASH_LENGTH) != hash_:
        raise ExecutionClientError("eth_getBlockReceipts: the receipts are of other transactions")
    cumulative = as_quantity(receipt.get("cumulativeGasUsed"), "cumulativeGasUsed")
    status, root = receipt.get("status"), receipt.get("root")
    told = Receipt(
        cumulative_gas_used=cumulative,
        logs_hash=_logs_hash(receipt.get("logs")),
        succeeded=None if status is None else as_quantity(status, "status") == 1,
        post_state=as_octets(root, "root", HASH_LENGTH) if status is None and root is not None else None,
    )
    to = transaction.get("to")
    if to is not None:
        address = as_octets(to, "to", ADDRESS_LENGTH)
        return ExecutedTransaction(hash_, told, cumulative - before, Frame(address, address))
    created = as_octets(receipt.get("contractAddress"), "contractAddress", ADDRESS_LENGTH)
    length = len(as_octets(transaction.get("input"), "input"))
    return ExecutedTransaction(hash_, told, cumulative - before, Frame(created, b"", length))


def _logs_hash(logs: Any) -> bytes:
    """As adapters/CONTRACT.md has it: of the RLP list of [address, [topics], data]."""
    entries: list[Item] = []
    for each in as_list(logs, "logs"):
        log = as_object(each, "log")
        address = as_octets(log.get("address"), "address", ADDRESS_LENGTH)
        topics: list[Item] = list(as_octets_list(log.get("topics"), "topics"))
        entries.append([address, topics, as_octets(log.get("data"), "data")])
    return keccak256(encode_item(entries))
