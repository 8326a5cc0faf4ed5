"""Blocks as the Engine API's payloads: what `engine_newPayload` is called with (execution-apis, `engine/`)."""

from typing import Any

from witness.header import block_header_rlp, decode_header
from witness.rlp_item import list_items

BLOB_TRANSACTION = 3  # EIP-4844
BLOB_HASHES_INDEX = 10  # in the fields of a blob transaction
WITHDRAWAL_FIELDS = ("index", "validatorIndex", "address", "amount")


def payload_of(block: bytes) -> dict[str, Any]:
    """The ExecutionPayload of a block's RLP, of whichever version has the block's fields. Raises EncodingError."""
    header = decode_header(block_header_rlp(block))
    parts = list_items(block)
    payload: dict[str, Any] = {
        "parentHash": _data(header.parent_hash),
        "feeRecipient": _data(header.coinbase),
        "stateRoot": _data(header.state_root),
        "receiptsRoot": _data(header.receipts_root),
        "logsBloom": _data(header.logs_bloom),
        "prevRandao": _data(header.mix_hash),
        "blockNumber": hex(header.number),
        "gasLimit": hex(header.gas_limit),
        "gasUsed": hex(header.gas_used),
        "timestamp": hex(header.timestamp),
        "extraData": _data(header.extra_data),
        "baseFeePerGas": hex(header.base_fee or 0),
        "blockHash": _data(header.hash),
        "transactions": [_data(each) for each in transactions_of(block)],
    }
    if len(parts) > 3:
        _, start, _, stop = parts[3]
        withdrawals = block[start:stop]
        payload["withdrawals"] = [_withdrawal(withdrawals[at:end]) for _, at, _, end in list_items(withdrawals)]
    if header.blob_gas_used is not None:
        payload["blobGasUsed"] = hex(header.blob_gas_used)
        payload["excessBlobGas"] = hex(header.excess_blob_gas or 0)
    return payload


def new_payload(block: bytes, requests: tuple[bytes, ...] = ()) -> tuple[str, list[Any]]:
    """Method and parameters of the newPayload call for a block, Paris to Osaka. Raises EncodingError.

    requests: the block's execution requests, type byte first (EIP-7685).
    """
    header = decode_header(block_header_rlp(block))
    parameters: list[Any] = [payload_of(block)]
    if header.parent_beacon_block_root is None:
        return f"engine_newPayloadV{1 if header.withdrawals_root is None else 2}", parameters
    hashes = [_data(each) for transaction in transactions_of(block) for each in blob_hashes(transaction)]
    parameters += [hashes, _data(header.parent_beacon_block_root)]
    if header.requests_hash is None:
        return "engine_newPayloadV3", parameters
    return "engine_newPayloadV4", [*parameters, [_data(each) for each in requests]]


def blob_hashes(transaction: bytes) -> list[bytes]:
    """The versioned hashes of a transaction's blobs; none but for blob transactions. Raises EncodingError."""
    if transaction[:1] != bytes([BLOB_TRANSACTION]):
        return []
    fields = transaction[1:]
    _, start, _, stop = list_items(fields)[BLOB_HASHES_INDEX]
    hashes = fields[start:stop]
    return [hashes[at:end] for _, _, at, end in list_items(hashes)]


def transactions_of(block: bytes) -> list[bytes]:
    """Each transaction's encoding (EIP-2718): a typed one stands in the block as a string around it."""
    _, start, _, stop = list_items(block)[1]
    listed = block[start:stop]
    return [listed[outer if nested else inner : end] for nested, outer, inner, end in list_items(listed)]


def _withdrawal(encoded: bytes) -> dict[str, str]:
    values = [encoded[at:end] for _, _, at, end in list_items(encoded)]
    fields = dict(zip(WITHDRAWAL_FIELDS, values, strict=True))
    return {
        name: _data(value) if name == "address" else hex(int.from_bytes(value, "big")) for name, value in fields.items()
    }


def _data(value: bytes) -> str:
    return f"0x{value.hex()}"
