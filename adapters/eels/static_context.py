"""Writes in a static context fail before they read (EIP-214).

The specification reads the slot or the beneficiary, charges for it, and only then finds that the frame may not write.
Every other client looks first, so a witness that one of them recorded lacks what is read here for nothing.
The outcome is the same either way: the frame halts, its gas is gone and its changes are undone.
"""

from collections.abc import Callable
from typing import Any

CALL_VALUE = -3  # place of CALL's value on the stack: gas, address, value, …


def guard_writes(operations: dict[Any, Callable[[Any], None]], ops: Any, violation: type[Exception]) -> None:
    """Puts the check first in SSTORE, SELFDESTRUCT and CALL with a value. violation: the fork's own exception."""
    for name, writes in (("SSTORE", _always), ("SELFDESTRUCT", _always), ("CALL", _transfers)):
        operations[ops[name]] = _guarded(operations[ops[name]], writes, violation)


def _guarded(
    operation: Callable[[Any], None], writes: Callable[[Any], bool], violation: type[Exception]
) -> Callable[[Any], None]:
    def guarded(evm: Any) -> None:
        if evm.message.is_static and writes(evm):
            raise violation
        operation(evm)

    return guarded


def _always(_: Any) -> bool:
    return True


def _transfers(evm: Any) -> bool:
    return len(evm.stack) >= -CALL_VALUE and evm.stack[CALL_VALUE] != 0
