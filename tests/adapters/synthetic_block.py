"""Blocks and complete witnesses made by hand, on a chain of their own: what the real blocks do not show."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import rlp
from eth_keys import keys
from trie.hexary import HexaryTrie

from witness.header import keccak256
from witness.model import BlockWitness, Witness
from witness.trie import EMPTY_ROOT, list_root

CHAIN_ID = 1337
CONFIG: dict[str, Any] = {
    "chainId": CHAIN_ID,
    **dict.fromkeys(
        (
            "homesteadBlock",
            "eip150Block",
            "eip155Block",
            "eip158Block",
            "byzantiumBlock",
            "constantinopleBlock",
            "petersburgBlock",
            "istanbulBlock",
            "berlinBlock",
            "londonBlock",
            "terminalTotalDifficulty",
            "shanghaiTime",
        ),
        0,
    ),
}
SENDER_KEY = keys.PrivateKey(b"\x45" * 32)
SENDER: bytes = SENDER_KEY.public_key.to_canonical_address()
COINBASE = b"\xc0" * 20
TARGET = b"\xaa" * 20
RICH = 10**21  # wei
BASE_FEE = 7  # wei
GAS_LIMIT = 30_000_000
EMPTY_UNCLES = keccak256(b"\xc0")


def quantity(number: int) -> bytes:
    """A big-endian integer without leading zeros."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


@dataclass(frozen=True)
class Account:
    """An account before the block; storage by slot."""

    nonce: int = 0
    balance: int = 0
    code: bytes = b""
    storage: dict[int, int] = field(default_factory=dict)


def state_trie(accounts: dict[bytes, Account]) -> tuple[bytes, list[bytes]]:
    """The root and all nodes of a state."""
    nodes: dict[bytes, bytes] = {}
    state = HexaryTrie(nodes)
    for address, account in accounts.items():
        storage = HexaryTrie(nodes)
        for slot, value in account.storage.items():
            storage[keccak256(slot.to_bytes(32, "big"))] = rlp.encode(quantity(value))
        state[keccak256(address)] = rlp.encode(
            [quantity(account.nonce), quantity(account.balance), storage.root_hash, keccak256(account.code)]
        )
    return state.root_hash, list(nodes.values())


def transaction(
    nonce: int = 0,
    to: bytes = TARGET,
    gas: int = 100_000,
    value: int = 0,
    data: bytes = b"",
    chain_id: int = CHAIN_ID,
    key: Any = SENDER_KEY,
) -> list[bytes]:
    """A signed legacy transaction (EIP-155), as the items of its RLP."""
    items = [quantity(nonce), quantity(10), quantity(gas), to, quantity(value), data]
    digest = keccak256(rlp.encode([*items, quantity(chain_id), b"", b""]))
    v, r, s = key.sign_msg_hash(digest).vrs
    return [*items, quantity(v + 35 + 2 * chain_id), quantity(r), quantity(s)]


def header(number: int, parent_hash: bytes, state_root: bytes, **changes: bytes) -> list[bytes]:
    """The items of a Shanghai header whose parent was exactly at its gas target."""
    fields = {
        "parent_hash": parent_hash,
        "uncles_hash": EMPTY_UNCLES,
        "coinbase": COINBASE,
        "state_root": state_root,
        "transactions_root": EMPTY_ROOT,
        "receipts_root": EMPTY_ROOT,
        "logs_bloom": bytes(256),
        "difficulty": b"",
        "number": quantity(number),
        "gas_limit": quantity(GAS_LIMIT),
        "gas_used": quantity(GAS_LIMIT // 2),
        "timestamp": quantity(1_000 + number),
        "extra_data": b"",
        "mix_hash": bytes(32),
        "nonce": bytes(8),
        "base_fee": quantity(BASE_FEE),
        "withdrawals_root": EMPTY_ROOT,
    }
    return list({**fields, **changes}.values())


def synthetic_block(
    accounts: dict[bytes, Account],
    transactions: Sequence[list[bytes]] = (),
    withdrawals: Sequence[tuple[bytes, int]] = (),
    ancestors: int = 1,
    number: int = 300,
) -> BlockWitness:
    """A Shanghai block over `accounts`, with this many ancestor headers. withdrawals: address, Gwei."""
    root, nodes = state_trie(accounts)
    headers: list[bytes] = []
    for at in range(number - ancestors, number):
        parent = keccak256(headers[-1]) if headers else b"\x07" * 32
        headers.append(rlp.encode(header(at, parent, root)))
    paid = [[quantity(index), b"", address, quantity(amount)] for index, (address, amount) in enumerate(withdrawals)]
    own = header(
        number,
        keccak256(headers[-1]) if headers else b"\x07" * 32,
        bytes(32),
        transactions_root=list_root([rlp.encode(items) for items in transactions]),
        withdrawals_root=list_root([rlp.encode(items) for items in paid]),
    )
    encoded = rlp.encode(own)
    return BlockWitness(
        chain_id=CHAIN_ID,
        number=number,
        hash=keccak256(encoded),
        block=rlp.encode([own, list(transactions), [], paid]),
        witness=Witness(
            state=nodes, codes=[account.code for account in accounts.values() if account.code], headers=headers
        ),
        chain_config=json.dumps(CONFIG).encode(),
    )


def with_config(content: BlockWitness, **changes: Any) -> BlockWitness:
    """The same with a changed chain config."""
    return replace(content, chain_config=json.dumps({**CONFIG, **changes}).encode())


def pre_state_root(content: BlockWitness) -> bytes:
    """The root in the parent's header."""
    items: list[bytes] = rlp.decode(bytes(content.witness.headers[-1]))
    return items[3]
