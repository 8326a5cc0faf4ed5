"""Rules that an invalid block breaks besides the one that its fixture names: those to be seen without executing it.

Fixtures that were made by changing a valid block often keep its header, so that the body is no longer the header's; and
clients find that first. The word says nothing about it.
"""

from verifier.domain.conformance import ReasonClass
from witness.errors import EncodingError
from witness.formats.engine_payload import blob_hashes
from witness.header import decode_block_header
from witness.model import Header
from witness.rlp_item import list_items
from witness.trie import list_root

from .excess_blob_gas import GAS_PER_BLOB

WITHDRAWALS = 3  # position in the block, after header, transactions and uncles


def classes_besides(block: bytes) -> frozenset[ReasonClass]:
    """Of the body's roots and blob gas, by the block's own header; none where it cannot be decoded."""
    try:
        header = decode_block_header(block)
        items = list_items(block)
        transactions = _elements(block, items[1])
        withdrawals = _elements(block, items[WITHDRAWALS]) if len(items) > WITHDRAWALS else None
    except (EncodingError, IndexError):
        return frozenset()
    found = set()
    if list_root(transactions) != header.transactions_root or _withdrawals_root(withdrawals) != header.withdrawals_root:
        found.add(ReasonClass.BODY)
    if _differs_in_blobs(header, transactions):
        found.add(ReasonClass.BLOB_GAS)
    return frozenset(found)


def _withdrawals_root(withdrawals: list[bytes] | None) -> bytes | None:
    return None if withdrawals is None else list_root(withdrawals)


def _differs_in_blobs(header: Header, transactions: list[bytes]) -> bool:
    if header.blob_gas_used is None:
        return False
    return header.blob_gas_used != GAS_PER_BLOB * sum(len(blob_hashes(each)) for each in transactions)


def _elements(block: bytes, item: tuple[bool, int, int, int]) -> list[bytes]:
    """What a list of the block holds, as tries hold it: lists with their own prefix, strings without (EIP-2718)."""
    nested, at, _, stop = item
    if not nested:
        raise EncodingError("a list is expected")
    part = block[at:stop]
    return [part[outer:end] if inner else part[first:end] for inner, outer, first, end in list_items(part)]
