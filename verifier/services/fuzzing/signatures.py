"""Transactions of drafts, signed; and signatures that are tampered with.

Tampering, of a transaction or an authorization: `high_s` the other s of the same signature (EIP-2), `parity` the other
sign, `large_parity` none that there is, `zero_r`, `zero_s`, `large_r` numbers that no signature has.
"""

from collections.abc import Callable
from typing import Any

import rlp

from verifier.executors.stateful.embedded.signing import LEGACY, SET_CODE, Call

from .draft import AuthorizationDraft, TransactionDraft
from .wallets import CHAIN_ID, wallets

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # of secp256k1
TAMPERINGS: dict[str, Callable[[int, int, int], tuple[int, int, int]]] = {
    "high_s": lambda parity, r, s: (parity ^ 1, r, ORDER - s),
    "parity": lambda parity, r, s: (parity ^ 1, r, s),
    "large_parity": lambda _, r, s: (2, r, s),
    "zero_r": lambda parity, _, s: (parity, 0, s),
    "zero_s": lambda parity, r, _: (parity, r, 0),
    "large_r": lambda parity, _, s: (parity, ORDER, s),
}


def signed(transaction: TransactionDraft, nonce: int) -> bytes:
    """The encoding (EIP-2718) of a transaction. nonce: the right one of its sender."""
    chain = CHAIN_ID if transaction.chain is None else transaction.chain
    wallet = wallets()[transaction.sender].signer(max(0, nonce + transaction.nonce_offset), chain)
    call = Call(
        to=transaction.to,
        data=transaction.data,
        value=transaction.value,
        gas=transaction.gas,
        price=transaction.price,
        priority=transaction.priority,
        access_list=transaction.access_list,
        blob_hashes=transaction.blob_hashes,
        blob_price=transaction.blob_price,
        authorizations=tuple(authorized(each) for each in transaction.authorizations),
    )
    encoded = wallet.sign(transaction.kind, call, protected=transaction.protected)
    return _tampered(encoded, transaction) if transaction.tampering else encoded


def authorized(authorization: AuthorizationDraft) -> list[Any]:
    """The fields of an authorization, signed."""
    wallet = wallets()[authorization.authority].signer(0, authorization.chain)
    fields = wallet.authorize(authorization.target, authorization.nonce)
    if authorization.tampering:
        fields[-3:] = TAMPERINGS[authorization.tampering](*fields[-3:])
    return fields


def _tampered(encoded: bytes, transaction: TransactionDraft) -> bytes:
    prefix, body = (b"", encoded) if transaction.kind == LEGACY else (encoded[:1], encoded[1:])
    fields = list(rlp.decode(body))
    v, r, s = (int.from_bytes(each, "big") for each in fields[-3:])
    if transaction.kind == LEGACY:
        parity, base = (v - 27, 27) if v < 35 else ((v - 35) % 2, v - (v - 35) % 2)
        parity, r, s = TAMPERINGS[transaction.tampering](parity, r, s)
        v = base + parity
    else:
        v, r, s = TAMPERINGS[transaction.tampering](v, r, s)
    fields[-3:] = [each.to_bytes((each.bit_length() + 7) // 8, "big") for each in (v, r, s)]
    return prefix + bytes(rlp.encode(fields))


def has_authorizations(transaction: TransactionDraft) -> bool:
    """Whether its kind has room for them."""
    return transaction.kind == SET_CODE
