"""Transactions: of another type, sender or recipient; gas, prices and value at boundaries; what may not be included."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from verifier.executors.stateful.embedded.signing import ACCESS_LIST, BLOB, DYNAMIC_FEE, LEGACY, SET_CODE

from ..draft import GWEI, Draft, TransactionDraft
from ..material import Material
from ..programs import init_code
from ..signatures import TAMPERINGS
from ..values import ABSENT, address, at_least, nudged, rarely, replaced, word
from ..wallets import CONTRACTS, COUNT
from ..world import base_fee
from . import authorizations, blobs, calldata

MOST = 8  # transactions
GASES = (20_999, 21_000, 21_001, 25_000, 53_000, 53_001, 60_000, 100_000, 300_000, 600_000)
EXTREME_GASES = (
    (1 << 24) - 1,
    1 << 24,
    (1 << 24) + 1,
    30_000_000,
    30_000_001,
    (1 << 63) - 1,
    1 << 63,
    (1 << 64) - 1,
    1 << 64,
)


def new(random: Random, fork: str, material: Material) -> TransactionDraft:
    """A transaction that mostly may be included."""
    sender = random.randrange(3) if rarely(random, 0.9) else random.randrange(COUNT)
    transaction = TransactionDraft(sender, random.choice((LEGACY, ACCESS_LIST, DYNAMIC_FEE)), _recipient(random, fork))
    choice = random.random()
    if choice < 0.15:
        return replace(transaction, to=b"", data=init_code(random, fork), gas=500_000)
    if choice < 0.4:
        return calldata.precompile_call(transaction, random, fork)
    if choice < 0.5 and at_least(fork, "cancun"):
        return blobs.with_blobs(transaction, random, fork)
    if choice < 0.65 and at_least(fork, "prague"):
        return authorizations.with_authorizations(transaction, random, fork)
    if rarely(random, 0.3):
        transaction = replace(transaction, value=random.choice((1, 10**9, 10**18)))
    if material.data and rarely(random, 0.2):
        transaction = replace(transaction, data=random.choice(material.data))
    return transaction


def add(draft: Draft, random: Random, material: Material) -> Draft:
    """One more, one fewer, or the same again."""
    transactions = list(draft.transactions)
    if len(transactions) >= MOST or (len(transactions) > 1 and rarely(random, 0.3)):
        del transactions[random.randrange(len(transactions))]
    elif transactions and rarely(random, 0.3):
        transactions.insert(random.randint(0, len(transactions)), random.choice(transactions))
    else:
        transactions.insert(random.randint(0, len(transactions)), new(random, draft.fork, material))
    return replace(draft, transactions=tuple(transactions))


def mutate(draft: Draft, random: Random, material: Material) -> Draft:
    """One of them; now and then so that it may not be included."""
    if not draft.transactions:
        return add(draft, random, material)
    index = random.randrange(len(draft.transactions))
    transaction = draft.transactions[index]
    if rarely(random, 0.12):
        changed = _refusable(transaction, random, draft)
        return replace(draft, transactions=replaced(draft.transactions, index, changed), with_refused=True)
    changed = random.choice(CHANGES)(transaction, random, draft)
    return replace(draft, transactions=replaced(draft.transactions, index, changed))


def _recipient(random: Random, fork: str) -> bytes:
    return random.choice(CONTRACTS) if rarely(random, 0.75) else address(random, fork)


def _gas(transaction: TransactionDraft, random: Random, draft: Draft) -> TransactionDraft:
    return replace(transaction, gas=random.choice((*GASES, nudged(random, transaction.gas, 1_000_000))))


def _price(transaction: TransactionDraft, random: Random, draft: Draft) -> TransactionDraft:
    fee = base_fee(draft.environment)
    price = random.choice((fee, fee + 1, fee * 2, 100 * GWEI))
    priority = random.choice((0, 1, price - 1, price)) if price else 0
    return replace(transaction, price=price, priority=min(priority, price))


def _value(transaction: TransactionDraft, random: Random, draft: Draft) -> TransactionDraft:
    return replace(
        transaction, value=random.choice((0, 1, 2300, 10**9, 10**18, nudged(random, transaction.value, 10**20)))
    )


def _kind(transaction: TransactionDraft, random: Random, draft: Draft) -> TransactionDraft:
    kind = random.choice((LEGACY, ACCESS_LIST, DYNAMIC_FEE, BLOB, SET_CODE))
    if kind == BLOB and at_least(draft.fork, "cancun"):
        return blobs.with_blobs(transaction, random, draft.fork)
    if kind == SET_CODE and at_least(draft.fork, "prague"):
        return authorizations.with_authorizations(transaction, random, draft.fork)
    kind = kind if kind <= DYNAMIC_FEE else LEGACY
    return replace(transaction, kind=kind, protected=rarely(random, 0.7), blob_hashes=(), authorizations=())


def _to(transaction: TransactionDraft, random: Random, draft: Draft) -> TransactionDraft:
    if transaction.kind <= DYNAMIC_FEE and rarely(random, 0.2):
        return replace(transaction, to=b"", data=init_code(random, draft.fork), gas=max(transaction.gas, 300_000))
    return replace(transaction, to=_recipient(random, draft.fork))


def _sender(transaction: TransactionDraft, random: Random, draft: Draft) -> TransactionDraft:
    return replace(transaction, sender=random.randrange(COUNT))


CHANGES: tuple[Callable[[TransactionDraft, Random, Draft], TransactionDraft], ...] = (
    _gas, _price, _value, _kind, _to, _to, _sender,
)  # fmt: skip


def _refusable(transaction: TransactionDraft, random: Random, draft: Draft) -> TransactionDraft:
    """The transaction with something that may keep it out of a block."""
    fee = base_fee(draft.environment)
    ways: tuple[Callable[[], TransactionDraft], ...] = (
        lambda: replace(transaction, nonce_offset=random.choice((-1, 1, 2, 1 << 63, (1 << 64) - 1))),
        lambda: replace(transaction, gas=random.choice((*GASES[:5], *EXTREME_GASES))),
        lambda: replace(transaction, price=max(0, fee - 1), priority=0),
        lambda: replace(transaction, priority=transaction.price + 1),
        lambda: replace(transaction, price=random.choice((1 << 64, 1 << 128, 1 << 255, (1 << 256) - 1))),
        lambda: replace(transaction, value=random.choice((1 << 128, (1 << 256) - 1, 1 << 256, word(random)))),
        lambda: replace(transaction, sender=random.choice((3, 4, 5, 6)), value=10**18),
        lambda: replace(transaction, chain=random.choice((0, 2, 1 << 63, 1 << 64))),
        lambda: replace(transaction, tampering=random.choice(sorted(TAMPERINGS))),
        lambda: replace(transaction, to=random.choice((b"", ABSENT[:19], ABSENT + b"\1"))),
        lambda: replace(transaction, to=b"", data=bytes(random.choice((49152, 49153))), gas=1_000_000),
        lambda: replace(transaction, data=b"\1" * random.choice((1000, 2000)), gas=random.choice((30_000, 61_000))),
        lambda: replace(transaction, kind=BLOB, blob_hashes=random.choice(blobs.wrong_hashes(draft.fork))),
        lambda: replace(transaction, kind=BLOB, blob_hashes=(blobs.HASH,), blob_price=0),
        lambda: replace(transaction, kind=SET_CODE, authorizations=()),
        lambda: replace(transaction, kind=SET_CODE, to=b""),
        lambda: replace(transaction, kind=random.choice((5, 0x7F))),
    )
    return random.choice(ways)()
