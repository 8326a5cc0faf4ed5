"""Access lists (EIP-2930): warm and cold, the same twice, precompiles, the sender itself."""

from dataclasses import replace
from random import Random

from verifier.executors.stateful.embedded.signing import ACCESS_LIST

from ..draft import Draft
from ..material import Material
from ..values import address, rarely, replaced, slot


def mutate(draft: Draft, random: Random, material: Material) -> Draft:
    """One transaction's."""
    if not draft.transactions:
        return draft
    index = random.randrange(len(draft.transactions))
    transaction = draft.transactions[index]
    entries = list(transaction.access_list)
    if entries and rarely(random, 0.25):
        entries.append(random.choice(entries))
    elif entries and rarely(random, 0.25):
        del entries[random.randrange(len(entries))]
    else:
        entries.append((address(random, draft.fork), tuple(slot(random) for _ in range(random.choice((0, 1, 2, 4))))))
    changed = replace(transaction, kind=max(transaction.kind, ACCESS_LIST), access_list=tuple(entries))
    return replace(draft, transactions=replaced(draft.transactions, index, changed))
