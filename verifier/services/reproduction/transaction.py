"""One transaction out of a block's RLP: its fields as state tests name them, and its sender.

Sources: yellow paper 4.2, EIP-155, EIP-2930, EIP-1559, EIP-4844, EIP-7702.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from coincurve import PublicKey

from witness.errors import EncodingError
from witness.header import ADDRESS_LENGTH, HASH_LENGTH, keccak256
from witness.rlp_encoding import Item, encode_integer, encode_item
from witness.rlp_item import list_items

ACCESS_LIST, DYNAMIC_FEE, BLOB, SET_CODE = 1, 2, 3, 4
LEGACY = ("nonce", "gas_price", "gas", "to", "value", "data", "v", "r", "s")
FIELDS: dict[int, tuple[str, ...]] = {
    ACCESS_LIST: ("chain_id", "nonce", "gas_price", "gas", "to", "value", "data", "access_list", "v", "r", "s"),
    DYNAMIC_FEE: (
        *("chain_id", "nonce", "priority", "fee", "gas", "to", "value", "data", "access_list", "v", "r", "s"),
    ),
    BLOB: (
        *("chain_id", "nonce", "priority", "fee", "gas", "to", "value", "data", "access_list", "blob_fee", "blobs"),
        *("v", "r", "s"),
    ),
    SET_CODE: (
        *("chain_id", "nonce", "priority", "fee", "gas", "to", "value", "data", "access_list", "authorizations"),
        *("v", "r", "s"),
    ),
}
QUANTITIES = ("chain_id", "nonce", "gas_price", "priority", "fee", "gas", "value", "blob_fee", "v", "r", "s")
LARGEST = (1 << 256) - 1


@dataclass(frozen=True, slots=True)
class Transaction:
    """kind: its type, 0 for a legacy one. fields: quantities as integers, lists as nested lists of bytes.

    hash: 32 bytes. sender: 20 bytes.
    """

    kind: int
    fields: dict[str, Any]
    hash: bytes
    sender: bytes

    @property
    def blobs(self) -> int:
        """How many blobs it names."""
        return len(self.fields.get("blobs", ()))

    def members(self) -> dict[str, Any]:
        """The object `transaction` of a state test."""
        fields = self.fields
        members: dict[str, Any] = {
            "nonce": hex(fields["nonce"]),
            "to": f"0x{fields['to'].hex()}" if fields["to"] else "",
            "sender": f"0x{self.sender.hex()}",
            "data": [f"0x{fields['data'].hex()}"],
            "gasLimit": [hex(fields["gas"])],
            "value": [hex(fields["value"])],
        }
        if "gas_price" in fields:
            members["gasPrice"] = hex(fields["gas_price"])
        else:
            members |= {"maxFeePerGas": hex(fields["fee"]), "maxPriorityFeePerGas": hex(fields["priority"])}
        if "access_list" in fields:
            members["accessLists"] = [[_access(entry) for entry in fields["access_list"]]]
        if "blobs" in fields:
            members["maxFeePerBlobGas"] = hex(fields["blob_fee"])
            members["blobVersionedHashes"] = [f"0x{each.hex()}" for each in fields["blobs"]]
        if "authorizations" in fields:
            members["authorizationList"] = [_authorization(each) for each in fields["authorizations"]]
        return members


def decode_transaction(encoded: bytes) -> Transaction:
    """The transaction whose EIP-2718 encoding is `encoded`. Raises EncodingError."""
    kind = encoded[0] if encoded and encoded[0] < 0x80 else 0
    if kind and kind not in FIELDS:
        raise EncodingError(f"transactions of type {kind} are not known")
    names, payload = (FIELDS[kind], encoded[1:]) if kind else (LEGACY, encoded)
    items = _decode(payload)
    if not isinstance(items, list) or len(items) != len(names):
        raise EncodingError(f"a transaction of type {kind} has {len(names)} fields")
    fields = {name: _field(name, item) for name, item in zip(names, items, strict=True)}
    try:
        sender = _sender(kind, fields, items)
    except (ValueError, OverflowError):
        raise EncodingError("the transaction's signature has no signer") from None
    return Transaction(kind, fields, keccak256(encoded), sender)


def block_transactions(block: bytes) -> list[bytes]:
    """The EIP-2718 encodings of a block's transactions. Raises EncodingError."""
    items = list_items(block)
    if len(items) < 2 or not items[1][0]:
        raise EncodingError("the block has no list of transactions")
    _, begin, _, end = items[1]
    transactions = block[begin:end]
    return [
        transactions[at:stop] if nested else transactions[start:stop]
        for nested, at, start, stop in list_items(transactions)
    ]


def _decode(encoded: bytes, depth: int = 0) -> Item:
    if depth > 4:
        raise EncodingError("a transaction nests deeper than any does")
    items: list[Item] = []
    for nested, at, start, stop in list_items(encoded):
        items.append(_decode(encoded[at:stop], depth + 1) if nested else encoded[start:stop])
    return items


def _field(name: str, item: Item) -> Any:
    if name in QUANTITIES:
        if not isinstance(item, bytes) or len(item) > HASH_LENGTH:
            raise EncodingError(f"{name} is no integer of 256 bits")
        return int.from_bytes(item, "big")
    if name in ("to", "data"):
        if not isinstance(item, bytes) or (name == "to" and len(item) not in (0, ADDRESS_LENGTH)):
            raise EncodingError(f"{name} is no string, or too long")
        return item
    if not isinstance(item, list) or not all(map(_SHAPES[name], item)):
        raise EncodingError(f"{name} is not what it should be")
    return item


def _is_access(entry: Item) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) == 2
        and isinstance(entry[1], list)
        and all(isinstance(each, bytes) for each in (entry[0], *entry[1]))
    )


def _is_authorization(entry: Item) -> bool:
    return isinstance(entry, list) and len(entry) == 6 and all(isinstance(each, bytes) for each in entry)


_SHAPES = {
    "access_list": _is_access,
    "authorizations": _is_authorization,
    "blobs": lambda entry: isinstance(entry, bytes),
}


def _sender(kind: int, fields: dict[str, Any], items: Sequence[Item]) -> bytes:
    unsigned = list(items[:-3])
    parity = fields["v"]
    if kind == 0:
        if parity in (27, 28):
            parity -= 27
        else:  # EIP-155
            chain_id, parity = divmod(parity - 35, 2)
            unsigned += [encode_integer(chain_id), b"", b""]
    message = (bytes([kind]) if kind else b"") + encode_item(unsigned)
    signature = fields["r"].to_bytes(32, "big") + fields["s"].to_bytes(32, "big") + bytes([parity])
    key = PublicKey.from_signature_and_message(signature, keccak256(message), hasher=None)
    return keccak256(key.format(compressed=False)[1:])[-ADDRESS_LENGTH:]


def _access(entry: Sequence[Any]) -> dict[str, Any]:
    return {"address": f"0x{entry[0].hex()}", "storageKeys": [f"0x{key.hex()}" for key in entry[1]]}


def _authorization(entry: Sequence[bytes]) -> dict[str, str]:
    chain_id, address, nonce, parity, r, s = entry
    numbers = {"chainId": chain_id, "nonce": nonce, "v": parity, "yParity": parity, "r": r, "s": s}
    return {
        "address": f"0x{address.hex()}",
        **{name: hex(int.from_bytes(value, "big")) for name, value in numbers.items()},
    }
