"""Code: instructions taken out, doubled, exchanged, moved and put in; jumps still go where they went."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from verifier.executors.stateful.genesis import GenesisAccount

from ..bytecode import PUSH1, PUSH32, Instruction, Program, assemble, disassemble, push, without
from ..draft import Draft
from ..instructions import operations
from ..material import Material
from ..programs import program
from ..values import address, nudged, rarely, word
from ..wallets import CONTRACTS

MOST_CODE = 2048  # bytes of generated code, so that generations do not make it grow


def mutate(draft: Draft, random: Random, material: Material) -> Draft:
    """One account's code, changed in a few places."""
    having = [each for each, account in draft.accounts.items() if account.code]
    if not having:
        return write_anew(draft, random, material)
    chosen = random.choice(sorted(having))
    code = draft.accounts[chosen].code
    if rarely(random, 0.08):
        changed = _in_bytes(code, random)
    else:
        instructions = disassemble(code)
        for _ in range(random.choice((1, 1, 2, 3))):
            instructions = random.choice(CHANGES)(instructions, random, draft.fork, material)
        changed = assemble(instructions)
    return _with_code(draft, chosen, changed[:MOST_CODE])


def write_anew(draft: Draft, random: Random, material: Material) -> Draft:
    """One generated account with another program, or one from elsewhere."""
    if material.codes and rarely(random, 0.25):
        code = random.choice(material.codes)
    else:
        code = assemble(program(random, draft.fork))
    return _with_code(draft, random.choice(CONTRACTS), code[:MOST_CODE])


def _with_code(draft: Draft, address_: bytes, code: bytes) -> Draft:
    account = draft.accounts.get(address_, GenesisAccount(nonce=1))
    # An account with storage has a nonce if it has no code (EIP-7610).
    return replace(draft, accounts={**draft.accounts, address_: replace(account, code=code, nonce=account.nonce or 1)})


def _in_bytes(code: bytes, random: Random) -> bytes:
    at = random.randrange(len(code))
    choice = random.randrange(3)
    if choice == 0:
        return code[:at] + bytes([random.randrange(256)]) + code[at + 1 :]
    if choice == 1:
        return code[:at]
    return code[:at] + random.randbytes(random.randint(1, 3)) + code[at:]


def _drop(instructions: Program, random: Random, fork: str, material: Material) -> Program:
    if not instructions:
        return instructions
    start = random.randrange(len(instructions))
    return without(instructions, start, start + random.choice((1, 1, 1, 2, 4)))


def _double(instructions: Program, random: Random, fork: str, material: Material) -> Program:
    if not instructions:
        return instructions
    start = random.randrange(len(instructions))
    end = start + random.choice((1, 1, 2, 4, 8))
    copies = tuple(replace(each) for each in instructions[start:end])
    return (*instructions[:end], *copies, *instructions[end:])


def _exchange(instructions: Program, random: Random, fork: str, material: Material) -> Program:
    """Another instruction that takes as many words, or any."""
    at = [index for index, each in enumerate(instructions) if not PUSH1 <= each.code <= PUSH32]
    if not at:
        return instructions
    index = random.choice(at)
    known = operations(fork)
    here = next((each for each in known if each.code == instructions[index].code), None)
    alike = [each.code for each in known if here and len(each.takes) == len(here.takes) and each.gives == here.gives]
    code = random.choice(alike) if alike and rarely(random, 0.9) else random.randrange(256)
    return (*instructions[:index], Instruction(code), *instructions[index + 1 :])


def _other_operand(instructions: Program, random: Random, fork: str, material: Material) -> Program:
    """What a push pushes: near to it, a boundary, or an account."""
    at = [
        index
        for index, each in enumerate(instructions)
        if 0x5F <= each.code <= PUSH32 and each.target is None and not each.missing
    ]
    if not at:
        return instructions
    index = random.choice(at)
    instruction = instructions[index]
    if len(instruction.immediate) == 20 and rarely(random, 0.7):
        changed = push(address(random, fork))
    else:
        value = int.from_bytes(instruction.immediate, "big")
        changed = push(nudged(random, value) if rarely(random, 0.7) else word(random))
    return (*instructions[:index], changed, *instructions[index + 1 :])


def _put_in(instructions: Program, random: Random, fork: str, material: Material) -> Program:
    at = random.randint(0, len(instructions))
    if material.codes and rarely(random, 0.2):
        other = disassemble(random.choice(material.codes))
        start = random.randrange(len(other) or 1)
        new = other[start : start + random.randint(1, 12)]
    else:
        new = program(random, fork, 1, 3)[:-1]
    return (*instructions[:at], *new, *instructions[at:])


def _move(instructions: Program, random: Random, fork: str, material: Material) -> Program:
    if not instructions:
        return instructions
    start = random.randrange(len(instructions))
    end = start + random.randint(1, 4)
    rest = without(instructions, start, end)
    at = random.randint(0, len(rest))
    return (*rest[:at], *instructions[start:end], *rest[at:])


CHANGES: tuple[Callable[[Program, Random, str, Material], Program], ...] = (
    _drop, _double, _exchange, _other_operand, _other_operand, _put_in, _put_in, _move,
)  # fmt: skip
