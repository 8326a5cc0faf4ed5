"""Blocks and witnesses with one thing changed, each with what an honest verifier must say of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import rlp

from witness.header import FIELDS, keccak256
from witness.model import BlockWitness, Witness

POSITION = {name: position for position, (name, _) in enumerate(FIELDS)}
USDC = bytes.fromhex("a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48")  # a contract that block 22615247 calls
INVALID, ABSTAIN, ANY = "INVALID", "ABSTAIN", "agreement, whatever it is"


@dataclass(frozen=True)
class Tampered:
    """A tampered block or witness; expected: the vote of every lineage; reasons: one of these is in each reason."""

    name: str
    content: BlockWitness
    expected: str
    reasons: tuple[str, ...] = ()


def rebuilt(content: BlockWitness, block: list[Any], number: int | None = None) -> BlockWitness:
    """The same witness with another block."""
    encoded_header = rlp.encode(block[0])
    return replace(
        content,
        block=rlp.encode(block),
        hash=keccak256(encoded_header),
        number=content.number if number is None else number,
    )


def decoded(content: BlockWitness) -> list[Any]:
    """The block as nested lists of bytes."""
    block: list[Any] = rlp.decode(bytes(content.block))
    return [list(item) if isinstance(item, list | tuple) else item for item in block]


def flipped(value: bytes) -> bytes:
    """The value with its last bit changed."""
    return value[:-1] + bytes([value[-1] ^ 1])


def added(amount: int) -> Callable[[bytes], bytes]:
    """Adds to a big-endian quantity."""

    def change(value: bytes) -> bytes:
        number = int.from_bytes(value, "big") + amount
        return number.to_bytes((number.bit_length() + 7) // 8, "big")

    return change


# field → (change, expected vote, words of which one is in the reason)
HEADER_CHANGES: dict[str, tuple[str, Callable[[bytes], bytes], str, tuple[str, ...]]] = {
    "parent hash": ("parent_hash", flipped, ABSTAIN, ("witness_insufficient: ",)),
    "uncles hash": ("uncles_hash", flipped, INVALID, ("uncles_hash", "uncles")),
    # An account that this block never touched is not in its witness: nobody can say what would have come of it.
    "coinbase outside the witness": ("coinbase", flipped, ABSTAIN, ("witness_insufficient: ",)),
    "coinbase inside the witness": ("coinbase", lambda _: USDC, INVALID, ("state_root",)),
    "state root": ("state_root", flipped, INVALID, ("differs: state_root",)),
    "transactions root": ("transactions_root", flipped, INVALID, ("transactions_root",)),
    "receipts root": ("receipts_root", flipped, INVALID, ("differs: receipts_root",)),
    "logs bloom": ("logs_bloom", flipped, INVALID, ("differs: logs_bloom",)),
    "difficulty": ("difficulty", added(1), INVALID, ("difficulty",)),
    "number": ("number", added(1), INVALID, ("number",)),
    "gas limit doubled": (
        "gas_limit",
        lambda value: added(int.from_bytes(value, "big"))(value),
        INVALID,
        ("gas_limit",),
    ),
    "gas limit plus one": ("gas_limit", added(1), ANY, ()),
    "gas used": ("gas_used", added(1), INVALID, ("differs: gas_used",)),
    "gas used above the limit": ("gas_used", added(10**9), INVALID, ("gas_used",)),
    # EIP-4788 writes to other slots then, and their nodes are not in the witness.
    "timestamp plus one": ("timestamp", added(1), ABSTAIN, ("witness_insufficient: ",)),
    "timestamp not after the parent": ("timestamp", added(-(10**4)), INVALID, ("timestamp",)),
    "extra data": ("extra_data", lambda _: b"other", ANY, ()),
    "extra data too long": ("extra_data", lambda _: bytes(33), INVALID, ("extra_data",)),
    "mix hash": ("mix_hash", flipped, ANY, ()),
    "nonce": ("nonce", flipped, INVALID, ("nonce",)),
    "base fee": ("base_fee", added(1), INVALID, ("base_fee",)),
    "withdrawals root": ("withdrawals_root", flipped, INVALID, ("withdrawals_root",)),
    "blob gas used": ("blob_gas_used", added(131_072), INVALID, ("blob_gas_used",)),
    "excess blob gas": ("excess_blob_gas", added(131_072), INVALID, ("excess_blob_gas",)),
    "parent beacon block root": ("parent_beacon_block_root", flipped, INVALID, ("state_root",)),
    "requests hash": ("requests_hash", flipped, INVALID, ("differs: requests_hash",)),
}


def tampered_headers(content: BlockWitness) -> Iterator[Tampered]:
    """Each field of the header changed, one taken away, one added."""
    for name, (field, change, expected, reasons) in HEADER_CHANGES.items():
        block = decoded(content)
        value = change(block[0][POSITION[field]])
        block[0][POSITION[field]] = value
        number = int.from_bytes(value, "big") if field == "number" else None
        yield Tampered(name, rebuilt(content, block, number), expected, reasons)
    block = decoded(content)
    block[0].pop()
    yield Tampered(
        "last header field taken away", rebuilt(content, block), INVALID, ("header_fields", "block_encoding")
    )
    block = decoded(content)
    block[0] += [b"\1" * 32, b"\1", b"\1"]
    yield Tampered("header fields of the future", rebuilt(content, block), INVALID, ("header_fields", "block_encoding"))


def tampered_bodies(content: BlockWitness) -> Iterator[Tampered]:
    """Each list of the body changed, the header as it was."""

    def changed(name: str, change: Callable[[list[Any]], None], *reasons: str) -> Tampered:
        block = decoded(content)
        change(block)
        return Tampered(name, rebuilt(content, block), INVALID, reasons)

    def amount_changed(block: list[Any]) -> None:
        withdrawal = list(block[3][0])
        withdrawal[3] = added(1)(withdrawal[3])
        block[3][0] = withdrawal

    roots = ("transactions_root", "block_encoding", "blob_gas_used")  # one of them, in the order of each client
    withdrawals = ("withdrawals_root", "block_encoding", "header_fields")
    yield changed("last transaction taken away", lambda block: block[1].pop(), *roots)
    yield changed("transactions reversed", lambda block: block[1].reverse(), *roots)
    yield changed("a transaction twice", lambda block: block[1].append(block[1][0]), *roots)
    yield changed("garbage as a transaction", lambda block: block[1].append(b"\x02garbage"), *roots)
    yield changed("no transactions", lambda block: block[1].clear(), *roots)
    yield changed("an uncle", lambda block: block[2].append(block[0]), "uncles", "block_encoding")
    yield changed("last withdrawal taken away", lambda block: block[3].pop(), *withdrawals)
    yield changed("a withdrawal's amount", amount_changed, *withdrawals)
    yield changed("no withdrawals list", lambda block: block.pop(), *withdrawals)


def tampered_witnesses(content: BlockWitness, other: BlockWitness) -> Iterator[Tampered]:
    """The witness changed, the block as it was: nothing that is said may be a statement about the block."""
    witness = content.witness
    missing = ("witness_insufficient: ",)
    root = max(range(len(witness.state)), key=lambda index: len(witness.state[index]))

    def with_witness(name: str, changed: Witness, *reasons: str) -> Tampered:
        return Tampered(name, replace(content, witness=changed), ABSTAIN, reasons or missing)

    nodes = [bytes(node) for node in witness.state]
    nodes[root] = flipped(nodes[root])
    yield with_witness("a byte in a node", replace(witness, state=nodes))
    yield with_witness("no nodes", replace(witness, state=[]))
    yield with_witness("every node a byte short", replace(witness, state=[bytes(node)[:-1] for node in witness.state]))
    yield with_witness("a byte in every code", replace(witness, codes=[flipped(bytes(code)) for code in witness.codes]))
    yield with_witness("no codes", replace(witness, codes=[]))
    yield with_witness("no headers", replace(witness, headers=[]))
    headers = [bytes(header) for header in witness.headers]
    yield with_witness("the parent's header changed", replace(witness, headers=[*headers[:-1], flipped(headers[-1])]))
    yield with_witness("garbage as a header", replace(witness, headers=[*headers, b"\xc0garbage"]))
    yield with_witness(
        "an older header that is no ancestor",
        replace(witness, headers=[bytes(other.witness.headers[-1]), *headers]),
        "refused: ",
        "witness_insufficient: ",
    )
    yield with_witness("the witness of another block", other.witness)
