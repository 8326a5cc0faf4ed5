"""The genesis block and the tries of its state."""

import rlp
from eth.rlp.accounts import Account
from trie.hexary import HexaryTrie

from verifier.errors import InputError
from witness.header import keccak256

from ..genesis import STATE_ROOT_INDEX, Genesis, GenesisAccount

SLOT_LENGTH = 32


def _account_rlp(account: GenesisAccount, nodes: dict[bytes, bytes]) -> bytes:
    storage = HexaryTrie(nodes)
    for slot, value in account.storage.items():
        if value:
            storage[keccak256(slot.to_bytes(SLOT_LENGTH, "big"))] = rlp.encode(value)
    code_hash = keccak256(account.code)
    if account.code:
        nodes[code_hash] = account.code
    encoded: bytes = rlp.encode(
        Account(nonce=account.nonce, balance=account.balance, storage_root=storage.root_hash, code_hash=code_hash)
    )
    return encoded


def build_genesis(genesis: Genesis) -> tuple[bytes, dict[bytes, bytes]]:
    """The genesis header's RLP, and the trie nodes and codes of the state by hash.

    Raises InputError if the header states a state root that the accounts do not give.
    """
    nodes: dict[bytes, bytes] = {}
    accounts = HexaryTrie(nodes)
    for address, account in genesis.accounts.items():
        accounts[keccak256(address)] = _account_rlp(account, nodes)
    fields = list(genesis.header_fields)
    stated = fields[STATE_ROOT_INDEX]
    if stated is None:
        fields[STATE_ROOT_INDEX] = accounts.root_hash
    elif stated != accounts.root_hash:
        raise InputError(
            f"the genesis header states the state root 0x{stated.hex()}, its accounts give 0x{accounts.root_hash.hex()}"
        )
    return rlp.encode(fields), nodes


def genesis_hash(genesis: Genesis) -> bytes:
    """The hash of the genesis block, 32 bytes. Raises InputError, see `build_genesis`."""
    return keccak256(build_genesis(genesis)[0])
