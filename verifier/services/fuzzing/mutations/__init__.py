"""Ways to change a draft, one module a kind. Each: a function of a draft, a source of chance, and material."""

from collections.abc import Callable
from random import Random

from ..draft import Draft
from ..material import Material
from . import access_lists, accounts, authorizations, blobs, calldata, code, environments, faults, transactions

Mutation = Callable[[Draft, Random, Material], Draft]

# With weights: what clients get wrong most is in code.
MUTATIONS: tuple[tuple[Mutation, int], ...] = (
    (code.mutate, 34),
    (code.write_anew, 8),
    (calldata.mutate, 12),
    (accounts.mutate, 10),
    (transactions.mutate, 12),
    (transactions.add, 6),
    (access_lists.mutate, 5),
    (blobs.mutate, 5),
    (authorizations.mutate, 7),
    (environments.mutate, 6),
    (faults.mutate, 3),
)


def mutated(draft: Draft, random: Random, material: Material) -> Draft:
    """The draft changed in one to four ways. What was wrong with its header on purpose no longer is."""
    changed = faults.cleared(draft)
    kinds, weights = zip(*MUTATIONS, strict=True)
    for mutation in random.choices(kinds, weights, k=random.choice((1, 1, 2, 2, 3, 4))):
        changed = mutation(changed, random, material)
    return changed
