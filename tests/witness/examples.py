"""Blocks and witnesses of our own making, for tests: small, and not of any real chain."""

from witness.header import FIELDS, QUANTITY, keccak256
from witness.model import BlockWitness, Witness
from witness.rlp_encoding import Item, encode_integer, encode_item, encode_list
from witness.trie import EMPTY_ROOT, list_root

EMPTY_LIST_HASH = keccak256(b"\xc0")
CHAIN_CONFIG = b'{"chainId":7,"homesteadBlock":0,"londonBlock":0,"shanghaiTime":0,"terminalTotalDifficulty":0}'


def header_rlp(**values: bytes | int) -> bytes:
    """A Shanghai header's RLP; fields not given are zero, or empty roots."""
    defaults: dict[str, bytes | int] = {
        "uncles_hash": EMPTY_LIST_HASH,
        "transactions_root": EMPTY_ROOT,
        "receipts_root": EMPTY_ROOT,
        "withdrawals_root": EMPTY_ROOT,
        "gas_limit": 30_000_000,
        "base_fee": 7,
    }
    fields: list[Item] = []
    for name, length in FIELDS[:17]:
        value = values.get(name, defaults.get(name, 0 if length == QUANTITY else bytes(max(length, 0))))
        fields.append(encode_integer(value) if isinstance(value, int) else value)
    return encode_item(fields)


def chain(length: int, first: int = 1, state_root: bytes = EMPTY_ROOT) -> list[bytes]:
    """Headers of `length` consecutive blocks, ascending; each with the given state root."""
    headers: list[bytes] = []
    for number in range(first, first + length):
        parent = keccak256(headers[-1]) if headers else bytes(32)
        headers.append(header_rlp(parent_hash=parent, number=number, timestamp=12 * number, state_root=state_root))
    return headers


def block_rlp(header: bytes, transactions: list[Item] | None = None, withdrawals: list[Item] | None = None) -> bytes:
    """A block's RLP around a header."""
    bodies: list[Item] = [transactions or [], [], withdrawals or []]
    return encode_list(header + b"".join(encode_item(body) for body in bodies))


LEGACY: list[Item] = [b"\x01", b"\x07", b"\x52\x08", b"\x11" * 20, b"\x05", b"", b"\x31", b"\x12" * 32, b"\x13" * 32]
CODE = b"\x60\x00"
ACCOUNT = encode_item([b"\x20" + b"a" * 32, encode_item([b"\x01", b"\x02", EMPTY_ROOT, keccak256(CODE)])])  # a leaf
WITHDRAWAL: list[Item] = [b"\x01", b"\x02", b"\x44" * 20, b"\x03"]


def block_witness(
    number: int = 9,
    *,
    state: list[bytes] | None = None,
    expected: bytes | None = None,
    state_root: bytes | None = None,
    root_after: bytes = bytes(32),
) -> BlockWitness:
    """A block `number` with one transaction, one withdrawal, two ancestors, and the given nodes (one account if not).

    state_root: the parent's; the hash of the first node if not given. root_after: the block's own.
    """
    nodes = state if state is not None else [ACCOUNT]
    ancestors = chain(2, number - 2, state_root or (keccak256(nodes[0]) if nodes else EMPTY_ROOT))
    header = header_rlp(
        parent_hash=keccak256(ancestors[-1]),
        number=number,
        timestamp=12 * number,
        state_root=root_after,
        transactions_root=list_root([encode_item(LEGACY)]),
        withdrawals_root=list_root([encode_item(WITHDRAWAL)]),
    )
    block = block_rlp(header, [LEGACY], [WITHDRAWAL])
    witness = Witness(state=sorted(set(nodes)), codes=[CODE], headers=ancestors)
    return BlockWitness(
        chain_id=7,
        number=number,
        hash=keccak256(header),
        block=block,
        witness=witness,
        chain_config=CHAIN_CONFIG,
        expected=expected,
    )
