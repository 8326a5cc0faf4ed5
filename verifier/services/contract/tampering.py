"""Blocks and witnesses with one thing changed, each with what an honest client may say of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import rlp

from verifier.domain.vote import VoteKind
from witness.header import FIELDS, keccak256
from witness.model import BlockWitness, Witness
from witness.rlp_encoding import encode_list
from witness.trie import list_root

POSITION = {name: position for position, (name, _) in enumerate(FIELDS)}
# What the verifier may read from an answer. ANY: a value that every block may have.
INVALID = frozenset({VoteKind.INVALID})
ABSTAIN = frozenset({VoteKind.ABSTAIN})
NOT_VALID = INVALID | ABSTAIN
ANY = NOT_VALID | {VoteKind.VALID}
INSUFFICIENT = ("witness_insufficient: ",)
BLOB = 131_072  # gas of one blob (EIP-4844)


@dataclass(frozen=True)
class Tampered:
    """A tampered block or witness. votes: those that are honest; reasons: one of these words is in each reason.

    reasons are names of rules ("nonce"), of computed fields ("differs: state_root"), or of abstentions.
    """

    name: str
    content: BlockWitness
    votes: frozenset[VoteKind]
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


def encoded_transactions(block: list[Any]) -> list[bytes]:
    """The block's transactions as they stand in the transactions trie."""
    return [item if isinstance(item, bytes) else rlp.encode(item) for item in block[1]]


def flipped(value: bytes) -> bytes:
    """The value with its last bit changed."""
    return value[:-1] + bytes([value[-1] ^ 1])


