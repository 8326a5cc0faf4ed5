"""Set-code transactions (EIP-7702): authorizations that hold, and those that are passed over."""

from dataclasses import replace
from random import Random

from verifier.executors.stateful.embedded.signing import SET_CODE

from ..draft import AuthorizationDraft, Draft, TransactionDraft
from ..material import Material
from ..signatures import TAMPERINGS
from ..values import address, at_least, rarely, replaced
from ..wallets import CHAIN_ID, CONTRACTS, COUNT, wallets

NONCES = (0, 1, (1 << 64) - 2, (1 << 64) - 1)
MOST = 4


def mutate(draft: Draft, random: Random, material: Material) -> Draft:
    """One transaction becomes one with authorizations, or has others."""
    if not draft.transactions or not at_least(draft.fork, "prague"):
        return draft
    index = random.randrange(len(draft.transactions))
    changed = with_authorizations(draft.transactions[index], random, draft.fork)
    return replace(draft, transactions=replaced(draft.transactions, index, changed))


def with_authorizations(transaction: TransactionDraft, random: Random, fork: str) -> TransactionDraft:
    """The transaction with one authorization more, and perhaps without one of those that it had."""
    had = list(transaction.authorizations)
    if had and rarely(random, 0.3):
        del had[random.randrange(len(had))]
    for _ in range(random.choice((1, 1, 2))):
        had.append(_authorization(transaction, random, fork))
    authorities = [wallets()[each.authority].address for each in had]
    to = random.choice(authorities) if rarely(random, 0.4) else transaction.to or random.choice(CONTRACTS)
    gas = max(transaction.gas, 300_000)
    return replace(transaction, kind=SET_CODE, to=to, authorizations=tuple(had[-MOST:]), blob_hashes=(), gas=gas)


def _authorization(transaction: TransactionDraft, random: Random, fork: str) -> AuthorizationDraft:
    authority = random.randrange(COUNT)
    nonce = wallets()[authority].account.nonce
    if authority == transaction.sender:  # it has gone up when the authorization is looked at
        nonce += 1
    if rarely(random, 0.2):
        nonce = random.choice((*NONCES, nonce + 1))
    target = bytes(20) if rarely(random, 0.15) else address(random, fork)
    return AuthorizationDraft(
        authority,
        target,
        min(nonce, (1 << 64) - 1),
        random.choice((0, 0, CHAIN_ID, CHAIN_ID, 2, (1 << 256) - 1) if rarely(random, 0.3) else (0, CHAIN_ID)),
        random.choice(sorted(TAMPERINGS)) if rarely(random, 0.1) else "",
    )
