"""What drafts are made from besides chance: codes, calldata and pre-states of bundled contracts and given fixtures."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from verifier.executors.stateful.embedded.sample_contracts import (
    CONTRACTS,
    EPHEMERAL,
    LEADING_ZEROS,
    MORTAL_INIT,
    WRITER_INIT,
)
from verifier.executors.stateful.genesis import GenesisAccount
from verifier.services.conformance.case import Case
from verifier.services.conformance.loaders.errors import FixtureError
from verifier.services.conformance.loaders.networks import forks_of
from verifier.services.conformance.suite import load_cases
from verifier.services.reproduction.transaction import FIELDS, Transaction, block_transactions, decode_transaction
from witness.errors import EncodingError
from witness.header import decode_block_header

from .draft import AuthorizationDraft, Draft, Environment, TransactionDraft
from .values import at_least
from .world import standing_accounts

MOST_CODE = 4096  # bytes of a code that is worth changing
MOST_DATA = 4096
MOST_ACCOUNTS, MOST_TRANSACTIONS = 24, 8
MOST_GAS = 1_000_000  # of a transaction: clients that are slow have to execute it too
MOST_CASES = 2000  # of given fixtures, evenly taken


@dataclass(frozen=True)
class Material:
    """Drafts to start from, and codes and calldata to put into others."""

    drafts: tuple[Draft, ...] = ()
    codes: tuple[bytes, ...] = ()
    data: tuple[bytes, ...] = ()


def bundled_material() -> Material:
    """What comes with this package."""
    codes = (*(code for _, code in CONTRACTS.values()), LEADING_ZEROS)
    return Material(codes=codes, data=(EPHEMERAL, MORTAL_INIT, WRITER_INIT))


def material_of(paths: Sequence[Path], forks: Sequence[str]) -> Material:
    """Bundled material and that of fixtures. forks: to which drafts are restricted. What is broken is passed over."""
    bundled = bundled_material()
    cases = list(_cases(paths))
    chosen = cases[:: max(1, -(-len(cases) // MOST_CASES))]
    drafts = [draft for case in chosen for draft in _drafts(case, forks)]
    codes = {account.code for draft in drafts for account in draft.accounts.values() if account.code}
    data = {transaction.data for draft in drafts for transaction in draft.transactions if transaction.data}
    return Material(tuple(drafts), (*bundled.codes, *sorted(codes)), (*bundled.data, *sorted(data)))


def _cases(paths: Sequence[Path]) -> Iterator[Case]:
    for path in paths:
        for case in load_cases(path):
            if isinstance(case, Case) and case.genesis is not None and len(case.blocks) <= MOST_TRANSACTIONS:
                yield case


def _drafts(case: Case, forks: Sequence[str]) -> Iterator[Draft]:
    """The first block that has transactions, as a draft on the same accounts; transactions by senders of ours."""
    try:
        fork = forks_of(case.name.network)[0]
    except FixtureError:
        return
    assert case.genesis is not None
    if not at_least(fork, "shanghai"):
        fork = forks[0]
    if fork not in forks:
        return
    for block in case.blocks:
        try:
            header = decode_block_header(block.encoded)
            encoded = block_transactions(block.encoded)
        except EncodingError:
            continue
        transactions = tuple(islice(_transactions(encoded), MOST_TRANSACTIONS))
        if transactions:
            accounts = dict(islice(_accounts(case, fork), MOST_ACCOUNTS))
            environment = Environment(
                coinbase=header.coinbase, random=header.mix_hash, step=max(1, min(header.timestamp, 1 << 32))
            )
            yield Draft(fork, accounts, transactions, environment)
            return


def _accounts(case: Case, fork: str) -> Iterator[tuple[bytes, GenesisAccount]]:
    assert case.genesis is not None
    standing = standing_accounts(fork)
    for address, account in case.genesis.accounts.items():
        # Storage without code or nonce cannot come about (EIP-7610).
        possible = account.code or account.nonce or not account.storage
        if address not in standing and len(account.code) <= MOST_CODE and possible:
            yield address, account


def _transactions(encoded: Iterable[bytes]) -> Iterator[TransactionDraft]:
    for index, each in enumerate(encoded):
        try:
            transaction = decode_transaction(each)
        except EncodingError:
            continue
        if len(transaction.fields["data"]) <= MOST_DATA:
            yield _draft_of(transaction, index % 3)


def _draft_of(transaction: Transaction, sender: int) -> TransactionDraft:
    fields = transaction.fields
    kind = transaction.kind if transaction.kind in FIELDS else 0
    return TransactionDraft(
        sender=sender,
        kind=kind,
        to=bytes(fields["to"]),
        data=bytes(fields["data"]),
        value=min(fields["value"], 10**20),
        gas=min(fields["gas"], MOST_GAS),
        access_list=tuple(
            (bytes(address), tuple(int.from_bytes(slot, "big") for slot in slots))
            for address, slots in fields.get("access_list", ())
        ),
        blob_hashes=tuple(bytes(each) for each in fields.get("blobs", ())),
        authorizations=tuple(
            AuthorizationDraft(index % 7, bytes(each[1]), int.from_bytes(each[2], "big") % (1 << 64))
            for index, each in enumerate(fields.get("authorizations", ()))
        ),
    )
