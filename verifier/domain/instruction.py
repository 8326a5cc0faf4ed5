"""The instruction at which executions part, and the storage slot or account that it names on the stack."""

from collections.abc import Sequence
from dataclasses import dataclass

from .opcode import opcode_name
from .trace import Step

ADDRESS = 20  # bytes; the lower ones of a word
SELFBALANCE = 0x47
SLOTS = {0x54: "slot", 0x55: "slot", 0x5C: "transient slot", 0x5D: "transient slot"}  # SLOAD SSTORE TLOAD TSTORE
# Where the address is, from the top of the stack: BALANCE EXTCODESIZE EXTCODECOPY EXTCODEHASH SELFDESTRUCT, and the
# calls CALL CALLCODE DELEGATECALL STATICCALL behind their gas.
ACCOUNTS = {0x31: 0, 0x3B: 0, 0x3C: 0, 0x3F: 0, 0xFF: 0, 0xF1: 1, 0xF2: 1, 0xF4: 1, 0xFA: 1}
# Addresses of precompiles up to Osaka (execution-specs, `osaka/vm/precompiled_contracts`).
PRECOMPILES = frozenset({*range(0x01, 0x12), 0x100})


@dataclass(frozen=True, slots=True)
class Touched:
    """What an instruction reads or writes. address: 20 bytes. what: "account", "slot" or "transient slot".

    key: 32 bytes, of the slot; b"" for an account.
    """

    address: bytes
    what: str
    key: bytes = b""

    def __str__(self) -> str:
        if self.key:
            return f"{self.what} {_short(self.key)} of 0x{self.address.hex()}"
        number = int.from_bytes(self.address, "big")
        return f"precompile {hex(number)}" if number in PRECOMPILES else f"account 0x{self.address.hex()}"


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction whose execution the sides do not do alike, as it stood before it.

    name: as people write it ("EXP"). op: the byte. pc: bytes from the code's start. depth: 1 in the outermost call.
    account: 20 bytes, whose storage the code uses; b"" where it is not known. step: its index in the transaction.
    """

    name: str
    op: int
    pc: int
    depth: int
    account: bytes
    step: int
    touched: Touched | None = None

    def __str__(self) -> str:
        text = f"{self.name} at pc {self.pc}, depth {self.depth}"
        if self.account:
            text += f", in 0x{self.account.hex()}"
        return f"{text} ({self.touched})" if self.touched is not None else text


def instruction_at(step: Step, index: int) -> Instruction:
    """The instruction of a step. index: of the step in its transaction."""
    return Instruction(opcode_name(step.op), step.op, step.pc, step.depth, step.account, index, touched_by(step))


def touched_by(step: Step) -> Touched | None:
    """What the step's instruction reads or writes of the state; None: nothing, or too few words are on the stack."""
    words: Sequence[bytes] = step.words[:2]
    if step.op == SELFBALANCE:
        return Touched(step.account, "account") if step.account else None
    if step.op in SLOTS and words:
        return Touched(step.account, SLOTS[step.op], words[0])
    position = ACCOUNTS.get(step.op)
    if position is not None and len(words) > position:
        return Touched(words[position][-ADDRESS:], "account")
    return None


def _short(word: bytes) -> str:
    return hex(int.from_bytes(word, "big"))
