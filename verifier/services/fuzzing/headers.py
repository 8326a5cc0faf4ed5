"""Headers of built blocks changed in one field: at a boundary, off by one, or of another form."""

from collections.abc import Callable, Mapping
from random import Random

from witness.header import FIELDS
from witness.rlp_encoding import encode_item, encode_list
from witness.rlp_item import list_items

from .draft import HeaderFault
from .values import at_least

POSITIONS = {name: position for position, (name, _) in enumerate(FIELDS)}
BLOB_GAS = 1 << 17
Change = Callable[[list[bytes], int], None]


def _sets(name: str, value: int) -> Change:
    def change(fields: list[bytes], _: int) -> None:
        fields[POSITIONS[name]] = _octets(value)

    return change


def _adds(name: str) -> Change:
    def change(fields: list[bytes], amount: int) -> None:
        position = POSITIONS[name]
        fields[position] = _octets(max(0, int.from_bytes(fields[position], "big") + amount))

    return change


def _flips(name: str) -> Change:
    """One bit of a hash, an address or a bloom; amount: which."""

    def change(fields: list[bytes], amount: int) -> None:
        position = POSITIONS[name]
        data = bytearray(fields[position])
        data[amount // 8 % len(data)] ^= 1 << amount % 8
        fields[position] = bytes(data)

    return change


def _sized(name: str) -> Change:
    def change(fields: list[bytes], amount: int) -> None:
        fields[POSITIONS[name]] = bytes([0xAB]) * max(0, amount)

    return change


def _zero_before(name: str) -> Change:
    def change(fields: list[bytes], _: int) -> None:
        fields[POSITIONS[name]] = b"\0" + fields[POSITIONS[name]]

    return change


def _limit_by_parent(fields: list[bytes], amount: int) -> None:
    position = POSITIONS["gas_limit"]
    limit = int.from_bytes(fields[position], "big")
    step = limit // 1024
    # amount: +-1 one step's end, +-2 just inside of it; the header's own limit is the parent's.
    fields[position] = _octets(limit + {1: step, 2: step - 1, -1: -step, -2: 1 - step}.get(amount, step + 1))


def _more_fields(fields: list[bytes], amount: int) -> None:
    fields.append(_octets(amount))


def _fewer_fields(fields: list[bytes], _: int) -> None:
    fields.pop()


# Fault → the change, the amounts that it is worth trying with, and the first fork whose header has the field.
FAULTS: dict[str, tuple[Change, tuple[int, ...], str]] = {
    "gas-limit-above-2p63m1": (_sets("gas_limit", 1 << 63), (0,), "paris"),
    "gas-limit-2p63m1": (_sets("gas_limit", (1 << 63) - 1), (0,), "paris"),
    "gas-limit-2p64": (_sets("gas_limit", 1 << 64), (0,), "paris"),
    "gas-limit-4999": (_sets("gas_limit", 4999), (0,), "paris"),
    "gas-limit-by-parent": (_limit_by_parent, (1, 2, -1, -2, 3), "paris"),
    "gas-used": (_adds("gas_used"), (-1, 1, 1 << 63, 1 << 64), "paris"),
    "timestamp-of-parent": (_sets("timestamp", 1000), (0,), "paris"),
    "timestamp-2p63": (_sets("timestamp", 1 << 63), (0,), "paris"),
    "timestamp-2p64": (_sets("timestamp", 1 << 64), (0,), "paris"),
    "number": (_adds("number"), (-1, 1, 1 << 63, 1 << 64), "paris"),
    "base-fee": (_adds("base_fee"), (-1, 1, 1 << 64, 1 << 255), "paris"),
    "difficulty": (_sets("difficulty", 1), (0,), "paris"),
    "extra-data": (_sized("extra_data"), (0, 31, 32, 33), "paris"),
    "mix-hash": (_flips("mix_hash"), (0, 255), "paris"),
    "nonce": (_flips("nonce"), (0, 63), "paris"),
    "uncles-hash": (_flips("uncles_hash"), (0, 255), "paris"),
    "coinbase": (_flips("coinbase"), (0, 159), "paris"),
    "bloom": (_flips("logs_bloom"), (0, 2047), "paris"),
    "state-root": (_flips("state_root"), (0, 255), "paris"),
    "receipts-root": (_flips("receipts_root"), (0, 255), "paris"),
    "transactions-root": (_flips("transactions_root"), (0, 255), "paris"),
    "withdrawals-root": (_flips("withdrawals_root"), (0, 255), "shanghai"),
    "blob-gas-used": (_adds("blob_gas_used"), (-BLOB_GAS, BLOB_GAS, 1, 1 << 64), "cancun"),
    "excess-blob-gas": (_adds("excess_blob_gas"), (-1, 1, BLOB_GAS, 1 << 63, 1 << 64), "cancun"),
    "beacon-root": (_flips("parent_beacon_block_root"), (0, 255), "cancun"),
    "requests-hash": (_flips("requests_hash"), (0, 255), "prague"),
    "leading-zero": (_zero_before("gas_limit"), (0,), "paris"),
    "more-fields": (_more_fields, (0, 1), "paris"),
    "fewer-fields": (_fewer_fields, (0,), "paris"),
}


def faults(fork: str) -> tuple[str, ...]:
    """Those that headers of a fork can have."""
    return tuple(name for name, (_, _, since) in FAULTS.items() if at_least(fork, since))


def fault(random: Random, fork: str) -> HeaderFault:
    """Any of a fork's."""
    name = random.choice(faults(fork))
    return HeaderFault(name, random.choice(FAULTS[name][1]))


def with_fault(block: bytes, chosen: HeaderFault) -> bytes:
    """The block with its header changed."""
    fields, body = _parts(block)
    FAULTS[chosen.name][0](fields, chosen.amount)
    return encode_list(encode_item([*fields]) + body)


def with_fields(block: bytes, changes: Mapping[str, bytes]) -> bytes:
    """The block with other items in its header."""
    fields, body = _parts(block)
    for name, value in changes.items():
        fields[POSITIONS[name]] = value
    return encode_list(encode_item([*fields]) + body)


def _parts(block: bytes) -> tuple[list[bytes], bytes]:
    """The items of the header, and the encoding of what comes after it."""
    _, begin, _, end = list_items(block)[0]
    header = block[begin:end]
    return [bytes(header[start:stop]) for _, _, start, stop in list_items(header)], block[end:]


def _octets(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")
