"""Programs for generated accounts: instructions with arguments that make sense of them, or just do not."""

from collections.abc import Callable
from random import Random

from .bytecode import JUMP, JUMPDEST, JUMPI, Instruction, Program, assemble, push, push_place
from .instructions import (
    DUP1,
    INVALID,
    MSTORE,
    POP,
    RETURN,
    REVERT,
    SELFDESTRUCT,
    SSTORE,
    STOP,
    SWAP1,
    UNDEFINED,
    Operation,
    operations,
)
from .precompile_inputs import precompile_input
from .values import GASES, address, length, octets, offset, precompiles, rarely, slot, word

GAS, RETURNDATASIZE, CALLDATASIZE, CALL = 0x5A, 0x3D, 0x36, 0xF1
SHORT, LONG = 3, 14  # operations of a program
DEEPEST = 2  # init code in init code
MOST_TURNS = 6  # of a loop


class Programmer:
    """Writes one program. random: its every choice."""

    def __init__(self, random: Random, fork: str, depth: int = 0) -> None:
        self._random = random
        self._fork = fork
        self._depth = depth
        known = operations(fork)
        self._operations = known
        self._weights = [each.weight for each in known]
        self._height = 0  # of the stack, as far as it is known
        self._program: list[Instruction] = []

    def write(self, least: int = SHORT, most: int = LONG) -> Program:
        """A whole program, with how it ends."""
        for _ in range(self._random.randint(least, most)):
            self._step()
        self._end()
        return tuple(self._program)

    def _step(self) -> None:
        choice = self._random.random()
        if choice < 0.80:
            self._operate(self._random.choices(self._operations, self._weights)[0])
        elif choice < 0.86:
            self._branch()
        elif choice < 0.90:
            self._loop()
        elif choice < 0.94:
            self._call_precompile()
        elif choice < 0.97:
            self._shuffle()
        else:
            self._slip()

    def _emit(self, *instructions: Instruction) -> None:
        self._program += instructions

    def _operate(self, operation: Operation) -> None:
        if operation.name in ("CREATE", "CREATE2") and self._depth < DEEPEST and rarely(self._random, 0.8):
            self._create(operation)
            return
        for kind in reversed(operation.takes):
            self._argue(kind)
        self._emit(Instruction(operation.code))
        self._height -= len(operation.takes)
        if operation.gives:
            self._height += 1
            self._use()

    def _argue(self, kind: str) -> None:
        """A word of a kind: one from the stack, or a new one."""
        if self._height and rarely(self._random, 0.15):
            self._emit(Instruction(DUP1 + self._random.randrange(min(16, self._height))))
        elif kind == "g" and rarely(self._random, 0.6):
            self._emit(Instruction(GAS))
        elif kind == "l" and rarely(self._random, 0.15):
            self._emit(Instruction(self._random.choice((RETURNDATASIZE, CALLDATASIZE))))
        else:
            self._emit(push(self._value(kind)))
        self._height += 1

    def _value(self, kind: str) -> int | bytes:
        random = self._random
        values: dict[str, Callable[[], int | bytes]] = {
            "w": lambda: word(random),
            "o": lambda: offset(random),
            "d": lambda: offset(random),
            "l": lambda: length(random),
            "a": lambda: address(random, self._fork),
            "g": lambda: random.choice(GASES),
            "v": lambda: 0 if rarely(random, 0.7) else random.choice((1, 2, 10**9, 10**18, word(random))),
            "s": lambda: slot(random),
            "i": lambda: random.choice((0, 1, 2, 5, 6, 7, 8, 9, 15, 30, 31, 32, 33, 248, 255, 256, 257, word(random))),
            "n": lambda: random.choice((0, 1, 2, 255, 256, 257, word(random))),
        }
        return values[kind]()

    def _use(self) -> None:
        """What becomes of a result."""
        choice = self._random.random()
        if choice < 0.45:
            self._emit(push(slot(self._random)), Instruction(SSTORE))
            self._height -= 1
        elif choice < 0.65:
            self._emit(push(self._random.choice((0, 32, 64))), Instruction(MSTORE))
            self._height -= 1
        elif choice < 0.8:
            self._emit(Instruction(POP))
            self._height -= 1

    def _branch(self) -> None:
        """Instructions that are jumped over, or not."""
        destination = Instruction(JUMPDEST)
        self._argue("w")
        self._emit(push_place(destination), Instruction(JUMPI))
        self._height -= 1
        height = self._height
        for _ in range(self._random.randint(1, 3)):
            self._operate(self._random.choices(self._operations, self._weights)[0])
        while self._height > height:  # the same height on both ways
            self._emit(Instruction(POP))
            self._height -= 1
        self._emit(destination)
        self._height = min(self._height, height)

    def _loop(self) -> None:
        """Instructions a few times over; its counter is on the stack."""
        start = Instruction(JUMPDEST)
        self._emit(push(self._random.randint(1, MOST_TURNS)), start)
        outer, self._height = self._height, 0  # what is below the counter stays as it is
        for _ in range(self._random.randint(1, 2)):
            self._operate(self._random.choices(self._operations, self._weights)[0])
        self._emit(*(Instruction(POP) for _ in range(self._height)))
        self._emit(push(1), Instruction(SWAP1), Instruction(0x03))  # SUB
        self._emit(Instruction(DUP1), push_place(start), Instruction(JUMPI), Instruction(POP))
        self._height = outer

    def _store(self, data: bytes, place: int = 0) -> None:
        """Data into memory."""
        for start in range(0, len(data), 32):
            self._emit(push(data[start : start + 32].ljust(32, b"\0")), push(place + start), Instruction(MSTORE))

    def _call_precompile(self) -> None:
        """A precompile with input at a boundary, and what comes back kept."""
        target = self._random.choice(precompiles(self._fork))
        data = precompile_input(self._random, target)
        if len(data) > 384:
            data = data[:384]
        self._store(data)
        size = self._random.choice((len(data), len(data), max(0, len(data) - 1), len(data) + 1))
        self._emit(push(self._random.choice((0, 32, 64))), push(0), push(size), push(0), push(0), push(target))
        self._emit(Instruction(GAS), Instruction(CALL), push(slot(self._random)), Instruction(SSTORE))
        self._emit(push(0), Instruction(0x51), Instruction(RETURNDATASIZE), Instruction(0x18))  # MLOAD, XOR
        self._emit(push(slot(self._random)), Instruction(SSTORE))

    def _create(self, operation: Operation) -> None:
        """A contract of a program of its own, and then a call to it."""
        program = Programmer(self._random, self._fork, self._depth + 1).write(1, 4)
        code = assemble(program)[:256]
        self._store(code)
        salt = [push(self._random.choice((0, 1)))] if operation.name == "CREATE2" else []
        size = self._random.choice((len(code), len(code), 0, len(code) - 1 if code else 0))
        self._emit(*salt, push(size), push(0), push(0 if rarely(self._random, 0.7) else 1), Instruction(operation.code))
        self._height += 1
        if rarely(self._random, 0.5):
            self._emit(*(push(0) for _ in range(5)), Instruction(DUP1 + 5), Instruction(GAS), Instruction(CALL))
            self._height += 1
        self._use()

    def _shuffle(self) -> None:
        depth = self._random.randrange(16)
        if depth < self._height or rarely(self._random, 0.05):
            self._emit(Instruction(SWAP1 + depth if rarely(self._random, 0.5) else DUP1 + depth))
            self._height += 1

    def _slip(self) -> None:
        """What a compiler does not write."""
        random = self._random
        slips: tuple[Callable[[], tuple[Instruction, ...]], ...] = (
            lambda: (Instruction(random.choice(UNDEFINED)),),
            lambda: (push(random.choice((0, 1, 3, word(random)))), Instruction(JUMP)),
            lambda: (push(bytes([JUMPDEST]) * random.randint(1, 32)), Instruction(POP)),
            lambda: tuple(Instruction(SWAP1) for _ in range(2)),
        )
        if rarely(random, 0.5):
            self._emit(*random.choice(slips)())

    def _end(self) -> None:
        random, choice = self._random, self._random.random()
        if choice < 0.35:
            self._emit(Instruction(STOP))
        elif choice < 0.65:
            self._emit(push(length(random)), push(offset(random)), Instruction(RETURN))
        elif choice < 0.75:
            self._emit(push(length(random)), push(offset(random)), Instruction(REVERT))
        elif choice < 0.85:
            self._emit(push(address(random, self._fork)), Instruction(SELFDESTRUCT))
        elif choice < 0.88:
            self._emit(Instruction(INVALID))
        elif choice < 0.92:  # a push that the code ends in
            width = random.randint(1, 32)
            self._emit(Instruction(0x5F + width, random.randbytes(random.randrange(width)), 1))


