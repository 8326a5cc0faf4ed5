"""Where the items of an RLP encoding lie, without copying them.

The `rlp` package decodes into new objects; the trie and the header check only need positions, and need them for
thousands of nodes a block. Strict: every non-canonical length or prefix is refused (yellow paper, appendix B).
"""

from .errors import EncodingError
from .model import Octets


def item_span(data: Octets, at: int, end: int) -> tuple[bool, int, int]:
    """The item that starts at `at` and must end by `end`: (is a list, start of its payload, end of its payload).

    Raises EncodingError if the item is truncated or not canonical.
    """
    if at >= end:
        raise EncodingError("RLP item is missing")
    prefix = data[at]
    if prefix < 0x80:
        return False, at, at + 1
    if prefix < 0xB8:
        start, length = at + 1, prefix - 0x80
        if length == 1 and start < end and data[start] < 0x80:
            raise EncodingError("RLP byte below 0x80 has a length prefix")
    elif 0xC0 <= prefix < 0xF8:
        start, length = at + 1, prefix - 0xC0
    else:
        size_of_length = prefix - (0xB7 if prefix < 0xC0 else 0xF7)
        start = at + 1 + size_of_length
        if start > end:
            raise EncodingError("RLP length is truncated")
        length = int.from_bytes(data[at + 1 : start], "big")
        if data[at + 1] == 0 or length < 56:
            raise EncodingError("RLP length is not minimal")
    if start + length > end:
        raise EncodingError("RLP item is truncated")
    return prefix >= 0xC0, start, start + length


def list_items(data: Octets) -> list[tuple[bool, int, int, int]]:
    """The items of the list that `data` encodes: (is a list, start of the item, start of its payload, its end).

    Raises EncodingError if `data` is anything but exactly one list.
    """
    is_list, at, end = item_span(data, 0, len(data))
    if not is_list:
        raise EncodingError("RLP list expected, found a string")
    if end != len(data):
        raise EncodingError(f"{len(data) - end} bytes after the end of the RLP list")
    items = []
    while at < end:
        nested, start, stop = item_span(data, at, end)
        items.append((nested, at, start, stop))
        at = stop
    return items
