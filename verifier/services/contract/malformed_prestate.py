"""Prestate sections that are not as docs/witness-format.md has them, each wrong in one way."""

from collections.abc import Callable, Iterator
from typing import Any

import rlp

from witness.rlp_encoding import encode_list
from witness.trie import EMPTY_ROOT

DEPTH = 20_000  # nested lists
NONCE, BALANCE, STORAGE_ROOT, CODE_HASH, SLOTS = range(1, 6)  # positions in an entry


def malformed_sections(section: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each. section: a good one, with an absent account, one with two slots, and another."""
    yield "no bytes", b""
    yield "a string", b"\x83abc"
    yield "no RLP", b"\xff\xff\xff"
    yield "cut short", section[:-1]
    yield "a byte more", section + b"\0"
    yield "a list more", section + b"\xc0"
    yield "the list's length too large", _list_of_length(section, 1)
    nested = b""
    for _ in range(DEPTH):
        nested = encode_list(nested)
    yield "nested deeply", nested
    for name, change in _CHANGES.items():
        yield name, _changed(section, change)
    # 0x81 and a byte below 0x80: not the shortest encoding of it.
    present = _present(_entries(section))
    yield "a nonce that is not encoded the shortest way", _with_raw(section, present, b"\x81\x05")
    yield "a long length for a short nonce", _with_raw(section, present, b"\xb8\x01\x05")
    yield "a list for a nonce", _with_raw(section, present, b"\xc0")


Entries = list[list[Any]]


def _swapped(entries: Entries) -> None:
    entries[0], entries[1] = entries[1], entries[0]


def _field(position: int, value: Any) -> Callable[[Entries], None]:
    def change(entries: Entries) -> None:
        entries[_present(entries)][position] = value

    return change


def _slots(change: Callable[[list[Any]], Any]) -> Callable[[Entries], None]:
    def changed(entries: Entries) -> None:
        change(entries[_with_slots(entries)][SLOTS])

    return changed


def _absent_with(value: Any) -> Callable[[Entries], None]:
    def change(entries: Entries) -> None:
        next(entry for entry in entries if len(entry) == 1).append(value)

    return change


def _value_in_no_storage(entries: Entries) -> None:
    entry = entries[_present(entries)]
    entry[STORAGE_ROOT], entry[SLOTS] = EMPTY_ROOT, [[bytes(32), b"\1"]]


_CHANGES: dict[str, Callable[[Entries], Any]] = {
    "two accounts exchanged": _swapped,
    "an account twice": lambda entries: entries.insert(0, entries[0]),
    "an entry that is no list": lambda entries: entries.__setitem__(0, entries[0][0]),
    "an empty entry": lambda entries: entries.insert(0, []),
    "an address of 19 bytes": lambda entries: entries[0].__setitem__(0, entries[0][0][1:]),
    "an address of 21 bytes": lambda entries: entries[0].__setitem__(0, b"\0" + entries[0][0]),
    "a list for an address": lambda entries: entries[0].__setitem__(0, []),
    "an entry of two items": _absent_with(b""),
    "an entry without slots": lambda entries: entries[_present(entries)].pop(),
    "an entry with an item more": lambda entries: entries[_present(entries)].append(b""),
    "a nonce with a leading zero": _field(NONCE, b"\0\5"),
    "a nonce of zero as a byte": _field(NONCE, b"\0"),
    "a nonce of nine bytes": _field(NONCE, b"\1" + bytes(8)),
    "a balance with a leading zero": _field(BALANCE, b"\0\5"),
    "a balance of 33 bytes": _field(BALANCE, b"\1" + bytes(32)),
    "a storage root of 31 bytes": _field(STORAGE_ROOT, b"\1" * 31),
    "no storage root": _field(STORAGE_ROOT, b""),
    "a code hash of 33 bytes": _field(CODE_HASH, b"\1" * 33),
    "a slot's value under the root of no storage": _value_in_no_storage,
    "a string for the slots": _field(SLOTS, b""),
    "two slots exchanged": _slots(lambda slots: slots.insert(0, slots.pop(1))),
    "a slot twice": _slots(lambda slots: slots.insert(0, slots[0])),
    "a slot that is no pair": _slots(lambda slots: slots[0].pop()),
    "a slot with an item more": _slots(lambda slots: slots[0].append(b"")),
    "a key of 31 bytes": _slots(lambda slots: slots[0].__setitem__(0, slots[0][0][1:])),
    "a value with a leading zero": _slots(lambda slots: slots[0].__setitem__(1, b"\0\5")),
    "a value of 33 bytes": _slots(lambda slots: slots[0].__setitem__(1, b"\1" + bytes(32))),
}


def _entries(section: bytes) -> Entries:
    return [_lists(entry) for entry in rlp.decode(section)]


def _lists(item: Any) -> Any:
    return [_lists(each) for each in item] if isinstance(item, list | tuple) else item


def _changed(section: bytes, change: Callable[[Entries], Any]) -> bytes:
    entries = _entries(section)
    change(entries)
    return bytes(rlp.encode(entries))


def _present(entries: Entries) -> int:
    return next(index for index, entry in enumerate(entries) if len(entry) > 1)


def _with_slots(entries: Entries) -> int:
    return next(index for index, entry in enumerate(entries) if len(entry) > 1 and len(entry[SLOTS]) > 1)


def _with_raw(section: bytes, index: int, nonce: bytes) -> bytes:
    """The section with these bytes for one account's nonce, however they are encoded."""
    entries = _entries(section)
    entry = entries[index]
    encoded = encode_list(rlp.encode(entry[0]) + nonce + b"".join(rlp.encode(item) for item in entry[BALANCE:]))
    return encode_list(b"".join(encoded if each is entry else rlp.encode(each) for each in entries))


def _list_of_length(section: bytes, more: int) -> bytes:
    """The section with another length in its head, where that takes the same number of bytes."""
    size = section[0] - 0xF7
    length = int.from_bytes(section[1 : 1 + size], "big") + more
    return section[:1] + length.to_bytes(size, "big") + section[1 + size :]
