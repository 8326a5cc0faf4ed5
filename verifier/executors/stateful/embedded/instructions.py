"""What instructions name before they execute, also those that then fail: other clients may have looked there first.

A client may load an account or a slot before it charges for it, or before it finds that the call is too deep. So the
arguments are noted where the instruction starts, and not where py-evm reads.
"""

from collections.abc import Callable, Mapping
from typing import Any

from eth._utils.address import generate_contract_address, generate_safe_contract_address
from eth.vm.forks.shanghai.constants import MAX_INITCODE_SIZE

from .touched import Touched

ADDRESS_LENGTH = 20
ADDRESS_MASK = (1 << 8 * ADDRESS_LENGTH) - 1
SLOAD, SSTORE, CREATE, CREATE2 = 0x54, 0x55, 0xF0, 0xF5
# BALANCE, EXTCODESIZE, EXTCODECOPY, EXTCODEHASH, SELFDESTRUCT; CALL, CALLCODE, DELEGATECALL, STATICCALL
ADDRESS_POSITIONS = {
    **dict.fromkeys((0x31, 0x3B, 0x3C, 0x3F, 0xFF), 1),  # from the top of the stack
    **dict.fromkeys((0xF1, 0xF2, 0xF4, 0xFA), 2),
}


def noting(opcodes: Mapping[int, Any]) -> dict[int, Any]:
    """The instructions, those that name accounts or slots noting them in the account database's `touched` first."""
    changed = dict(opcodes)
    for code in (SLOAD, SSTORE):
        changed[code] = _before(changed[code], _note_slot)
    for code, position in ADDRESS_POSITIONS.items():
        if code in changed:
            changed[code] = _before(changed[code], _noting_address(position))
    changed[CREATE] = _before(changed[CREATE], _note_create)
    if CREATE2 in changed:
        changed[CREATE2] = _before(changed[CREATE2], _note_create2)
    return changed


def _before(instruction: Any, note: Callable[[Any, Touched, list[Any]], None]) -> Any:
    def noted(computation: Any) -> Any:
        note(computation, computation.state._account_db.touched, computation._stack.values)
        return instruction(computation=computation)

    return noted


def _integer(word: int | bytes) -> int:
    return word if isinstance(word, int) else int.from_bytes(word, "big")


def _note_slot(computation: Any, touched: Touched, stack: list[Any]) -> None:
    if stack:
        touched.add_slot(computation.msg.storage_address, _integer(stack[-1]))


def _noting_address(position: int) -> Callable[[Any, Touched, list[Any]], None]:
    def note(_computation: Any, touched: Touched, stack: list[Any]) -> None:
        if len(stack) >= position:
            address = _integer(stack[-position]) & ADDRESS_MASK
            touched.accounts.add(address.to_bytes(ADDRESS_LENGTH, "big"))

    return note


def _note_create(computation: Any, touched: Touched, _stack: list[Any]) -> None:
    creator = computation.msg.storage_address
    touched.accounts.add(generate_contract_address(creator, computation.state.get_nonce(creator)))


def _note_create2(computation: Any, touched: Touched, stack: list[Any]) -> None:
    if len(stack) < 4:
        return
    start, size, salt = (_integer(stack[-position]) for position in (2, 3, 4))
    if size > MAX_INITCODE_SIZE or start + size > len(computation._memory) + MAX_INITCODE_SIZE:
        return  # far more memory than there is: nobody computes the address before that is refused
    code = computation._memory.read_bytes(start, size).ljust(size, b"\0")
    touched.accounts.add(generate_safe_contract_address(computation.msg.storage_address, salt, code))