def program(random: Random, fork: str, least: int = SHORT, most: int = LONG) -> Program:
    """A program that does something of everything."""
    return Programmer(random, fork).write(least, most)


def init_code(random: Random, fork: str) -> bytes:
    """Init code: a program that leaves code, any program, or what is not allowed to be left."""
    choice = random.random()
    if choice < 0.4:
        runtime = assemble(program(random, fork, 1, 6))[:512]
        head = bytes([0x61, *len(runtime).to_bytes(2, "big"), 0x80, 0x60, 0x0B, 0x5F, 0x39, 0x5F, 0xF3])
        return head + bytes(1) + runtime  # PUSH2 length DUP1 PUSH1 11 PUSH0 CODECOPY PUSH0 RETURN
    if choice < 0.8:
        return assemble(program(random, fork, 1, 8))
    # One byte that is left: 0xEF is refused (EIP-3541).
    if choice < 0.9:
        return bytes([0x60, random.choice((0xEF, 0xFE, 0x00)), 0x5F, 0x53, 0x60, 0x01, 0x5F, 0xF3])
    size = random.choice((24575, 24576, 24577, 49152, 49153))
    if choice < 0.96:
        return bytes([0x62, *size.to_bytes(3, "big"), 0x5F, 0xF3])
    return octets(random, random.choice((0, 1, 32, size)))
