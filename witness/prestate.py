"""The sections prestate and poststate: accounts and slots before and after a block, without proofs.

docs/witness-format.md describes both encodings. Decoding is strict: one encoding a content, anything else is refused.
"""

from collections.abc import Iterator, Mapping

from .errors import EncodingError, WitnessFileError
from .header import HASH_LENGTH
from .model import Octets, PostAccount, PostState, PreAccount, PreState
from .rlp_encoding import Item, encode_integer, encode_item
from .rlp_item import item_span
from .trie import EMPTY_ROOT

ADDRESS_LENGTH = 20
KEY_PREFIX = 0x80 + HASH_LENGTH  # the RLP prefix of a string of 32 bytes
LARGEST_NONCE = (1 << 64) - 1  # EIP-2681, and 64 bits in every client
LARGEST_VALUE = (1 << 256) - 1


def encode_prestate(accounts: PreState) -> bytes:
    """The bytes of a prestate section."""
    entries: list[Item] = []
    for address in sorted(accounts):
        account = accounts[address]
        if account is None:
            entries.append([address])
        else:
            numbers = [encode_integer(account.nonce), encode_integer(account.balance)]
            entries.append([address, *numbers, account.storage_root, account.code_hash, _slots(account.slots)])
    return encode_item(entries)


def encode_poststate(accounts: PostState) -> bytes:
    """The bytes of a poststate section."""
    entries: list[Item] = []
    for address in sorted(accounts):
        account = accounts[address]
        if account is None:
            entries.append([address])
        else:
            numbers = [encode_integer(account.nonce), encode_integer(account.balance)]
            entries.append([address, *numbers, account.code_hash, _slots(account.slots)])
    return encode_item(entries)


def decode_prestate(section: Octets) -> dict[bytes, PreAccount | None]:
    """The accounts of a prestate section. Raises WitnessFileError if it is not exactly as documented."""
    try:
        return dict(_prestate_accounts(bytes(section)))
    except EncodingError as error:
        raise WitnessFileError(f"prestate: {error}") from None


def decode_poststate(section: Octets) -> dict[bytes, PostAccount | None]:
    """The accounts of a poststate section. Raises WitnessFileError if it is not exactly as documented."""
    try:
        return dict(_poststate_accounts(bytes(section)))
    except EncodingError as error:
        raise WitnessFileError(f"poststate: {error}") from None


def _slots(slots: Mapping[bytes, int]) -> list[Item]:
    return [[key, encode_integer(slots[key])] for key in sorted(slots)]


def _prestate_accounts(data: bytes) -> Iterator[tuple[bytes, PreAccount | None]]:
    for address, fields in _entries(data, 5):
        if fields is None:
            yield address, None
            continue
        account = PreAccount(
            nonce=_integer(data, fields[0], LARGEST_NONCE, "nonce"),
            balance=_integer(data, fields[1], LARGEST_VALUE, "balance"),
            storage_root=_fixed(data, fields[2], HASH_LENGTH, "storage root"),
            code_hash=_fixed(data, fields[3], HASH_LENGTH, "code hash"),
            slots=_decode_slots(data, fields[4]),
        )
        if account.storage_root == EMPTY_ROOT and any(account.slots.values()):
            raise EncodingError("a slot has a value under the root of no storage")
        yield address, account


def _poststate_accounts(data: bytes) -> Iterator[tuple[bytes, PostAccount | None]]:
    for address, fields in _entries(data, 4):
        if fields is None:
            yield address, None
            continue
        account = PostAccount(
            nonce=_integer(data, fields[0], LARGEST_NONCE, "nonce"),
            balance=_integer(data, fields[1], LARGEST_VALUE, "balance"),
            code_hash=_fixed(data, fields[2], HASH_LENGTH, "code hash"),
            slots=_decode_slots(data, fields[3]),
        )
        yield address, account


Span = tuple[bool, int, int]
"""An item of an RLP list: whether it is a list itself, and where its payload starts and ends."""


def _entries(data: bytes, length: int) -> Iterator[tuple[bytes, list[Span] | None]]:
    """Address and further fields of every entry, None where it has an address only; in order, each address once.

    Raises EncodingError, as everything here. Nothing recurses: the lists are as deep as the documented ones.
    """
    nested, at, end = item_span(data, 0, len(data))
    if not nested or end != len(data):
        raise EncodingError("not exactly one RLP list")
    previous = b""
    while at < end:
        nested, start, stop = item_span(data, at, end)
        if not nested:
            raise EncodingError("an entry is no list")
        fields: list[Span] = []
        while start < stop:
            fields.append(item_span(data, start, stop))
            start = fields[-1][2]
        if len(fields) not in (1, 1 + length):
            raise EncodingError(f"an entry has {len(fields)} items, not 1 or {1 + length}")
        address = _fixed(data, fields[0], ADDRESS_LENGTH, "address")
        if address <= previous:
            raise EncodingError("addresses are not in ascending order")
        yield address, fields[1:] or None
        at, previous = stop, address


def _decode_slots(data: bytes, span: Span) -> dict[bytes, int]:
    nested, at, end = span
    if not nested:
        raise EncodingError("slots are no list")
    slots: dict[bytes, int] = {}
    previous = b""
    while at < end:
        nested, start, stop = item_span(data, at, end)
        value = start + 1 + HASH_LENGTH  # where the key ends
        if not nested or value >= stop or data[start] != KEY_PREFIX:
            raise EncodingError("a slot is no pair of a key of 32 bytes and a value")
        key = data[start + 1 : value]
        if key <= previous:
            raise EncodingError("slot keys are not in ascending order")
        item = item_span(data, value, stop)
        if item[2] != stop:
            raise EncodingError("a slot has more than key and value")
        slots[key] = _integer(data, item, LARGEST_VALUE, "slot value")
        at, previous = stop, key
    return slots


def _fixed(data: bytes, span: Span, length: int, name: str) -> bytes:
    nested, start, stop = span
    if nested or stop - start != length:
        raise EncodingError(f"{name} has not {length} bytes")
    return data[start:stop]


def _integer(data: bytes, span: Span, largest: int, name: str) -> int:
    nested, start, stop = span
    if nested or (stop > start and not data[start]):
        raise EncodingError(f"{name} is no integer without leading zeros")
    value = int.from_bytes(data[start:stop], "big")
    if value > largest:
        raise EncodingError(f"{name} is too large")
    return value
