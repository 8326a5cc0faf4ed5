"""Addresses and slots of the state that a block touches, or that some client may touch to execute it.

Clients read differently: one loads every entry of an access list, another looks at an account before it charges for
it, a third touches the caller of system calls. What is collected here is what any of them may ask for.
"""

from collections.abc import Iterator
from typing import Any

import rlp
from eth._utils.address import generate_contract_address
from eth.constants import SYSTEM_ADDRESS
from eth.vm.forks.cancun.constants import BEACON_ROOTS_ADDRESS, HISTORY_BUFFER_LENGTH
from eth.vm.forks.prague.constants import (
    CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    HISTORY_SERVE_WINDOW,
    HISTORY_STORAGE_ADDRESS,
    WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
)
from eth_keys import keys

from machine.completion import Parameters

AUTHORIZATION_MAGIC = b"\x05"  # EIP-7702: what the hash that an authority signs starts with
DELEGATION_PREFIX = b"\xef\x01\x00"  # EIP-7702: the code of an account that delegates, before the address
DELEGATION_LENGTH = 23
REQUEST_SLOTS = range(4)  # EIP-7002, EIP-7251: excess, count, head and tail of the queue
KEY_LENGTH = 32


class Touched:
    """accounts: addresses, 20 bytes. slots: by address, keys as integers; an address here need not be in `accounts`."""

    def __init__(self) -> None:
        self.accounts: set[bytes] = set()
        self.slots: dict[bytes, set[int]] = {}

    def add_slot(self, address: bytes, key: int) -> None:
        """Adds one slot."""
        keys_ = self.slots.get(address)
        if keys_ is None:
            keys_ = self.slots[address] = set()
        keys_.add(key)

    def addresses(self) -> set[bytes]:
        """All accounts, also those of slots."""
        return self.accounts | self.slots.keys()

    def keys_of(self, address: bytes) -> list[bytes]:
        """The keys of an account's slots, 32 bytes each, ascending."""
        return [key.to_bytes(KEY_LENGTH, "big") for key in sorted(self.slots.get(address, ()))]


def add_named(touched: Touched, block: Any, chosen: Parameters, precompiles: Any) -> None:
    """Adds what the block itself names, and what the protocol touches in every block of its fork.

    block: py-evm's. What cannot be told of a broken block (a sender that no signature gives) is left out.
    """
    header = block.header
    touched.accounts.add(header.coinbase)
    touched.accounts.update(uncle.coinbase for uncle in block.uncles)
    touched.accounts.update(withdrawal.address for withdrawal in getattr(block, "withdrawals", ()))
    touched.accounts.update(precompiles)
    for transaction in block.transactions:
        _add_transaction(touched, transaction)
    if chosen.has("cancun"):
        touched.accounts.update((SYSTEM_ADDRESS, BEACON_ROOTS_ADDRESS))
        slot = header.timestamp % HISTORY_BUFFER_LENGTH  # EIP-4788
        touched.add_slot(BEACON_ROOTS_ADDRESS, slot)
        touched.add_slot(BEACON_ROOTS_ADDRESS, slot + HISTORY_BUFFER_LENGTH)
    if chosen.has("prague"):
        requests = (WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS)
        touched.accounts.update((HISTORY_STORAGE_ADDRESS, *requests))
        touched.add_slot(HISTORY_STORAGE_ADDRESS, (header.block_number - 1) % HISTORY_SERVE_WINDOW)  # EIP-2935
        for address in requests:
            for slot in REQUEST_SLOTS:
                touched.add_slot(address, slot)


def _add_transaction(touched: Touched, transaction: Any) -> None:
    if transaction.to:
        touched.accounts.add(transaction.to)
    for address, slots in getattr(transaction, "access_list", ()):
        touched.accounts.add(address)
        for slot in slots:
            touched.add_slot(address, slot)
    touched.accounts.update(_named_by_authorizations(transaction))
    try:
        sender = transaction.sender
    except Exception:
        return  # whatever py-evm raises at a signature that is none
    touched.accounts.add(sender)
    if not transaction.to:
        touched.accounts.add(generate_contract_address(sender, transaction.nonce))


def _named_by_authorizations(transaction: Any) -> Iterator[bytes]:
    try:
        authorizations = transaction.authorization_list
    except (AttributeError, NotImplementedError):
        return  # py-evm's transactions of other types
    for each in authorizations:
        yield each.address
        authority = _authority(each)
        if authority is not None:
            yield authority


def _authority(authorization: Any) -> bytes | None:
    """Who signed an authorization (EIP-7702); None if nobody did: then it has no effect."""
    each = authorization
    message = AUTHORIZATION_MAGIC + rlp.encode([each.chain_id, each.address, each.nonce])
    try:
        signature = keys.Signature(vrs=(each.y_parity, each.r, each.s))
        return bytes(signature.recover_public_key_from_msg(message).to_canonical_address())
    except Exception:
        return None  # whatever eth_keys raises


def add_delegates(touched: Touched, codes: Any) -> None:
    """Adds the addresses that delegating accounts name: those whose code is among `codes` (EIP-7702)."""
    for code in codes:
        if len(code) == DELEGATION_LENGTH and code[: len(DELEGATION_PREFIX)] == DELEGATION_PREFIX:
            touched.accounts.add(bytes(code[len(DELEGATION_PREFIX) :]))
