"""A localization in one line, so that a client's engineer can file it as a bug: field, transaction, instruction."""

from collections.abc import Sequence

from .divergence import Divergence, Ended
from .instruction import Instruction
from .localization import FieldDifference, Place, Side, StateDifference
from .result import BrokenRule
from .sides import RULE
from .trace import WORD, Step, TransactionEnd

SHORT = 8  # hexadecimal digits of a hash in a line
MAX_VALUE = 80  # characters of a value: a bloom has 514


def describe(
    place: Place,
    sides: Sequence[Side],
    fields: Sequence[FieldDifference],
    transaction: int | None,
    transaction_hash: bytes,
    divergence: Divergence | None,
    instruction: Instruction | None,
    state: Sequence[StateDifference],
) -> str:
    """The line. sides: in the order of the values in `fields` and `state`."""
    what = ", ".join(each.field for each in fields) or "receipts"
    where = ""
    if transaction is not None:
        where = f"transaction {transaction}"
        if transaction_hash:
            where += f" (0x{transaction_hash.hex()[:SHORT]}…)"
        where += ", "
    match place:
        case Place.STEP:
            happening = "before its first instruction" if instruction is None else str(instruction)
            told = "" if divergence is None else f": {_parting(divergence)}"
            return f"{what}: {where}{happening}{told}"
        case Place.TRANSACTION:
            told = "its receipt differs, no instruction does"
            if divergence is not None:
                told = f"every instruction is equal, its end is not: {_parting(divergence)}"
            left = f"; after the block {_first_value(sides, state)}" if state else ""
            return f"{what}: {where}{told}{left}"
        case Place.RULE:
            told = "" if divergence is None else f": {_parting(divergence)}"
            rules = [value for each in fields if each.field == RULE for value in each.values if value is not None]
            return f"{what}: {where}a rule is broken for some: {', '.join(rules) or 'unnamed'}{told}"
        case Place.POST_STATE:
            return f"{what}: no instruction differs; {_first_value(sides, state)}"
        case Place.TRIE:
            return f"{what}: accounts and slots are equal after the block, the root over them is not"
        case Place.FIELD:
            told = "; ".join(f"{each.field} {_values(sides, each.values, 'not told')}" for each in fields)
            return f"{what}: only this is known to differ: {told}"


def _first_value(sides: Sequence[Side], state: Sequence[StateDifference]) -> str:
    """The first value in which post-states differ, and how many more there are."""
    first = state[0]
    more = f", and {len(state) - 1} more values" if len(state) > 1 else ""
    values = _values(sides, first.values, "unchanged or unknown")
    return f"{first.what} of 0x{first.address.hex()}: {values}{more}"


def _parting(divergence: Divergence) -> str:
    """What each group has where the traces part."""
    events = [(", ".join(group.adapters), group.event) for group in divergence.groups]
    if divergence.fields == ("event",) or not all(isinstance(event, Step) for _, event in events):
        return ", ".join(f"{names} {_event(event)}" for names, event in events)
    steps = [(names, event) for names, event in events if isinstance(event, Step)]
    name = divergence.fields[0] if divergence.fields else "step"
    if "gas" in divergence.fields and "stack" not in divergence.fields:
        name = "gas"
    if "stack" in divergence.fields:
        # The value is nearer to the cause than the gas that it may have changed as well.
        return "after it " + ", ".join(f"{names} has {text}" for names, text in _stacks(steps))
    values = ((names, getattr(step, name)) for names, step in steps)
    told = ((names, f"0x{value.hex()}" if isinstance(value, bytes) else value) for names, value in values)
    return f"{name} after it " + ", ".join(f"{names} {value}" for names, value in told)


def _stacks(steps: Sequence[tuple[str, Step]]) -> list[tuple[str, str]]:
    """The first word from the top that is not the same in all."""
    depth = min(len(step.stack) for _, step in steps) // WORD
    for position in range(depth):
        words = [step.words[position] for _, step in steps]
        if len(set(words)) > 1:
            at = "on top of the stack" if position == 0 else f"{position} below the top of the stack"
            return [(names, f"{_number(step.words[position])} {at}") for names, step in steps]
    return [(names, f"{len(step.stack) // WORD} words on the stack") for names, step in steps]


def _event(event: object) -> str:
    match event:
        case Step():
            return "goes on"
        case TransactionEnd():
            ending = "succeeds" if event.succeeded else "fails"
            return f"{ending} after {event.steps} instructions with {event.gas_used} gas used"
        case Ended(outcome=BrokenRule() as broken):
            return f"finds the rule {broken.rule} broken"
        case Ended():
            return "is done with the block"
    return "begins a transaction"


def _values(sides: Sequence[Side], values: Sequence[str | None], absent: str) -> str:
    pairs = zip(sides, values, strict=True)
    return ", ".join(f"{'/'.join(side.adapters)} {_short(value) if value else absent}" for side, value in pairs)


def _short(value: str) -> str:
    return value if len(value) <= MAX_VALUE else f"{value[:MAX_VALUE]}…"


def _number(word: bytes) -> str:
    return hex(int.from_bytes(word, "big"))
