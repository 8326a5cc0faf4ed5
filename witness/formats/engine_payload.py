"""Parameters of `engine_newPayloadV1` to `V5` to the RLP of a block, and back (execution-apis, `engine/*.md`).

The header has fields that the payload only implies: the roots of its lists, and the constants that hold since the
merge. So a block is what the caller meant only if its hash is the one that the payload states, and if the blob hashes
that stand beside the payload are those of its transactions: no field of the header holds them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from ..errors import EncodingError, WitnessFormatError
from ..header import ADDRESS_LENGTH, BLOOM_LENGTH, HASH_LENGTH, NONCE_LENGTH, decode_block_header, keccak256
from ..model import Header, Octets
from ..rlp_encoding import encode_integer, encode_item, encode_list, encode_string
from ..rlp_item import item_span, list_items
from ..trie import list_root
from .json_field import Document, as_list, as_object, as_octets, as_octets_list, as_quantity, hex_octets, hex_quantity

VERSIONS = range(1, 6)
CANCUN, PRAGUE, AMSTERDAM = 3, 4, 5  # the versions of newPayload that came with these forks; V2 came with Shanghai
PARAMETERS = {1: 1, 2: 1, CANCUN: 3, PRAGUE: 4, AMSTERDAM: 4}  # version → how many there are
BLOB_HASHES, BEACON_ROOT, REQUESTS = 1, 2, 3  # positions among them; the payload comes first
# Fields of the payload that only some versions have, and the first and last of these; V2 takes payloads of V1 too.
WITHDRAWALS = "withdrawals"
LATER_FIELDS = {WITHDRAWALS: 2, "blobGasUsed": CANCUN, "excessBlobGas": CANCUN, "blockAccessList": AMSTERDAM}
SLOT_NUMBER = "slotNumber"  # EIP-7843; drafts of V5 before it lack the field
EMPTY_UNCLES_HASH = keccak256(b"\xc0")
RLP_LIST = 0xC0  # a transaction that starts below is typed (EIP-2718): a string within the block's list
QUANTITY_BITS = 64  # of every quantity of the payload but the base fee
BLOB_TRANSACTION, BLOB_HASHES_ITEM = 3, 10  # EIP-4844: its type, and where in it the hashes stand


@dataclass(frozen=True, slots=True)
class EnginePayload:
    """One call of newPayload. block: RLP. stated_hash: the payload's `blockHash`, 32 bytes. transactions: how many.

    blob_hashes_agree: the hashes beside the payload are those of its transactions (all true before Cancun). A client
    must answer INVALID where they are not (cancun.md, "engine_newPayloadV3"), which says nothing about the block.
    """

    version: int
    block: bytes
    header: Header
    stated_hash: bytes
    transactions: int
    blob_hashes_agree: bool

    @property
    def misfit(self) -> str:
        """Why an answer to this call is no statement about `block`, one line; "" if it is one."""
        if self.stated_hash != self.header.hash:
            return f"blockHash is not the payload's, which is {hex_octets(self.header.hash)}"
        if not self.blob_hashes_agree:
            return "expectedBlobVersionedHashes are not those of the payload's transactions"
        return ""


def requests_hash(requests: Sequence[Octets]) -> bytes:
    """EIP-7685: over the requests as the Engine API gives them (type byte first, empty ones left out). 32 bytes."""
    return sha256(b"".join(sha256(request).digest() for request in requests)).digest()


def decode_engine_payload(version: int, parameters: object) -> EnginePayload:
    """The block that a call of engine_newPayloadV`version` means. Raises WitnessFormatError.

    Strict: exactly the parameters and the fields of that version, each of its type. Fields that no version has are
    passed over: the block's hash tells whether something was.
    """
    if version not in VERSIONS:
        raise WitnessFormatError(f"engine_newPayloadV{version} is not known")
    values = _given(parameters, "params")
    if len(values) != PARAMETERS[version]:
        raise WitnessFormatError(f"params: {len(values)} given, V{version} has {PARAMETERS[version]}")
    payload = as_object(values[0], "payload")
    for name, first in LATER_FIELDS.items():
        present = payload.get(name) is not None
        if present and version < first:
            raise WitnessFormatError(f"{name} is given, V{version} has no such field")
        if not present and version >= first and not (name == WITHDRAWALS and version == first):
            raise WitnessFormatError(f"{name} is missing")
    if version < AMSTERDAM and payload.get(SLOT_NUMBER) is not None:
        raise WitnessFormatError(f"{SLOT_NUMBER} is given, V{version} has no such field")
    transactions = _transactions(payload.get("transactions"))
    block = _encode(version, payload, values, transactions)
    agree = version < CANCUN or _octets_of(values[BLOB_HASHES], "expectedBlobVersionedHashes", HASH_LENGTH) == [
        hash_ for transaction in transactions for hash_ in blob_hashes(transaction)
    ]
    try:
        header = decode_block_header(block)
    except EncodingError as error:  # cannot be: every field has its length
        raise WitnessFormatError(f"payload: {error}") from None
    stated = as_octets(payload.get("blockHash"), "blockHash", HASH_LENGTH)
    return EnginePayload(version, block, header, stated, len(transactions), agree)


def blob_hashes(transaction: Octets) -> list[bytes]:
    """The versioned hashes of the blobs that a transaction carries; none if it is of another type, or malformed."""
    if not transaction or transaction[0] != BLOB_TRANSACTION:
        return []
    try:
        fields = list_items(transaction[1:])
        _, at, _, stop = fields[BLOB_HASHES_ITEM]
        listed = transaction[1 + at : 1 + stop]
        return [bytes(listed[first:last]) for _, _, first, last in list_items(listed)]
    except (EncodingError, IndexError):
        return []


def _encode(version: int, payload: Document, parameters: list[Any], transactions: list[bytes]) -> bytes:
    def word(name: str, length: int | None = HASH_LENGTH) -> bytes:
        return as_octets(payload.get(name), name, length)

    def number(name: str, bits: int = QUANTITY_BITS) -> bytes:
        return _number(payload.get(name), name, bits)

    fields = [
        *(word("parentHash"), EMPTY_UNCLES_HASH, word("feeRecipient", ADDRESS_LENGTH), word("stateRoot")),
        *(list_root(transactions), word("receiptsRoot"), word("logsBloom", BLOOM_LENGTH), encode_integer(0)),
        *(number("blockNumber"), number("gasLimit"), number("gasUsed"), number("timestamp"), word("extraData", None)),
        *(word("prevRandao"), bytes(NONCE_LENGTH), number("baseFeePerGas", 256)),
    ]
    body = [encode_list(b"".join(each if each[0] >= RLP_LIST else encode_string(each) for each in transactions))]
    body.append(encode_list(b""))
    if payload.get(WITHDRAWALS) is not None:
        withdrawals = [_withdrawal(each, index) for index, each in enumerate(_given(payload[WITHDRAWALS], WITHDRAWALS))]
        fields.append(list_root(withdrawals))
        body.append(encode_list(b"".join(withdrawals)))
    if version >= CANCUN:
        fields += [number("blobGasUsed"), number("excessBlobGas")]
        fields.append(as_octets(parameters[BEACON_ROOT], "parentBeaconBlockRoot", HASH_LENGTH))
    if version >= PRAGUE:
        fields.append(requests_hash(_octets_of(parameters[REQUESTS], "executionRequests")))
    if version >= AMSTERDAM:
        fields.append(keccak256(word("blockAccessList", None)))
        if payload.get(SLOT_NUMBER) is not None:
            fields.append(number(SLOT_NUMBER))
    return encode_list(encode_item([*fields]) + b"".join(body))


def _transactions(value: object) -> list[bytes]:
    transactions = _octets_of(value, "transactions")
    for index, each in enumerate(transactions):
        if not each:
            raise WitnessFormatError(f"transactions[{index}] is empty")
        if each[0] < RLP_LIST:
            continue
        try:
            _, _, end = item_span(each, 0, len(each))
        except EncodingError as error:
            raise WitnessFormatError(f"transactions[{index}]: {error}") from None
        if end != len(each):  # what follows would become a transaction of its own within the block
            raise WitnessFormatError(f"transactions[{index}]: {len(each) - end} bytes after its end")
    return transactions


def _withdrawal(value: object, index: int) -> bytes:
    where = f"withdrawals[{index}]"
    entry = as_object(value, where)
    return encode_item(
        [
            _number(entry.get("index"), f"{where}.index"),
            _number(entry.get("validatorIndex"), f"{where}.validatorIndex"),
            as_octets(entry.get("address"), f"{where}.address", ADDRESS_LENGTH),
            _number(entry.get("amount"), f"{where}.amount"),  # gwei
        ]
    )


def _number(value: object, name: str, bits: int = QUANTITY_BITS) -> bytes:
    if not isinstance(value, str):
        raise WitnessFormatError(f"{name} is not a 0x… quantity")
    number = as_quantity(value, name)
    if number.bit_length() > bits:
        raise WitnessFormatError(f"{name} has more than {bits} bits")
    return encode_integer(number)


def _given(value: object, name: str) -> list[Any]:
    if value is None:
        raise WitnessFormatError(f"{name} is missing")
    return as_list(value, name)


def _octets_of(value: object, name: str, length: int | None = None) -> list[bytes]:
    octets = as_octets_list(_given(value, name), name)
    if length is not None and any(len(each) != length for each in octets):
        raise WitnessFormatError(f"{name}: each has {length} bytes")
    return octets


def engine_parameters(
    block: Octets, requests: Sequence[Octets] | None = (), block_access_list: Octets | None = None
) -> tuple[int, list[Any]]:
    """The version of newPayload that a block of Paris or later needs, and its parameters.

    requests: from Prague on, which the block itself does not hold; None where they are not known, then none are given,
    and the payload is not one that newPayload accepts. block_access_list: from Amsterdam on, which the block does not
    hold either. Raises WitnessFormatError, also if any of these or the body are not those of the header.
    """
    try:
        header = decode_block_header(block)
        parts = [block[at:stop] for _, at, _, stop in list_items(block)]
        listed = [parts[1][start if not nested else at : stop] for nested, at, start, stop in list_items(parts[1])]
        uncles = parts[2]
        withdrawals = [_fields(parts[3], each) for each in list_items(parts[3])] if len(parts) > 3 else None
    except (EncodingError, IndexError, ValueError) as error:
        raise WitnessFormatError(f"block: {error}") from None
    if header.base_fee is None or header.difficulty:
        raise WitnessFormatError("the block is of a fork before Paris")
    payload: Document = {
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
        "baseFeePerGas": hex_quantity(header.base_fee),
        "blockHash": hex_octets(header.hash),
        "transactions": [hex_octets(each) for each in listed],
    }
    version = 1
    parameters: list[Any] = [payload]
    if withdrawals is not None:
        version = 2
        payload[WITHDRAWALS] = [
            {
                "index": hex_quantity(int.from_bytes(index, "big")),
                "validatorIndex": hex_quantity(int.from_bytes(validator, "big")),
                "address": hex_octets(address),
                "amount": hex_quantity(int.from_bytes(amount, "big")),
            }
            for index, validator, address, amount in withdrawals
        ]
    if header.parent_beacon_block_root is not None:
        version = CANCUN
        payload["blobGasUsed"] = hex_quantity(header.blob_gas_used or 0)
        payload["excessBlobGas"] = hex_quantity(header.excess_blob_gas or 0)
        hashes = [hex_octets(hash_) for each in listed for hash_ in blob_hashes(each)]
        parameters += [hashes, hex_octets(header.parent_beacon_block_root)]
    if header.requests_hash is not None:
        version = PRAGUE
        parameters.append([hex_octets(each) for each in requests or ()])
    if header.block_access_list_hash is not None:
        version = AMSTERDAM
        if block_access_list is None:
            raise WitnessFormatError("a payload of Amsterdam needs the block access list, which a block does not hold")
        payload["blockAccessList"] = hex_octets(block_access_list)
        if header.slot_number is not None:
            payload[SLOT_NUMBER] = hex_quantity(header.slot_number)
    meant = decode_engine_payload(version, parameters).header
    if requests is None:
        meant = replace(meant, hash=header.hash, requests_hash=header.requests_hash)
    if meant != header or uncles != encode_list(b""):
        raise WitnessFormatError("requests, block access list or body: not those that the header is of")
    return version, parameters


def _fields(within: Octets, item: tuple[bool, int, int, int]) -> tuple[Octets, Octets, Octets, Octets]:
    _, at, _, stop = item
    encoded = within[at:stop]
    index, validator, address, amount = (encoded[start:end] for _, _, start, end in list_items(encoded))
    return index, validator, address, amount
