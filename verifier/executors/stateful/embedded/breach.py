"""Why a block is invalid: a rule that it breaks, in the words of the adapters' contract, or a field that differs."""

from collections.abc import Sequence
from dataclasses import dataclass

from eth_utils.exceptions import ValidationError

# py-evm's names of header fields that execution determines, and the verifier's (`verifier.domain.vote`).
COMPUTED_FIELDS = {
    "state_root": "state_root",
    "receipt_root": "receipts_root",
    "bloom": "logs_bloom",
    "gas_used": "gas_used",
    "requests_hash": "requests_hash",
}
# The others follow from the parent or from the body: what is wrong in them is a rule.
FIELD_RULES = {
    "transaction_root": "transactions_root",
    "base_fee_per_gas": "base_fee",
    "block_number": "number",
    "parent_hash": "number",
}


class BlockGasError(ValidationError):
    """A transaction whose gas limit is above what is left of the block's."""


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing that is wrong with a block. words: one line. rule: that it breaks; else field: a computed one."""

    words: str
    rule: str = ""
    field: str = ""


def difference(name: str, words: str) -> Breach:
    """What it means that a header field differs from the computed one. name: py-evm's."""
    field = COMPUTED_FIELDS.get(name)
    return Breach(words, field=field) if field else Breach(words, FIELD_RULES.get(name, name))


def summary(broken: Sequence[Breach]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The rules among them, each once in the order in which they were found broken, and the fields that differ."""
    rules = dict.fromkeys(breach.rule for breach in broken if breach.rule)
    return tuple(rules), tuple(breach.field for breach in broken if breach.field)
