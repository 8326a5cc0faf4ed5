"""Signed transactions of every type, from plain values. Deterministic (RFC 6979)."""

from dataclasses import dataclass, field
from typing import Any

import rlp
from eth_keys.datatypes import PrivateKey

from witness.header import keccak256

LEGACY, ACCESS_LIST, DYNAMIC_FEE, BLOB, SET_CODE = range(5)
AUTHORIZATION_MAGIC = b"\x05"  # EIP-7702


@dataclass(frozen=True, slots=True)
class Call:
    """What a transaction does. to: 20 bytes, empty to create; gas and prices in gas units and wei.

    access_list: (address, slots); authorizations: encoded ones, see `Wallet.authorize`.
    """

    to: bytes = b""
    data: bytes = b""
    value: int = 0
    gas: int = 1_000_000
    price: int = 10**10
    priority: int = 10**9
    access_list: tuple[tuple[bytes, tuple[int, ...]], ...] = ()
    blob_hashes: tuple[bytes, ...] = ()
    blob_price: int = 1000
    authorizations: tuple[Any, ...] = ()


@dataclass
class Wallet:
    """A key with the nonce of its next transaction."""

    secret: bytes
    chain_id: int
    nonce: int = 0
    _key: PrivateKey = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._key = PrivateKey(self.secret)

    @property
    def address(self) -> bytes:
        """20 bytes."""
        return bytes(self._key.public_key.to_canonical_address())

    def sign(self, kind: int, call: Call, *, protected: bool = True) -> bytes:
        """The encoding of the next transaction (EIP-2718). protected: a legacy one names the chain (EIP-155)."""
        nonce, self.nonce = self.nonce, self.nonce + 1
        if kind == LEGACY:
            return self._legacy(nonce, call, protected=protected)
        fields: list[Any] = [self.chain_id, nonce]
        fields += [call.price] if kind == ACCESS_LIST else [call.priority, call.price]
        access = [[address, [slot.to_bytes(32, "big") for slot in slots]] for address, slots in call.access_list]
        fields += [call.gas, call.to, call.value, call.data, access]
        if kind == BLOB:
            fields += [call.blob_price, list(call.blob_hashes)]
        if kind == SET_CODE:
            fields.append(list(call.authorizations))
        prefix = bytes([kind])
        parity, r, s = self._signature(keccak256(prefix + rlp.encode(fields)))
        return prefix + bytes(rlp.encode([*fields, parity, r, s]))

    def authorize(self, address: bytes, nonce: int) -> list[Any]:
        """An authorization to run the code of `address` as one's own (EIP-7702). nonce: this account's at that time."""
        fields = [self.chain_id, address, nonce]
        return [*fields, *self._signature(keccak256(AUTHORIZATION_MAGIC + rlp.encode(fields)))]

    def _legacy(self, nonce: int, call: Call, *, protected: bool) -> bytes:
        fields = [nonce, call.price, call.gas, call.to, call.value, call.data]
        domain = [self.chain_id, 0, 0] if protected else []
        parity, r, s = self._signature(keccak256(rlp.encode(fields + domain)))
        v = parity + (35 + 2 * self.chain_id if protected else 27)
        return bytes(rlp.encode([*fields, v, r, s]))

    def _signature(self, digest: bytes) -> tuple[int, int, int]:
        signature = self._key.sign_msg_hash(digest)
        return signature.v, signature.r, signature.s


def created_address(sender: bytes, nonce: int) -> bytes:
    """The address of the contract that a transaction with this nonce creates."""
    return keccak256(rlp.encode([sender, nonce]))[-20:]