def added(amount: int) -> Callable[[bytes], bytes]:
    """Adds to a big-endian quantity."""

    def change(value: bytes) -> bytes:
        number = int.from_bytes(value, "big") + amount
        return number.to_bytes((number.bit_length() + 7) // 8, "big")

    return change


def doubled(value: bytes) -> bytes:
    """Twice a big-endian quantity."""
    return added(int.from_bytes(value, "big"))(value)


Change = tuple[str, Callable[[bytes], bytes], frozenset[VoteKind], tuple[str, ...]]

# name → (field, change, honest votes, words of which one is in the reason)
HEADER_CHANGES: dict[str, Change] = {
    "parent hash": ("parent_hash", flipped, ABSTAIN, INSUFFICIENT),
    "uncles hash": ("uncles_hash", flipped, INVALID, ("uncles_hash", "uncles")),
    # An account that this block never touched need not be in its witness: then nobody can say what would come of it.
    "coinbase outside the witness": (
        "coinbase",
        lambda value: keccak256(value)[:20],
        NOT_VALID,
        ("witness_insufficient: ", "state_root"),
    ),
    "state root": ("state_root", flipped, INVALID, ("differs: state_root",)),
    "transactions root": ("transactions_root", flipped, INVALID, ("transactions_root",)),
    "receipts root": ("receipts_root", flipped, INVALID, ("differs: receipts_root",)),
    "logs bloom": ("logs_bloom", flipped, INVALID, ("differs: logs_bloom",)),
    "difficulty": ("difficulty", added(1), INVALID, ("difficulty",)),
    "number": ("number", added(1), INVALID, ("number",)),
    "gas limit doubled": ("gas_limit", doubled, INVALID, ("gas_limit",)),
    "gas limit plus one": ("gas_limit", added(1), ANY, ()),
    "gas used": ("gas_used", added(1), INVALID, ("differs: gas_used",)),
    "gas used above the limit": ("gas_used", added(10**9), INVALID, ("gas_used",)),
    "timestamp plus one": ("timestamp", added(1), ANY, ()),
    "timestamp not after the parent": ("timestamp", added(-24), INVALID, ("timestamp",)),
    "extra data": ("extra_data", lambda _: b"other", ANY, ()),
    "extra data too long": ("extra_data", lambda _: bytes(33), INVALID, ("extra_data",)),
    "mix hash": ("mix_hash", flipped, ANY, ()),
    "nonce": ("nonce", flipped, INVALID, ("nonce",)),
    "base fee": ("base_fee", added(1), INVALID, ("base_fee",)),
    "withdrawals root": ("withdrawals_root", flipped, INVALID, ("withdrawals_root",)),
    "blob gas used": ("blob_gas_used", added(BLOB), INVALID, ("blob_gas_used",)),
    "excess blob gas": ("excess_blob_gas", added(BLOB), INVALID, ("excess_blob_gas",)),
    "parent beacon block root": ("parent_beacon_block_root", flipped, INVALID, ("state_root",)),
    "requests hash": ("requests_hash", flipped, INVALID, ("differs: requests_hash",)),
}


def tampered_headers(content: BlockWitness, inside: bytes | None = None) -> Iterator[Tampered]:
    """Each field of the header changed, one taken away, one added. The header is one of Paris or later.

    inside: the address of an account whose nodes are in the witness, as another coinbase; None leaves that out.
    """
    fields = len(decoded(content)[0])
    changes = dict(HEADER_CHANGES)
    if inside is not None:
        changes["coinbase inside the witness"] = ("coinbase", lambda _: inside, INVALID, ("state_root",))
    if fields > POSITION["parent_beacon_block_root"]:
        # EIP-4788 writes to other slots then, whose nodes may not be in the witness: not any value will do.
        changes["timestamp plus one"] = ("timestamp", added(1), NOT_VALID, ("witness_insufficient: ", "state_root"))
    for name, (field, change, votes, reasons) in changes.items():
        if POSITION[field] >= fields:
            continue
        block = decoded(content)
        value = change(block[0][POSITION[field]])
        block[0][POSITION[field]] = value
        number = int.from_bytes(value, "big") if field == "number" else None
        yield Tampered(name, rebuilt(content, block, number), votes, reasons)
    block = decoded(content)
    block[0].pop()
    encoding = ("header_fields", "block_encoding")
    # Some clients compare the body with a field that is not there before they count the fields.
    last, _ = FIELDS[len(block[0])]
    yield Tampered("last header field taken away", rebuilt(content, block), INVALID, (*encoding, last))
    block = decoded(content)
    block[0] += [b"\1" * 32, b"\1", b"\1"]
    yield Tampered("header fields of the future", rebuilt(content, block), INVALID, encoding)


def tampered_bodies(content: BlockWitness) -> Iterator[Tampered]:
    """Each list of the body changed, the header as it was. The block has two transactions and a withdrawal at least."""

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


def tampered_encodings(content: BlockWitness) -> Iterator[Tampered]:
    """The block's RLP with something that its hash does not bind: the header is as it was."""
    block = decoded(content)
    reasons = ("block_encoding", "transactions_root", "withdrawals_root", "uncles_hash", "header_fields")

    def encoded(name: str, octets: bytes) -> Tampered:
        return Tampered(name, replace(content, block=octets), INVALID, reasons)

    def body(items: bytes) -> bytes:
        return encode_list(rlp.encode(block[0]) + items)

    yield encoded("a byte after the block", bytes(content.block) + b"\0")
    yield encoded("one list more", rlp.encode([*block, b""]))
    yield encoded("a body that is no RLP", body(b"\xff" * 9))
    yield encoded("a list longer than the block", body(b"\xf8\xff\xc0"))
    # 0xf800: a list whose length is not written the shortest way.
    yield encoded("a length that is not minimal", body(rlp.encode(block[1]) + b"\xf8\x00" + rlp.encode(block[3])))


def repeated_transaction(content: BlockWitness) -> Tampered:
    """The first transaction once more at the end, with the transactions root that it then has: its nonce is used."""
    block = decoded(content)
    block[1].append(block[1][0])
    block[0][POSITION["transactions_root"]] = list_root(encoded_transactions(block))
    return Tampered("a transaction once more", rebuilt(content, block), INVALID, ("transaction",))


def tampered_witnesses(content: BlockWitness, other: BlockWitness) -> Iterator[Tampered]:
    """The witness changed, the block as it was: nothing that is said may be a statement about the block."""
    witness = content.witness
    root = max(range(len(witness.state)), key=lambda index: len(witness.state[index]))

    def with_witness(name: str, changed: Witness, *reasons: str) -> Tampered:
        return Tampered(name, replace(content, witness=changed), ABSTAIN, reasons or INSUFFICIENT)

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
    older = bytes(other.witness.headers[-1])
    yield with_witness("an older header that is no ancestor", replace(witness, headers=[older, *headers]), "refused: ")
    yield with_witness("the witness of another block", other.witness)
