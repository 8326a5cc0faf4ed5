"""What a block has from elsewhere: fees that follow from its parent, withdrawals, coinbase, time, randomness."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from ..draft import BASE_FEE, GAS_LIMIT, Draft, Environment
from ..material import Material
from ..values import COINBASES, address, octets, rarely, word
from ..wallets import wallets

AMOUNTS = (0, 1, 2, 32 * 10**9, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)  # gwei
BASE_FEES = (1, 7, 8, 1000, BASE_FEE, BASE_FEE, 10**10)
GAS_LIMITS = (GAS_LIMIT, GAS_LIMIT, 5_000_000, 36_000_000, 60_000_000)
EXCESSES = (0, 0, 1, 131_072, 393_216, 786_432, 10_000_000, 40_000_000)
STEPS = (1, 2, 12, 255, 8191, 1 << 31, (1 << 32) - 1)


def mutate(draft: Draft, random: Random, material: Material) -> Draft:
    """One part of it."""
    return replace(draft, environment=random.choice(CHANGES)(draft.environment, random, draft.fork))


def _coinbase(environment: Environment, random: Random, fork: str) -> Environment:
    choices = (*COINBASES, *(wallet.address for wallet in wallets()), address(random, fork))
    return replace(environment, coinbase=random.choice(choices))


def _withdrawals(environment: Environment, random: Random, fork: str) -> Environment:
    if environment.withdrawals and rarely(random, 0.2):
        return replace(environment, withdrawals=())
    new = (random.choice((0, 1, (1 << 64) - 1)), address(random, fork), random.choice(AMOUNTS))
    return replace(environment, withdrawals=(*environment.withdrawals, new)[-4:])


def _base_fee(environment: Environment, random: Random, fork: str) -> Environment:
    used = random.choice((0, 1, environment.gas_limit // 2, environment.gas_limit // 2 + 1, environment.gas_limit))
    return replace(environment, parent_base_fee=random.choice(BASE_FEES), parent_gas_used=used)


def _gas_limit(environment: Environment, random: Random, fork: str) -> Environment:
    limit = random.choice(GAS_LIMITS)
    return replace(environment, gas_limit=limit, parent_gas_used=limit // 2)


def _blob_gas(environment: Environment, random: Random, fork: str) -> Environment:
    used = 131_072 * random.randrange(7)
    return replace(environment, parent_excess_blob_gas=random.choice(EXCESSES), parent_blob_gas_used=used)


def _step(environment: Environment, random: Random, fork: str) -> Environment:
    return replace(environment, step=random.choice(STEPS))


def _octets(environment: Environment, random: Random, fork: str) -> Environment:
    return replace(
        environment,
        random=word(random).to_bytes(32, "big"),
        extra_data=octets(random, random.choice((0, 1, 31, 32))),
        beacon_root=octets(random, 32),
    )


CHANGES: tuple[Callable[[Environment, Random, str], Environment], ...] = (
    _coinbase, _withdrawals, _withdrawals, _base_fee, _gas_limit, _blob_gas, _step, _octets,
)  # fmt: skip
