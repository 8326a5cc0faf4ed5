"""Header objects of the Ethereum JSON-RPC, to RLP and back (execution-apis, schema `Block`)."""

from ..errors import EncodingError, WitnessFormatError
from ..header import ANY_LENGTH, FIELDS, QUANTITY, REQUIRED_FIELDS, keccak256
from ..model import Octets
from ..rlp_encoding import Item, encode_integer, encode_item
from ..rlp_item import list_items
from .json_field import Document, as_octets, as_quantity, first_present, hex_octets, hex_quantity

# For each field of a header's RLP, its names in JSON; the first is the one we write.
NAMES: dict[str, tuple[str, ...]] = {
    "parent_hash": ("parentHash",),
    "uncles_hash": ("sha3Uncles", "uncleHash", "ommersHash"),
    "coinbase": ("miner", "coinbase", "author", "beneficiary"),
    "state_root": ("stateRoot",),
    "transactions_root": ("transactionsRoot", "transactionsTrie"),
    "receipts_root": ("receiptsRoot", "receiptTrie"),
    "logs_bloom": ("logsBloom", "bloom"),
    "difficulty": ("difficulty",),
    "number": ("number",),
    "gas_limit": ("gasLimit",),
    "gas_used": ("gasUsed",),
    "timestamp": ("timestamp",),
    "extra_data": ("extraData",),
    "mix_hash": ("mixHash", "prevRandao"),
    "nonce": ("nonce",),
    "base_fee": ("baseFeePerGas",),
    "withdrawals_root": ("withdrawalsRoot",),
    "blob_gas_used": ("blobGasUsed",),
    "excess_blob_gas": ("excessBlobGas",),
    "parent_beacon_block_root": ("parentBeaconBlockRoot",),
    "requests_hash": ("requestsHash",),
    "block_access_list_hash": ("blockAccessListHash",),
    "slot_number": ("slotNumber",),
}


def header_from_object(document: Document, name: str = "header") -> bytes:
    """The RLP of a header object; other fields, such as a block's `transactions`, are passed over.

    Raises WitnessFormatError, also if the object states a `hash` and the RLP has another: a field is wrong then, or of
    a fork that this version does not know.
    """
    values: list[Item] = []
    missing = ""
    for index, (field, length) in enumerate(FIELDS):
        value = first_present(document, NAMES[field])
        label = f"{name}.{NAMES[field][0]}"
        if value is None:
            if index < REQUIRED_FIELDS:
                raise WitnessFormatError(f"{label} is missing")
            missing = missing or label
            continue
        if missing:
            raise WitnessFormatError(f"{missing} is missing, but {label} is there")
        if length == QUANTITY:
            values.append(encode_integer(as_quantity(value, label)))
        else:
            values.append(as_octets(value, label, None if length == ANY_LENGTH else length))
    encoded = encode_item(values)
    stated = document.get("hash")
    if stated is not None and as_octets(stated, f"{name}.hash") != keccak256(encoded):
        raise WitnessFormatError(f"{name} states hash {stated}, its fields give {hex_octets(keccak256(encoded))}")
    return encoded


def header_to_object(encoded: Octets) -> Document:
    """The header object of a header's RLP, `hash` included.

    Raises WitnessFormatError if it is not a header, or has fields that this version does not know.
    """
    try:
        items = list_items(encoded)
    except EncodingError as error:
        raise WitnessFormatError(f"header: {error}") from None
    if not REQUIRED_FIELDS <= len(items) <= len(FIELDS):
        raise WitnessFormatError(f"header with {len(items)} fields cannot be written as an object")
    document: Document = {}
    for (field, length), (nested, _, start, stop) in zip(FIELDS, items, strict=False):
        if nested:
            raise WitnessFormatError(f"header field {field} is a list")
        value = encoded[start:stop]
        quantity = length == QUANTITY
        document[NAMES[field][0]] = hex_quantity(int.from_bytes(value, "big")) if quantity else hex_octets(value)
    document["hash"] = hex_octets(keccak256(encoded))
    return document
