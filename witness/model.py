"""The data of a block and its witness, as plain frozen values.

No I/O, no decoding: see `header`, `file` and `formats` for where these come from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Octets = bytes | memoryview
"""Read-only bytes: owned, or a view into a mapped file that lives as long as its reader."""


@dataclass(frozen=True, slots=True)
class Header:
    """An execution block header. Hashes 32 bytes, addresses 20; quantities as integers.

    None where the fork lacks a field. `hash` is keccak-256 of the RLP. Source: yellow paper 4.3.3 and
    the EIPs named per field.
    """

    hash: bytes
    parent_hash: bytes
    uncles_hash: bytes
    coinbase: bytes
    state_root: bytes
    transactions_root: bytes
    receipts_root: bytes
    logs_bloom: bytes  # 256 bytes
    difficulty: int
    number: int
    gas_limit: int
    gas_used: int
    timestamp: int  # seconds
    extra_data: bytes
    mix_hash: bytes  # prevRandao from Paris on (EIP-4399)
    nonce: bytes  # 8 bytes
    base_fee: int | None = None  # wei, EIP-1559
    withdrawals_root: bytes | None = None  # EIP-4895
    blob_gas_used: int | None = None  # EIP-4844
    excess_blob_gas: int | None = None  # EIP-4844
    parent_beacon_block_root: bytes | None = None  # EIP-4788
    requests_hash: bytes | None = None  # EIP-7685
    block_access_list_hash: bytes | None = None  # EIP-7928
    slot_number: int | None = None  # EIP-7843
    unknown_fields: int = 0  # further fields, of forks that this version does not know


@dataclass(frozen=True, slots=True)
class Witness:
    """Trie nodes (account and storage tries together), contract codes, ancestor headers (RLP, ascending, parent last).

    Source: execution-specs `ExecutionWitness`. Complete = it proves every read, and
    holds the siblings that root recomputation needs.
    """

    state: Sequence[Octets]
    codes: Sequence[Octets]
    headers: Sequence[Octets]


@dataclass(frozen=True, slots=True)
class PreAccount:
    """An account before the block. balance: wei. storage_root, code_hash: 32 bytes. slots: key (32 bytes) → value.

    A slot that is not in `slots` is unknown, unless storage_root is the empty trie's: then it is zero.
    """

    nonce: int
    balance: int
    storage_root: bytes
    code_hash: bytes
    slots: Mapping[bytes, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PostAccount:
    """An account that the block changed, as it is after it. slots: those that changed, key (32 bytes) → value."""

    nonce: int
    balance: int
    code_hash: bytes
    slots: Mapping[bytes, int] = field(default_factory=dict)


PreState = Mapping[bytes, PreAccount | None]
"""Address (20 bytes) → the account before the block; None: there is none. An address that is not in it is unknown."""

PostState = Mapping[bytes, PostAccount | None]
"""Address (20 bytes) → the account after the block, of every account that changed; None: the block deleted it."""


@dataclass(frozen=True, slots=True)
class BlockWitness:
    """One block with all that a stateless client needs to execute it: the content of one witness file.

    block: RLP `[header, transactions, uncles, withdrawals?]`. chain_config: geth-genesis `config` JSON (UTF-8).
    prestate, poststate: RLP, see `prestate`; expected, producer, claims: JSON, see docs/witness-format.md. extra:
    sections of other kinds, kept as they are.
    """

    chain_id: int
    number: int
    hash: bytes
    block: Octets
    witness: Witness
    chain_config: Octets
    prestate: Octets | None = None
    poststate: Octets | None = None
    expected: Octets | None = None
    producer: Octets | None = None
    claims: Octets | None = None
    extra: dict[int, Octets] = field(default_factory=dict)
