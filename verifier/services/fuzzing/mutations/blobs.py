"""Blob transactions (EIP-4844): numbers of blobs at the forks' limits, hashes, prices."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from verifier.executors.stateful.embedded.sample_contracts import ADDRESSES
from verifier.executors.stateful.embedded.signing import BLOB

from ..draft import Draft, TransactionDraft
from ..material import Material
from ..values import at_least, rarely, replaced

HASH = b"\1" + b"\xb1" * 31
MOST = {"cancun": 6, "prague": 9, "osaka": 6}  # of a transaction


def mutate(draft: Draft, random: Random, material: Material) -> Draft:
    """One transaction becomes one with blobs, or has others."""
    if not draft.transactions or not at_least(draft.fork, "cancun"):
        return draft
    index = random.randrange(len(draft.transactions))
    changed = with_blobs(draft.transactions[index], random, draft.fork)
    return replace(draft, transactions=replaced(draft.transactions, index, changed))


def with_blobs(transaction: TransactionDraft, random: Random, fork: str) -> TransactionDraft:
    """The transaction with blobs, as many as there may be or fewer."""
    most = MOST.get(fork, 6)
    count = random.choice((1, 1, 2, 3, most))
    hashes = tuple(b"\1" + random.randbytes(31) if rarely(random, 0.5) else HASH for _ in range(count))
    to = ADDRESSES["blobs"] if rarely(random, 0.3) else transaction.to or ADDRESSES["blobs"]
    price = random.choice((10**10, 10**12))
    return replace(transaction, kind=BLOB, to=to, blob_hashes=hashes, blob_price=price, authorizations=())


def wrong_hashes(fork: str) -> Sequence[tuple[bytes, ...]]:
    """Blobs that no transaction of a fork may have: none, too many, of another version or length."""
    too_many = MOST.get(fork, 6) + 1
    return (
        (), (HASH,) * too_many, (HASH,) * 22, (b"\0" + HASH[1:],), (HASH, b"\2" + HASH[1:]), (HASH[:31],),
        (HASH + b"\1",),
    )  # fmt: skip
