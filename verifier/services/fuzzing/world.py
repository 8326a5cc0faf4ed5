"""The chain that a generated block stands on: a genesis block that is its parent, of the fork's own rules."""

from dataclasses import replace
from functools import cache
from hashlib import sha256

from verifier.executors.stateful.embedded.sample_contracts import CONTRACTS, DEPOSITS
from verifier.executors.stateful.embedded.system_contracts import AMSTERDAM_CONTRACTS, SYSTEM_CONTRACTS
from verifier.executors.stateful.genesis import Genesis, GenesisAccount
from verifier.services.conformance.loaders.networks import network_config, network_of
from witness.chain_config import ChainConfig
from witness.header import keccak256

from .draft import Draft, Environment
from .values import DEPOSIT_CONTRACT, at_least
from .wallets import DELEGATION, wallets

GENESIS_TIME = 1_000  # seconds
EMPTY_TRIE_ROOT = keccak256(b"\x80")
EMPTY_LIST_HASH = keccak256(b"\xc0")
EMPTY_REQUESTS_HASH = sha256(b"").digest()
GAS_PER_BLOB = 1 << 17
NOTHING = GenesisAccount()


@cache
def chain_config(fork: str) -> ChainConfig:
    """The rules of a fork from the first block on, as fixtures have them."""
    return network_config(network_of(fork))


@cache
def standing_accounts(fork: str) -> dict[bytes, GenesisAccount]:
    """What every pre-state has: wallets, system contracts, and a contract each for what clients can get wrong."""
    codes = dict(CONTRACTS.values()) | {DEPOSIT_CONTRACT: DEPOSITS}
    if at_least(fork, "cancun"):
        codes |= SYSTEM_CONTRACTS
    if at_least(fork, "amsterdam"):
        codes |= AMSTERDAM_CONTRACTS
    accounts = {address: GenesisAccount(nonce=1, code=code) for address, code in codes.items()}
    return accounts | {wallet.address: wallet.account for wallet in wallets()}


def genesis_of(draft: Draft) -> Genesis:
    """The genesis block of a draft. No account in it is empty (EIP-7523), or delegates before it can (EIP-7702)."""
    accounts = standing_accounts(draft.fork) | dict(draft.accounts)
    if not at_least(draft.fork, "prague"):
        accounts = {address: _undelegated(account) for address, account in accounts.items()}
    accounts = {address: accounts[address] for address in sorted(accounts) if not _is_empty(accounts[address])}
    return Genesis(chain_config(draft.fork), header_fields(draft.fork, draft.environment), accounts)


def _undelegated(account: GenesisAccount) -> GenesisAccount:
    """Without a delegation: a draft of a later fork may have been moved to this one."""
    return replace(account, code=b"") if account.code.startswith(DELEGATION) else account


def _is_empty(account: GenesisAccount) -> bool:
    return not (account.balance or account.nonce or account.code)


def header_fields(fork: str, environment: Environment) -> tuple[bytes | None, ...]:
    """The items of the genesis block's header, its state root left open."""
    fields: list[bytes | None] = [
        bytes(32),
        EMPTY_LIST_HASH,
        bytes(20),
        None,
        EMPTY_TRIE_ROOT,
        EMPTY_TRIE_ROOT,
        bytes(256),
        b"",
        b"",
        _octets(environment.gas_limit),
        _octets(min(environment.parent_gas_used, environment.gas_limit)),
        _octets(GENESIS_TIME),
        b"",
        bytes(32),
        bytes(8),
        _octets(environment.parent_base_fee),
        EMPTY_TRIE_ROOT,
    ]
    if at_least(fork, "cancun"):
        fields += [_octets(environment.parent_blob_gas_used), _octets(environment.parent_excess_blob_gas), bytes(32)]
    if at_least(fork, "prague"):
        fields.append(EMPTY_REQUESTS_HASH)
    if at_least(fork, "amsterdam"):
        fields.append(EMPTY_LIST_HASH)
    return tuple(fields)


def _octets(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def base_fee(environment: Environment) -> int:
    """The block's base fee, in wei (EIP-1559)."""
    target = environment.gas_limit // 2
    used, before = min(environment.parent_gas_used, environment.gas_limit), environment.parent_base_fee
    change = before * abs(used - target) // target // 8
    return before + max(change, 1) if used > target else before - change if used < target else before
