"""EVM code as a list of instructions, so that it can be changed and jumps still go where they went.

A push that is followed by a jump and pushes the place of a JUMPDEST is kept as a reference to it. What is no such
place, or comes about otherwise, stays the number that it is.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

JUMP, JUMPI, JUMPDEST, PUSH0, PUSH1, PUSH32 = 0x56, 0x57, 0x5B, 0x5F, 0x60, 0x7F
REFERENCE_LENGTH = 2  # bytes: code has at most 24576


@dataclass(frozen=True, slots=True, eq=False)
class Instruction:
    """One instruction; equal to itself alone, so that references find it. immediate: what a push pushes.

    missing: bytes of the immediate that the code ends before. target: the JUMPDEST that a push is the place of.
    """

    code: int
    immediate: bytes = b""
    missing: int = 0
    target: "Instruction | None" = None

    @property
    def length(self) -> int:
        """In bytes, as long as its immediate is."""
        return 1 + len(self.immediate)


Program = tuple[Instruction, ...]


def push(value: int | bytes) -> Instruction:
    """The shortest push of a number, or a push of bytes as they are, at most 32."""
    data = value if isinstance(value, bytes) else value.to_bytes((value.bit_length() + 7) // 8, "big")
    return Instruction(PUSH0 + len(data), data)


def push_place(target: Instruction) -> Instruction:
    """A push of the place that a JUMPDEST will have."""
    return Instruction(PUSH1 + REFERENCE_LENGTH - 1, bytes(REFERENCE_LENGTH), target=target)


def disassemble(code: bytes) -> Program:
    """The instructions of any bytes."""
    instructions, places = _split(code)
    result: list[Instruction] = []
    # Destinations may come after the jump, so all of them are there first, and pushes are exchanged afterwards.
    for index, instruction in enumerate(instructions):
        target = None
        if PUSH1 <= instruction.code <= PUSH32 and not instruction.missing and index + 1 < len(instructions):
            destination = places.get(int.from_bytes(instruction.immediate, "big"))
            jumps = instructions[index + 1].code in (JUMP, JUMPI)
            if jumps and destination is not None and destination.code == JUMPDEST:
                target = destination
        result.append(
            instruction if target is None else Instruction(instruction.code, instruction.immediate, 0, target)
        )
    return tuple(result)


def _split(code: bytes) -> tuple[list[Instruction], dict[int, Instruction]]:
    instructions: list[Instruction] = []
    places: dict[int, Instruction] = {}
    at = 0
    while at < len(code):
        width = code[at] - PUSH0 if PUSH1 <= code[at] <= PUSH32 else 0
        immediate = code[at + 1 : at + 1 + width]
        instruction = Instruction(code[at], immediate, width - len(immediate))
        places[at] = instruction
        instructions.append(instruction)
        at += instruction.length
    return instructions, places


def assemble(program: Iterable[Instruction]) -> bytes:
    """The code of a program. A reference whose place is gone, or does not fit, stays the number that it was."""
    instructions = tuple(program)
    places: dict[int, int] = {}
    at = 0
    for instruction in instructions:
        places[id(instruction)] = at
        at += instruction.length
    return b"".join(_encoded(instruction, places) for instruction in instructions)


def _encoded(instruction: Instruction, places: dict[int, int]) -> bytes:
    immediate = instruction.immediate
    if instruction.target is not None:
        place = places.get(id(instruction.target))
        if place is not None and place < 1 << 8 * len(immediate):
            immediate = place.to_bytes(len(immediate), "big")
    return bytes([instruction.code]) + immediate


def without(program: Sequence[Instruction], start: int, end: int) -> Program:
    """The program without some of its instructions."""
    return (*program[:start], *program[end:])
