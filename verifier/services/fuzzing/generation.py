"""Draft after draft, from a seed: new ones, and changed ones of those that led somewhere new.

A draft depends on the seed, its number, and the drafts that it is made from, so that a campaign can go on anywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from verifier.executors.stateful.genesis import GenesisAccount

from .bytecode import assemble
from .draft import Draft
from .material import Material
from .mutations import environments, faults, mutated, transactions
from .programs import program
from .values import rarely, slot, word
from .wallets import CONTRACTS

NEW = 0.2  # of all drafts, once there are others to change
FROM_MATERIAL = 0.4  # of the new ones, where there is any
RECENT = 0.4  # how often one of the latest is changed, and not any
LATEST = 32


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a draft comes from. parents: numbers of the drafts that it is made from, at most two."""

    number: int
    parents: tuple[int, ...] = ()


class Generator:
    """Drafts by number. seed: any text. forks: of drafts, in turn."""

    def __init__(self, seed: str, forks: Sequence[str], material: Material) -> None:
        self._seed = seed
        self._forks = tuple(forks)
        self._material = material

    def choose(self, number: int, corpus: Sequence[int]) -> Origin:
        """What draft `number` is to be made from. corpus: numbers of the drafts that led somewhere new, in order."""
        random = Random(f"{self._seed}/{number}/origin")  # noqa: S311 - to be repeated
        if not corpus or rarely(random, NEW):
            return Origin(number)
        pool = corpus[-LATEST:] if rarely(random, RECENT) else corpus
        parents = [random.choice(pool)]
        if rarely(random, 0.1):
            parents.append(random.choice(corpus))
        return Origin(number, tuple(parents))

    def draft(self, origin: Origin, parents: Sequence[Draft]) -> Draft:
        """The draft. parents: those of its origin."""
        random = Random(f"{self._seed}/{origin.number}")  # noqa: S311
        if not parents:
            return self._new(random, self._forks[origin.number % len(self._forks)])
        draft = parents[0]
        if rarely(random, 0.1):
            draft = replace(draft, fork=random.choice(self._forks))
        if len(parents) > 1:
            draft = _crossed(draft, parents[1], random)
        return mutated(draft, random, self._material)

    def _new(self, random: Random, fork: str) -> Draft:
        if self._material.drafts and rarely(random, FROM_MATERIAL):
            given = random.choice(self._material.drafts)
            return mutated(given, random, self._material) if rarely(random, 0.7) else given
        accounts = {address: _account(random, fork) for address in CONTRACTS[: random.randint(1, len(CONTRACTS))]}
        count = random.choice((1, 1, 2, 2, 3, 4))
        draft = Draft(fork, accounts, tuple(transactions.new(random, fork, self._material) for _ in range(count)))
        if rarely(random, 0.4):
            draft = environments.mutate(draft, random, self._material)
        if rarely(random, 0.15):
            draft = transactions.mutate(replace(draft, with_refused=True), random, self._material)
        if rarely(random, 0.1):
            draft = faults.mutate(draft, random, self._material)
        return draft


def _account(random: Random, fork: str) -> GenesisAccount:
    storage = {slot(random): word(random) for _ in range(random.randrange(4))}
    storage = {key: value for key, value in storage.items() if value}
    balance = random.choice((0, 0, 1, 10**18))
    return GenesisAccount(balance, 1, assemble(program(random, fork)), storage)


def _crossed(draft: Draft, other: Draft, random: Random) -> Draft:
    """The draft with some accounts and transactions of another."""
    accounts = dict(draft.accounts)
    for address in sorted(other.accounts):
        if rarely(random, 0.4):
            accounts[address] = other.accounts[address]
    taken = tuple(each for each in other.transactions if rarely(random, 0.4))
    return replace(draft, accounts=accounts, transactions=(*draft.transactions, *taken)[-transactions.MOST :])
