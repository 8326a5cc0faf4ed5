"""A block cut to its first transactions, so that what clients compute of it is the state behind them.

Only what header and body rules compare with the body is changed: the roots of transactions and withdrawals (there are
none), and the blob gas used. What execution computes is not compared by an adapter, but told.
"""

from collections.abc import Sequence
from dataclasses import replace

from witness.errors import EncodingError
from witness.header import FIELDS, block_header_rlp, keccak256
from witness.model import BlockWitness
from witness.rlp_encoding import Item, encode_integer, encode_item, encode_list, encode_string
from witness.rlp_item import list_items
from witness.trie import EMPTY_ROOT, list_root

from .transaction import decode_transaction

GAS_PER_BLOB = 1 << 17  # EIP-4844
NAMES = tuple(name for name, _ in FIELDS)


def cut(content: BlockWitness, transactions: Sequence[bytes], prestate: bytes) -> BlockWitness:
    """The same block with these transactions and no withdrawals. prestate: the section that it is executed on.

    transactions: EIP-2718 encodings. Raises EncodingError.
    """
    encoded = bytes(block_header_rlp(content.block))
    fields: list[Item] = []
    for nested, _, start, stop in list_items(encoded):
        if nested:
            raise EncodingError("a header field is a list")
        fields.append(encoded[start:stop])
    blobs = sum(decode_transaction(each).blobs for each in transactions)
    changed = {
        "transactions_root": list_root(transactions) if transactions else EMPTY_ROOT,
        "withdrawals_root": EMPTY_ROOT,
        "blob_gas_used": encode_integer(GAS_PER_BLOB * blobs),
    }
    for name, value in changed.items():
        if NAMES.index(name) < len(fields):
            fields[NAMES.index(name)] = value
    header = encode_item(fields)
    # A typed transaction is a string in the block, a legacy one the list that it is.
    body = b"".join(each if each[0] >= 0xC0 else encode_string(each) for each in transactions)
    withdrawals = encode_list(b"") if NAMES.index("withdrawals_root") < len(fields) else b""
    block = encode_list(header + encode_list(body) + encode_list(b"") + withdrawals)
    return replace(
        content,
        hash=keccak256(header),
        block=block,
        prestate=prestate,
        poststate=None,
        expected=None,
        producer=None,
    )
