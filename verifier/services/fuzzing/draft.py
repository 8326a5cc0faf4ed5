"""A block before it is built: a pre-state, an environment, transactions, and what is wrong with it on purpose."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from verifier.executors.stateful.genesis import GenesisAccount

GWEI = 10**9
BASE_FEE = 10**9  # wei; of the parent, if nothing else is said
GAS_LIMIT = 30_000_000


@dataclass(frozen=True, slots=True)
class AuthorizationDraft:
    """A signed permission to run another account's code as one's own (EIP-7702).

    authority: index of the wallet that signs. nonce: stated for it. chain: id, 0 for any. tampering: see `signatures`.
    """

    authority: int
    target: bytes
    nonce: int = 0
    chain: int = 0
    tampering: str = ""


@dataclass(frozen=True, slots=True)
class TransactionDraft:
    """A transaction before it is signed. sender: index of the wallet. kind: EIP-2718's, 0 for a legacy one.

    to: 20 bytes, b"" to create. gas, prices: gas units and wei. nonce_offset: from the one that is right. chain: id,
    None for the right one. tampering: see `signatures`.
    """

    sender: int = 0
    kind: int = 2
    to: bytes = b""
    data: bytes = b""
    value: int = 0
    gas: int = 300_000
    price: int = 10 * GWEI
    priority: int = GWEI
    access_list: tuple[tuple[bytes, tuple[int, ...]], ...] = ()
    blob_hashes: tuple[bytes, ...] = ()
    blob_price: int = 10 * GWEI
    authorizations: tuple[AuthorizationDraft, ...] = ()
    nonce_offset: int = 0
    chain: int | None = None
    protected: bool = True
    tampering: str = ""


@dataclass(frozen=True, slots=True)
class Environment:
    """What the block has from elsewhere. parent_*: of the block below it, from which the fees follow.

    withdrawals: (validator, address, gwei). step: seconds from the parent.
    """

    coinbase: bytes = bytes(20)
    step: int = 12
    random: bytes = bytes(32)
    gas_limit: int = GAS_LIMIT
    extra_data: bytes = b""
    beacon_root: bytes = bytes(32)
    withdrawals: tuple[tuple[int, bytes, int], ...] = ()
    parent_base_fee: int = BASE_FEE
    parent_gas_used: int = GAS_LIMIT // 2
    parent_excess_blob_gas: int = 0
    parent_blob_gas_used: int = 0


@dataclass(frozen=True, slots=True)
class HeaderFault:
    """A field of the header that is changed after the block is built. name: of the fault, as `headers` lists them."""

    name: str
    amount: int = 0


@dataclass(frozen=True, slots=True)
class Draft:
    """A block before it is built. fork: this project's name. accounts: besides wallets and system contracts.

    with_refused: whether the first transaction that may not be included is put into the block nevertheless.
    """

    fork: str
    accounts: Mapping[bytes, GenesisAccount] = field(default_factory=dict)
    transactions: tuple[TransactionDraft, ...] = ()
    environment: Environment = Environment()
    with_refused: bool = False
    fault: HeaderFault | None = None
