"""Computed results as the JSON of the witness file's `expected` section (docs/witness-format.md), and back."""

import json
from typing import Any

from verifier.domain.result import Computed, Receipt

FIELDS = {
    "logs_bloom": "logsBloom",
    "gas_used": "gasUsed",
    "transactions_root": "transactionsRoot",
    "state_root": "stateRoot",
    "receipts_root": "receiptsRoot",
    "blob_gas_used": "blobGasUsed",
    "withdrawals_root": "withdrawalsRoot",
    "requests_hash": "requestsHash",
}


def _encoded(value: bytes | int) -> str:
    return hex(value) if isinstance(value, int) else f"0x{value.hex()}"


def _dumped(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def encode_results(results: Computed) -> bytes:
    """Canonical JSON: sorted keys, no white space."""
    document: dict[str, Any] = {
        "receipts": [_encode_receipt(receipt) for receipt in results.receipts],
    }
    for attribute, key in FIELDS.items():
        value = getattr(results, attribute)
        if value is not None:
            document[key] = _encoded(value)
    return _dumped(document)


def encode_invalid(reason: str) -> bytes:
    """The same for a block that breaks a rule."""
    return _dumped({"invalid": reason})


def _encode_receipt(receipt: Receipt) -> dict[str, str]:
    document = {
        "cumulativeGasUsed": _encoded(receipt.cumulative_gas_used),
        "logsHash": _encoded(receipt.logs_hash),
    }
    if receipt.succeeded is not None:
        document["status"] = _encoded(int(receipt.succeeded))
    if receipt.post_state is not None:
        document["postState"] = _encoded(receipt.post_state)
    return document
