"""The sections prestate and poststate: accounts and slots before and after a block, without proofs.

docs/witness-format.md describes both encodings. Decoding is strict: one encoding a content, anything else is refused.
"""

from collections.abc import Mapping

import rlp

from .errors import WitnessFileError
from .header import HASH_LENGTH
from .model import Octets, PostAccount, PostState, PreAccount, PreState
from .rlp_encoding import Item, encode_integer, encode_item

ADDRESS_LENGTH = 20
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
    accounts: dict[bytes, PreAccount | None] = {}
    for address, fields in _entries(section, "prestate", 5):
        if not fields:
            accounts[address] = None
            continue
        accounts[address] = PreAccount(
            nonce=_integer(fields[0], LARGEST_NONCE, "nonce"),
            balance=_integer(fields[1], LARGEST_VALUE, "balance"),
            storage_root=_fixed(fields[2], HASH_LENGTH, "storage root"),
            code_hash=_fixed(fields[3], HASH_LENGTH, "code hash"),
            slots=_decode_slots(fields[4]),
        )
    return accounts


def decode_poststate(section: Octets) -> dict[bytes, PostAccount | None]:
    """The accounts of a poststate section. Raises WitnessFileError if it is not exactly as documented."""
    accounts: dict[bytes, PostAccount | None] = {}
    for address, fields in _entries(section, "poststate", 4):
        if not fields:
            accounts[address] = None
            continue
        accounts[address] = PostAccount(
            nonce=_integer(fields[0], LARGEST_NONCE, "nonce"),
            balance=_integer(fields[1], LARGEST_VALUE, "balance"),
            code_hash=_fixed(fields[2], HASH_LENGTH, "code hash"),
            slots=_decode_slots(fields[3]),
        )
    return accounts


def _slots(slots: Mapping[bytes, int]) -> list[Item]:
    return [[key, encode_integer(slots[key])] for key in sorted(slots)]


def _entries(section: Octets, name: str, length: int) -> list[tuple[bytes, list[Item]]]:
    """Address and further fields of every entry, none where it has an address only; in order, each address once."""
    try:
        items = rlp.decode(bytes(section), strict=True)
    except (rlp.exceptions.RLPException, RecursionError) as error:
        raise WitnessFileError(f"{name} is not RLP: {error}") from None
    entries: list[tuple[bytes, list[Item]]] = []
    previous = b""
    for item in _list(items, f"{name} is no list"):
        fields = _list(item, f"{name} has an entry that is no list")
        if len(fields) not in (1, 1 + length):
            raise WitnessFileError(f"{name} has an entry of {len(fields)} items, not 1 or {1 + length}")
        address = _fixed(fields[0], ADDRESS_LENGTH, "address")
        if address <= previous:
            raise WitnessFileError(f"{name} has addresses that are not in ascending order")
        entries.append((address, fields[1:]))
        previous = address
    return entries


def _decode_slots(item: Item) -> dict[bytes, int]:
    slots: dict[bytes, int] = {}
    previous = b""
    for pair in _list(item, "slots are no list"):
        fields = _list(pair, "a slot is no list")
        if len(fields) != 2:
            raise WitnessFileError("a slot is no pair of key and value")
        key = _fixed(fields[0], HASH_LENGTH, "key")
        if key <= previous:
            raise WitnessFileError("slot keys are not in ascending order")
        slots[key] = _integer(fields[1], LARGEST_VALUE, "slot value")
        previous = key
    return slots


def _list(item: Item, otherwise: str) -> list[Item]:
    if not isinstance(item, list):
        raise WitnessFileError(otherwise)
    return item


def _fixed(item: Item, length: int, name: str) -> bytes:
    if not isinstance(item, bytes) or len(item) != length:
        raise WitnessFileError(f"{name} has not {length} bytes")
    return item


def _integer(item: Item, largest: int, name: str) -> int:
    if not isinstance(item, bytes) or item[:1] == b"\0":
        raise WitnessFileError(f"{name} is no integer without leading zeros")
    value = int.from_bytes(item, "big")
    if value > largest:
        raise WitnessFileError(f"{name} is too large")
    return value
