"""Calldata: of other lengths, with boundary words in it, for a precompile, or init code where it creates."""

from dataclasses import replace
from random import Random

from verifier.executors.stateful.embedded.sample_contracts import ADDRESSES, call_of

from ..draft import Draft, TransactionDraft
from ..material import Material
from ..precompile_inputs import precompile_input
from ..programs import init_code
from ..values import octets, precompiles, rarely, replaced, word

LENGTHS = (0, 1, 3, 4, 5, 31, 32, 33, 64, 68, 100, 1023, 1024)


def mutate(draft: Draft, random: Random, material: Material) -> Draft:
    """One transaction's."""
    if not draft.transactions:
        return draft
    index = random.randrange(len(draft.transactions))
    transaction = _changed(draft.transactions[index], random, draft.fork, material)
    return replace(draft, transactions=replaced(draft.transactions, index, transaction))


def _changed(transaction: TransactionDraft, random: Random, fork: str, material: Material) -> TransactionDraft:
    if not transaction.to:
        return replace(transaction, data=init_code(random, fork), gas=max(transaction.gas, 300_000))
    choice, data = random.random(), transaction.data
    if choice < 0.35:
        return precompile_call(transaction, random, fork)
    if choice < 0.5 and data:
        at = 32 * random.randrange(-(-len(data) // 32))
        return replace(transaction, data=data[:at] + word(random).to_bytes(32, "big") + data[at + 32 :])
    if choice < 0.65:
        size = random.choice(LENGTHS)
        return replace(transaction, data=data[:size].ljust(size, b"\0"))
    if choice < 0.8 and material.data:
        return replace(transaction, data=random.choice(material.data))
    return replace(transaction, data=octets(random, random.choice(LENGTHS)))


def precompile_call(transaction: TransactionDraft, random: Random, fork: str) -> TransactionDraft:
    """The transaction as a call to a precompile: by a contract that keeps what came back, or by itself."""
    target = random.choice(precompiles(fork))
    data = precompile_input(random, target)
    gas = max(transaction.gas, 600_000)
    if rarely(random, 0.85):
        return replace(transaction, to=ADDRESSES["caller"], data=call_of(target, data), gas=gas)
    return replace(transaction, to=target, data=data, gas=gas)
