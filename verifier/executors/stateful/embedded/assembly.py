"""EVM bytecode out of mnemonics, for the contracts of chains of our own."""

from eth.vm import opcode_values

from machine.osaka import CLZ

PUSH1, PUSH_LIMIT = 0x60, 32
_CODES: dict[str, int] = {name: value for name, value in vars(opcode_values).items() if name.isupper()} | {"CLZ": CLZ}
LABEL_LENGTH = 2


def assemble(program: str, **values: int | bytes) -> bytes:
    """The code of a program: mnemonics and numbers separated by white space.

    A number (decimal or 0x) or the name of a value is pushed with as few bytes as hold it (bytes: all of theirs).
    `name:` is a jump destination, `@name` pushes its position. Raises ValueError for a word that is none of these.
    """
    code = b""
    labels: dict[str, int] = {}
    uses: list[tuple[int, str]] = []
    for word in program.split():
        if word.endswith(":"):
            labels[word[:-1]] = len(code)
            code += bytes([_CODES["JUMPDEST"]])
        elif word.startswith("@"):
            uses.append((len(code) + 1, word[1:]))
            code += bytes([PUSH1 + LABEL_LENGTH - 1]) + bytes(LABEL_LENGTH)
        elif word in _CODES:
            code += bytes([_CODES[word]])
        else:
            code += push(values[word] if word in values else int(word, 0))
    for position, name in uses:
        code = code[:position] + labels[name].to_bytes(LABEL_LENGTH, "big") + code[position + LABEL_LENGTH :]
    return code


def push(value: int | bytes) -> bytes:
    """The instruction that pushes a value of at most 32 bytes."""
    data = value if isinstance(value, bytes) else value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")
    if not 1 <= len(data) <= PUSH_LIMIT:
        raise ValueError(f"{len(data)} bytes cannot be pushed")
    return bytes([PUSH1 + len(data) - 1]) + data


def deploying(runtime: bytes) -> bytes:
    """Init code that leaves `runtime` as the contract's code."""
    head = assemble("length DUP1 offset 0 CODECOPY 0 RETURN", length=len(runtime), offset=0)
    # What is pushed as the offset takes one byte, so its value does not change the length of what stands before.
    return assemble("length DUP1 offset 0 CODECOPY 0 RETURN", length=len(runtime), offset=len(head)) + runtime
