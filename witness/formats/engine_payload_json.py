"""A block's RLP as the parameters of `engine_newPayload`: the payload object, and what newer forks pass beside it.

Source: execution-apis, `engine/{paris,shanghai,cancun,prague,amsterdam}.md`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import EncodingError, WitnessFormatError
from ..header import FIELDS, block_header_rlp, decode_header, keccak256
from ..model import Header, Octets
from ..rlp_item import list_items
from .json_field import Document, hex_octets, hex_quantity

NO_UNCLES = bytes.fromhex("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347")  # keccak(rlp([]))
BLOB_TRANSACTION = 3  # EIP-4844
BLOB_HASHES_FIELD = 10  # of a blob transaction: blob_versioned_hashes
WITHDRAWAL_FIELDS = ("index", "validatorIndex", "address", "amount")  # EIP-4895, in the order of the RLP
SLOT_NUMBER_FIELD = len(FIELDS)  # EIP-7843: the header field behind the block access list's hash


@dataclass(frozen=True, slots=True)
class PayloadParameters:
    """How a block is handed over. version: of newPayload (1 Paris … 5 Amsterdam). further: what follows the payload."""

    version: int
    payload: Document
    further: tuple[Any, ...] = ()


def payload_parameters(
    block: Octets, requests: Sequence[bytes] | None = None, access_list: Octets | None = None
) -> PayloadParameters:
    """The parameters for the block with this RLP.

    requests: the execution requests (EIP-7685), type byte first; None where they are not known, since a block holds
    only their hash: an empty list then stands for them. access_list: RLP of the block access list (EIP-7928), which a
    block does not hold either. Raises WitnessFormatError for a block before Paris, one of Amsterdam without its access
    list, requests or an access list that are not the block's, and what is no block.
    """
    try:
        header = decode_header(block_header_rlp(block))
        _, transactions, uncles, *rest = (block[at:stop] for _, at, _, stop in list_items(block))
        payload = _payload(header, transactions)
        if header.uncles_hash != NO_UNCLES or header.difficulty or any(header.nonce) or list_items(uncles):
            raise WitnessFormatError("a block before Paris, which no payload can express")
        version, further = 1, tuple[Any, ...]()
        if header.withdrawals_root is not None:
            version = 2
            payload["withdrawals"] = [_withdrawal(each) for each in _elements(rest[0])]
        if header.parent_beacon_block_root is not None:
            version = 3
            payload["blobGasUsed"] = hex_quantity(header.blob_gas_used or 0)
            payload["excessBlobGas"] = hex_quantity(header.excess_blob_gas or 0)
            further = (_blob_hashes(transactions), hex_octets(header.parent_beacon_block_root))
        if header.requests_hash is not None:
            version = 4
            further = (*further, _requests(header, requests))
        if header.block_access_list_hash is not None:
            version = 5
            payload |= _amsterdam(header, block, access_list)
    except (EncodingError, ValueError, IndexError) as error:
        raise WitnessFormatError(f"not a block: {error}") from None
    return PayloadParameters(version, payload, further)


def requests_hash(requests: Sequence[bytes]) -> bytes:
    """The header's `requests_hash`, 32 bytes. Source: EIP-7685; requests without data do not count."""
    digests = (hashlib.sha256(each).digest() for each in requests if len(each) > 1)
    return hashlib.sha256(b"".join(digests)).digest()


def _payload(header: Header, transactions: Octets) -> Document:
    return {
        "parentHash": hex_octets(header.parent_hash),
        "feeRecipient": hex_octets(header.coinbase),
        "stateRoot": hex_octets(header.state_root),
        "receiptsRoot": hex_octets(header.receipts_root),
        "logsBloom": hex_octets(header.logs_bloom),
        "prevRandao": hex_octets(header.mix_hash),
        "blockNumber": hex_quantity(header.number),
        "gasLimit": hex_quantity(header.gas_limit),
        "gasUsed": hex_quantity(header.gas_used),
        "timestamp": hex_quantity(header.timestamp),
        "extraData": hex_octets(header.extra_data),
        "baseFeePerGas": hex_quantity(header.base_fee or 0),
        "blockHash": hex_octets(header.hash),
        "transactions": [hex_octets(each) for each in _transactions(transactions)],
    }


def _elements(encoded: Octets) -> list[Octets]:
    return [encoded[at:stop] for _, at, _, stop in list_items(encoded)]


def _transactions(encoded: Octets) -> list[Octets]:
    """Each as EIP-2718 has it: the bytes of a typed one, the RLP of one without a type."""
    return [encoded[at if nested else start : stop] for nested, at, start, stop in list_items(encoded)]


def _blob_hashes(transactions: Octets) -> list[str]:
    hashes: list[str] = []
    for transaction in _transactions(transactions):
        if transaction[:1] != bytes([BLOB_TRANSACTION]):
            continue
        fields = list_items(transaction[1:])
        _, at, _, stop = fields[BLOB_HASHES_FIELD]
        listed = transaction[1:][at:stop]
        hashes += [hex_octets(listed[start:end]) for _, _, start, end in list_items(listed)]
    return hashes


def _withdrawal(encoded: Octets) -> Document:
    values = [bytes(encoded[start:stop]) for _, _, start, stop in list_items(encoded)]
    named = dict(zip(WITHDRAWAL_FIELDS, values, strict=True))
    return {
        name: hex_octets(value) if name == "address" else hex_quantity(int.from_bytes(value, "big"))
        for name, value in named.items()
    }


def _requests(header: Header, requests: Sequence[bytes] | None) -> list[str]:
    if requests is None:
        return []
    if requests_hash(requests) != header.requests_hash:
        raise WitnessFormatError("the execution requests do not have the header's requests hash")
    return [hex_octets(each) for each in requests if len(each) > 1]


def _amsterdam(header: Header, block: Octets, access_list: Octets | None) -> Document:
    if access_list is None:
        raise WitnessFormatError("a payload of Amsterdam needs the block access list, which a block does not hold")
    if keccak256(access_list) != header.block_access_list_hash:
        raise WitnessFormatError("the block access list does not have the header's hash")
    encoded = block_header_rlp(block)
    items = list_items(encoded)
    if len(items) <= SLOT_NUMBER_FIELD:
        raise WitnessFormatError("the header has a block access list's hash and no slot number")
    _, _, start, stop = items[SLOT_NUMBER_FIELD]
    slot = int.from_bytes(bytes(encoded[start:stop]), "big")
    return {"blockAccessList": hex_octets(access_list), "slotNumber": hex_quantity(slot)}
