"""Headers out of RLP, bound to their hash."""

from typing import Any

from sha3 import keccak_256

from .errors import EncodingError
from .model import Header, Octets
from .rlp_item import list_items

HASH_LENGTH = 32
BLOOM_LENGTH = 256
ADDRESS_LENGTH = 20
NONCE_LENGTH = 8
QUANTITY = 0  # a big-endian integer without leading zeros, of any length
ANY_LENGTH = -1

# In the order of the encoding; the first 15 are always there. Amounts up to base_fee are bounded by their types in the
# specification (U64, Uint); a longer integer still decodes, and the clients then refuse it.
FIELDS: tuple[tuple[str, int], ...] = (
    ("parent_hash", HASH_LENGTH),
    ("uncles_hash", HASH_LENGTH),
    ("coinbase", ADDRESS_LENGTH),
    ("state_root", HASH_LENGTH),
    ("transactions_root", HASH_LENGTH),
    ("receipts_root", HASH_LENGTH),
    ("logs_bloom", BLOOM_LENGTH),
    ("difficulty", QUANTITY),
    ("number", QUANTITY),
    ("gas_limit", QUANTITY),
    ("gas_used", QUANTITY),
    ("timestamp", QUANTITY),
    ("extra_data", ANY_LENGTH),
    ("mix_hash", HASH_LENGTH),
    ("nonce", NONCE_LENGTH),
    ("base_fee", QUANTITY),
    ("withdrawals_root", HASH_LENGTH),
    ("blob_gas_used", QUANTITY),
    ("excess_blob_gas", QUANTITY),
    ("parent_beacon_block_root", HASH_LENGTH),
    ("requests_hash", HASH_LENGTH),
    ("block_access_list_hash", HASH_LENGTH),
    ("slot_number", QUANTITY),
)
REQUIRED_FIELDS = 15


def keccak256(data: Octets) -> bytes:
    """keccak-256 of `data`, 32 bytes."""
    digest: bytes = keccak_256(data).digest()
    return digest


def decode_header(encoded: Octets) -> Header:
    """The header whose RLP is `encoded`.

    Raises EncodingError if it is not a list of at least 15 strings of the right lengths.
    """
    items = list_items(encoded)
    if len(items) < REQUIRED_FIELDS:
        raise EncodingError(f"header has {len(items)} fields, at least {REQUIRED_FIELDS} expected")
    values: dict[str, Any] = {}
    for (name, length), (nested, _, start, stop) in zip(FIELDS, items, strict=False):
        if nested:
            raise EncodingError(f"header field {name} is a list")
        value = bytes(encoded[start:stop])
        if length == QUANTITY:
            if value[:1] == b"\0":
                raise EncodingError(f"header field {name} has leading zeros")
            values[name] = int.from_bytes(value, "big")
            continue
        if length not in (ANY_LENGTH, len(value)):
            raise EncodingError(f"header field {name} has {len(value)} bytes, {length} expected")
        values[name] = value
    return Header(hash=keccak256(encoded), unknown_fields=max(0, len(items) - len(FIELDS)), **values)


def block_header_rlp(block: Octets) -> Octets:
    """The header's own RLP within a block's RLP, as a slice of it.

    Raises EncodingError if `block` is not a list that starts with a list.
    """
    items = list_items(block)
    if not items or not items[0][0]:
        raise EncodingError("block does not start with a header")
    _, start, _, stop = items[0]
    return block[start:stop]


def decode_block_header(block: Octets) -> Header:
    """The header of a block's RLP. Raises EncodingError."""
    return decode_header(block_header_rlp(block))
