"""The pre-state: balances, nonces and storage at boundaries, delegations, accounts more and fewer."""

from dataclasses import replace
from random import Random

from verifier.executors.stateful.genesis import GenesisAccount

from ..draft import Draft
from ..material import Material
from ..values import address, at_least, rarely, slot, word
from ..wallets import CONTRACTS, DELEGATION, wallets

BALANCES = (0, 1, 2, 2299, 10**9, 10**18, (1 << 64) - 1, 1 << 64, (1 << 96) - 1, 1 << 127)
NONCES = (0, 1, 2, (1 << 32) - 1, (1 << 63) - 1, (1 << 64) - 3, (1 << 64) - 2, (1 << 64) - 1)
MOST_ACCOUNTS = 32


def mutate(draft: Draft, random: Random, material: Material) -> Draft:
    """One account's."""
    chosen = random.choice(CONTRACTS) if rarely(random, 0.7) else address(random, draft.fork)
    if any(chosen == wallet.address for wallet in wallets()):
        chosen = random.choice(CONTRACTS)
    if int.from_bytes(chosen, "big") <= 0x100 or (
        chosen not in draft.accounts and len(draft.accounts) >= MOST_ACCOUNTS
    ):
        return draft
    account = draft.accounts.get(chosen)
    if account is not None and rarely(random, 0.1):
        return replace(draft, accounts={key: value for key, value in draft.accounts.items() if key != chosen})
    if account is None and chosen not in CONTRACTS:
        return draft  # what is always there stays as it is
    changed = _changed(account or GenesisAccount(nonce=1), random, draft.fork)
    return replace(draft, accounts={**draft.accounts, chosen: changed})


def _changed(account: GenesisAccount, random: Random, fork: str) -> GenesisAccount:
    choice = random.random()
    if choice < 0.4:
        storage = {**account.storage, slot(random): word(random)}
        if rarely(random, 0.2):
            storage.pop(slot(random), None)
        return replace(
            account, storage={key: value for key, value in storage.items() if value}, nonce=account.nonce or 1
        )
    if choice < 0.65:
        return replace(account, balance=random.choice(BALANCES))
    if choice < 0.85:
        nonce = random.choice(NONCES)
        return replace(account, nonce=nonce if nonce or account.code else 1)
    if at_least(fork, "prague"):
        return replace(account, code=DELEGATION + address(random, fork), nonce=account.nonce or 1)
    return replace(account, code=random.choice((b"\xfe", b"\x00", b"\x5b", account.code)))
