"""Block, transaction and withdrawal objects of the Ethereum JSON-RPC, to RLP and back (execution-apis schemas).

A block that is rebuilt from objects must have the roots that its header states: else it cannot be told whether the
block is wrong or an object was misread, and it is refused.
"""

from typing import Any

from ..errors import EncodingError, WitnessFormatError
from ..header import HASH_LENGTH, decode_header, keccak256
from ..model import Octets
from ..rlp_encoding import Item, encode_integer, encode_item
from ..rlp_item import list_items
from ..trie import list_root
from .json_field import (
    Document,
    as_list,
    as_object,
    as_octets,
    as_quantity,
    first_present,
    hex_octets,
    hex_quantity,
)
from .rpc_header import header_from_object, header_to_object

ADDRESS_LENGTH = 20
NUMBER, ADDRESS, RECIPIENT, OCTETS, HASHES, ACCESSES, AUTHORIZATIONS = range(7)  # kinds of fields

# Names in JSON, first the one we write, and kind; in the order of the RLP.
NONCE, VALUE, INPUT = (("nonce",), NUMBER), (("value",), NUMBER), (("input", "data"), OCTETS)
GAS, RECEIVER = (("gas", "gasLimit"), NUMBER), (("to",), RECIPIENT)
GAS_PRICE, CHAIN = (("gasPrice",), NUMBER), (("chainId",), NUMBER)
FEES = ((("maxPriorityFeePerGas",), NUMBER), (("maxFeePerGas",), NUMBER))
ACCESS_LIST = (("accessList",), ACCESSES)
SCALARS = ((("r",), NUMBER), (("s",), NUMBER))
SIGNATURE = ((("yParity", "v"), NUMBER), *SCALARS)
Fields = tuple[tuple[tuple[str, ...], int], ...]
TRANSACTIONS: dict[int, Fields] = {
    0: (NONCE, GAS_PRICE, GAS, RECEIVER, VALUE, INPUT, (("v",), NUMBER), *SCALARS),
    1: (CHAIN, NONCE, GAS_PRICE, GAS, RECEIVER, VALUE, INPUT, ACCESS_LIST, *SIGNATURE),  # EIP-2930
    2: (CHAIN, NONCE, *FEES, GAS, RECEIVER, VALUE, INPUT, ACCESS_LIST, *SIGNATURE),  # EIP-1559
    3: (  # EIP-4844
        *(CHAIN, NONCE, *FEES, GAS, RECEIVER, VALUE, INPUT, ACCESS_LIST),
        *((("maxFeePerBlobGas",), NUMBER), (("blobVersionedHashes",), HASHES), *SIGNATURE),
    ),
    4: (  # EIP-7702
        *(CHAIN, NONCE, *FEES, GAS, RECEIVER, VALUE, INPUT, ACCESS_LIST),
        *((("authorizationList",), AUTHORIZATIONS), *SIGNATURE),
    ),
}
ACCESS: Fields = ((("address",), ADDRESS), (("storageKeys",), HASHES))
AUTHORIZATION: Fields = (CHAIN, (("address",), ADDRESS), NONCE, *SIGNATURE)
WITHDRAWAL: Fields = (  # EIP-4895
    *((("index",), NUMBER), (("validatorIndex",), NUMBER)),
    *((("address",), ADDRESS), (("amount",), NUMBER)),
)


def _encode_field(value: Any, kind: int, name: str) -> Item:
    if kind == RECIPIENT:
        return b"" if value in (None, "", "0x") else as_octets(value, name, ADDRESS_LENGTH)
    if kind == HASHES:
        return [as_octets(element, name, HASH_LENGTH) for element in as_list(value, name)]
    if kind == ACCESSES:
        return [_encode_object(element, ACCESS, name) for element in as_list(value, name)]
    if kind == AUTHORIZATIONS:
        return [_encode_object(element, AUTHORIZATION, name) for element in as_list(value, name)]
    if value is None:
        raise WitnessFormatError(f"{name} is missing")
    if kind == NUMBER:
        return encode_integer(as_quantity(value, name))
    return as_octets(value, name, ADDRESS_LENGTH if kind == ADDRESS else None)


def _encode_object(value: Any, fields: Fields, name: str) -> list[Item]:
    document = as_object(value, name)
    return [_encode_field(first_present(document, names), kind, f"{name}.{names[0]}") for names, kind in fields]


def transaction_from_object(value: Any, name: str = "transaction") -> Item:
    """A transaction as it stands in a block's RLP: a list, or the bytes of a typed one.

    value: a transaction object, or the `0x…` string of its bytes. Raises WitnessFormatError, also if a stated `hash`
    is not the transaction's.
    """
    if isinstance(value, str):
        if len(value) == 2 + 2 * HASH_LENGTH:
            raise WitnessFormatError(f"{name} is only a hash: ask for the block with full transactions")
        octets = as_octets(value, name)
        return octets if octets[:1] < b"\xc0" else _to_item(octets)
    document = as_object(value, name)
    kind = as_quantity(document.get("type") or 0, f"{name}.type")
    if kind not in TRANSACTIONS:
        raise WitnessFormatError(f"{name} has type {kind}, which is not known")
    item = _encode_object(document, TRANSACTIONS[kind], name)
    encoded = encode_item(item)
    if kind:
        encoded = bytes([kind]) + encoded
    stated = document.get("hash")
    if stated is not None and as_octets(stated, f"{name}.hash") != keccak256(encoded):
        raise WitnessFormatError(f"{name} states hash {stated}, its fields give {hex_octets(keccak256(encoded))}")
    return encoded if kind else item


