"""What a difference does not need is left out."""

import asyncio
from dataclasses import replace

from verifier.executors.stateful.genesis import GenesisAccount
from verifier.services.fuzzing.bytecode import disassemble
from verifier.services.fuzzing.draft import Draft, Environment, TransactionDraft
from verifier.services.fuzzing.minimising import Minimiser
from verifier.services.fuzzing.wallets import CONTRACTS

KECCAK, MCOPY = 0x20, 0x5E
CODE = bytes.fromhex("6001600201506020600020506001600160016000" + "5e" + "600054600155" + "00")
DRAFT = Draft(
    "osaka",
    {address: GenesisAccount(1, 1, CODE, {1: 2, 3: 4}) for address in CONTRACTS},
    tuple(TransactionDraft(to=address, data=b"\1" * 50, value=7) for address in CONTRACTS),
    Environment(coinbase=CONTRACTS[0], withdrawals=((0, CONTRACTS[0], 1),), parent_base_fee=7),
)


def _fits(draft: Draft, transaction: TransactionDraft) -> bool:
    account = draft.accounts.get(transaction.to)
    codes = set() if account is None else {each.code for each in disassemble(account.code)}
    return {KECCAK, MCOPY} <= codes and len(transaction.data) > 2


def minimised(draft: Draft, trials: int = 10_000) -> tuple[Draft, int]:
    async def still(candidate: Draft) -> bool:
        return any(_fits(candidate, each) for each in candidate.transactions)

    minimiser = Minimiser(draft, still, trials, lambda: True)
    return asyncio.run(minimiser.run()), minimiser.tried


def test_only_what_it_needs_is_left() -> None:
    smallest, _ = minimised(DRAFT)
    (transaction,) = smallest.transactions
    assert transaction == TransactionDraft(to=transaction.to, data=bytes(3))
    assert smallest.accounts == {transaction.to: GenesisAccount(0, 1, bytes([KECCAK, MCOPY]))}
    assert smallest.environment == Environment()
    assert smallest.fork == "osaka"


def test_it_ends_after_so_many_trials() -> None:
    smallest, tried = minimised(DRAFT, 5)
    assert tried == 5
    assert any(_fits(smallest, each) for each in smallest.transactions)


def test_it_ends_when_it_may_not_go_on() -> None:
    async def still(_: Draft) -> bool:
        return True

    minimiser = Minimiser(DRAFT, still, 100, lambda: False)
    assert asyncio.run(minimiser.run()) == DRAFT
    assert minimiser.tried == 0


def test_nothing_is_left_out_where_everything_is_needed() -> None:
    async def still(_: Draft) -> bool:
        return False

    draft = replace(DRAFT, accounts={})
    assert asyncio.run(Minimiser(draft, still, 1000, lambda: True).run()) == draft
