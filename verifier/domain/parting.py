"""What the place where traces part says of its cause: the kind of place, the transaction, the instruction."""

from .divergence import Divergence, Ended
from .instruction import PRECOMPILES, Instruction, instruction_at
from .localization import Place
from .result import BrokenRule
from .trace import Step, TransactionEnd, TransactionStart

# Instructions whose effect depends on what earlier transactions left: BALANCE EXTCODESIZE EXTCODECOPY EXTCODEHASH
# SELFBALANCE SLOAD SSTORE CREATE CALL CALLCODE DELEGATECALL CREATE2 STATICCALL SELFDESTRUCT.
STATEFUL = frozenset({0x31, 0x3B, 0x3C, 0x3F, 0x47, 0x54, 0x55, 0xF0, 0xF1, 0xF2, 0xF4, 0xF5, 0xFA, 0xFF})


def place_of(divergence: Divergence) -> Place | None:
    """The kind of place; None where no trace differs, only what came of the block."""
    events = [group.event for group in divergence.groups]
    if any(isinstance(event, Step) for event in events):
        return Place.STEP
    if any(isinstance(event, Ended) and isinstance(event.outcome, BrokenRule) for event in events):
        return Place.RULE
    if all(isinstance(event, Ended) for event in events):
        return None
    return Place.TRANSACTION


def transaction_of(divergence: Divergence) -> int | None:
    """Index of the transaction in which the traces part; None before the first and behind the last."""
    for group in divergence.groups:
        if isinstance(group.event, TransactionStart):
            return group.event.index  # whoever stops here has begun it, and told nothing of it
    if any(isinstance(group.event, Step | TransactionEnd) for group in divergence.groups):
        return divergence.transaction
    return None


def instruction_of(divergence: Divergence) -> Instruction | None:
    """The instruction whose execution differs: the last that all have alike; None: they part before the first.

    Steps are told before they execute, so what an instruction does is seen in the step after it.
    """
    if place_of(divergence) is not Place.STEP or not divergence.before:
        return None
    return instruction_at(divergence.before[-1], divergence.step - 1)


def may_be_inherited(divergence: Divergence) -> bool:
    """Whether the transaction may differ only because an earlier one left another state."""
    instruction = instruction_of(divergence)
    if instruction is None:
        return divergence.step == 0
    touched = instruction.touched
    if touched is not None and int.from_bytes(touched.address, "big") in PRECOMPILES and touched.what == "account":
        return False
    return instruction.op in STATEFUL