def _to_item(encoded: Octets) -> list[Item]:
    """The nested byte strings of a list's RLP."""
    try:
        return [
            _to_item(encoded[at:stop]) if nested else bytes(encoded[start:stop])
            for nested, at, start, stop in list_items(encoded)
        ]
    except (EncodingError, RecursionError) as error:
        raise WitnessFormatError(f"not a list in RLP: {error}") from None


def _as_items(item: Item, name: str) -> list[Item]:
    if not isinstance(item, list):
        raise WitnessFormatError(f"{name} is not a list")
    return item


def _decode_field(item: Item, kind: int, name: str) -> Any:
    if kind in (HASHES, ACCESSES, AUTHORIZATIONS):
        items = _as_items(item, name)
        if kind == HASHES:
            return [_decode_field(element, OCTETS, name) for element in items]
        fields = AUTHORIZATION if kind == AUTHORIZATIONS else ACCESS
        return [_decode_object(element, fields, name) for element in items]
    if isinstance(item, list):
        raise WitnessFormatError(f"{name} is a list")
    if kind == NUMBER:
        return hex_quantity(int.from_bytes(item, "big"))
    return None if kind == RECIPIENT and not item else hex_octets(item)


def _decode_object(item: Item, fields: Fields, name: str) -> Document:
    if not isinstance(item, list) or len(item) != len(fields):
        raise WitnessFormatError(f"{name} has not {len(fields)} fields")
    return {
        names[0]: _decode_field(element, kind, f"{name}.{names[0]}")
        for element, (names, kind) in zip(item, fields, strict=True)
    }


def transaction_to_object(item: Item, name: str = "transaction") -> Document:
    """The transaction object, `hash` included, of a transaction as it stands in a block. Raises WitnessFormatError."""
    if isinstance(item, list):
        return {"type": "0x0", **_decode_object(item, TRANSACTIONS[0], name), "hash": _hash(encode_item(item))}
    kind = item[0] if len(item) else 0
    if kind not in TRANSACTIONS or kind == 0:
        raise WitnessFormatError(f"{name} has type {kind}, which is not known")
    return {
        "type": hex_quantity(kind),
        **_decode_object(_to_item(item[1:]), TRANSACTIONS[kind], name),
        "hash": _hash(item),
    }


def _hash(octets: Octets) -> str:
    return hex_octets(keccak256(octets))


def _uncle(value: Any, index: int) -> Item:
    name = f"uncles[{index}]"
    if isinstance(value, str):
        octets = as_octets(value, name)
        if len(octets) == HASH_LENGTH:
            raise WitnessFormatError(f"{name} is only a hash: its header is needed")
        return _to_item(octets)
    return _to_item(header_from_object(as_object(value, name), name))


def encode_block(header: Document, transactions: Any, uncles: Any, withdrawals: Any) -> bytes:
    """A block's RLP from a header object and lists of transaction, uncle header and withdrawal objects.

    withdrawals: None before Shanghai. Raises WitnessFormatError, also if what comes out has not the header's
    transactions root, uncles hash or withdrawals root.
    """
    header_rlp = header_from_object(header)
    fields = decode_header(header_rlp)
    items: list[Item] = [
        transaction_from_object(each, f"transactions[{index}]")
        for index, each in enumerate(as_list(transactions, "transactions"))
    ]
    ommers: list[Item] = [_uncle(each, index) for index, each in enumerate(as_list(uncles, "uncles"))]
    encoded_transactions = [encode_item(item) if isinstance(item, list) else bytes(item) for item in items]
    if not all(encoded_transactions) or list_root(encoded_transactions) != fields.transactions_root:
        raise WitnessFormatError("the transactions do not have the header's transactions root")
    if keccak256(encode_item(ommers)) != fields.uncles_hash:
        raise WitnessFormatError("the uncles do not have the header's uncles hash")
    block: list[Item] = [_to_item(header_rlp), items, ommers]
    if fields.withdrawals_root is not None:
        withdrawn: list[Item] = [
            _encode_object(each, WITHDRAWAL, f"withdrawals[{index}]")
            for index, each in enumerate(as_list(withdrawals, "withdrawals"))
        ]
        if list_root([encode_item(item) for item in withdrawn]) != fields.withdrawals_root:
            raise WitnessFormatError("the withdrawals do not have the header's withdrawals root")
        block.append(withdrawn)
    return encode_item(block)


def block_from_json(value: Any) -> bytes:
    """A block's RLP from its `0x…` string, or from an RPC block object with full transactions.

    The answer of a JSON-RPC call is taken as well. Raises WitnessFormatError.
    """
    if isinstance(value, str):
        return as_octets(value, "block")
    document = as_object(value, "block")
    if "result" in document:
        return block_from_json(document["result"])
    return encode_block(document, document.get("transactions"), document.get("uncles"), document.get("withdrawals"))


def block_to_objects(block: Octets) -> tuple[Document, list[Document], list[Document], list[Document] | None]:
    """Header, transactions, uncle headers and withdrawals (None before Shanghai) of a block's RLP, as objects.

    Raises WitnessFormatError if the block cannot be written so.
    """
    parts = [_as_items(part, "part of the block") for part in _to_item(block)]
    if len(parts) not in (3, 4):
        raise WitnessFormatError(f"block has {len(parts)} parts, 3 or 4 expected")
    transactions = [transaction_to_object(item, f"transactions[{index}]") for index, item in enumerate(parts[1])]
    uncles = [header_to_object(encode_item(uncle)) for uncle in parts[2]]
    withdrawals = [_decode_object(item, WITHDRAWAL, "withdrawals") for item in parts[3]] if len(parts) == 4 else None
    return header_to_object(encode_item(parts[0])), transactions, uncles, withdrawals
