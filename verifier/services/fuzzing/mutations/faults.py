"""Headers that are changed after the block is built."""

from dataclasses import replace
from random import Random

from ..draft import Draft, HeaderFault
from ..headers import fault
from ..material import Material

LARGEST_LIMIT = (1 << 63) - 1  # of gas (EIP-1985, and what every client's fixtures ask for)
AT_THE_LARGEST = ("gas-limit-above-2p63m1", "gas-limit-2p63m1")


def mutate(draft: Draft, random: Random, material: Material) -> Draft:
    """A fault of any kind."""
    return faulty(draft, fault(random, draft.fork))


def faulty(draft: Draft, chosen: HeaderFault) -> Draft:
    """The draft with a fault. At the largest gas limit its parent is near to it: limits may differ little."""
    if chosen.name in AT_THE_LARGEST:
        environment = replace(draft.environment, gas_limit=LARGEST_LIMIT, parent_gas_used=LARGEST_LIMIT // 2)
        draft = replace(draft, environment=environment)
    return replace(draft, fault=chosen)


def cleared(draft: Draft) -> Draft:
    """Without one, and without transactions that may not be included in the block."""
    environment = draft.environment
    if environment.gas_limit == LARGEST_LIMIT:
        environment = replace(environment, gas_limit=30_000_000, parent_gas_used=15_000_000)
    return replace(draft, environment=environment, fault=None, with_refused=False)
