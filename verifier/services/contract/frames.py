"""What holds of the steps of every transaction, whatever it does: the yellow paper's rules that need no state."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from verifier.rpc.v1 import executor_pb2 as pb

from .instructions import CALLS, CODES, ENDS, INSTRUCTIONS, push_length
from .tracing import WORD

DEEPEST = 1025  # calls in each other: the outermost, and 1024 below it (yellow paper, section 8)
STACK_LIMIT = 1024  # words
DUP1, SWAP1, PAST_SWAP = CODES["DUP1"], CODES["SWAP1"], CODES["SWAP16"] + 1


@dataclass
class _Frame:
    """One call under way. last: its latest step; codes: those that it may be running, as far as its steps tell."""

    last: pb.Step
    codes: list[bytes]


def contradictions(steps: Sequence[pb.Step], codes: Sequence[bytes]) -> Iterator[str]:
    """Where the steps of one transaction contradict the rules of the EVM. codes: all that can run in it."""
    frames: list[_Frame] = []
    for index, step in enumerate(steps):
        where = f"step {index} (depth {step.depth}, pc {step.pc}, op {step.op:02x})"
        yield from (f"{where}: {why}" for why in _shape(step))
        if 1 <= step.depth <= len(frames):
            del frames[step.depth :]
            frame = frames[-1]
            yield from (f"{where}: {why}" for why in _follows(frame.last, step))
            frame.last = step
        else:
            yield from (f"{where}: {why}" for why in _starts(frames, step))
            frame = _Frame(step, list(codes))
            frames.append(frame)
        possible = [code for code in frame.codes if step.pc < len(code) and code[step.pc] == step.op]
        if not possible:
            yield f"{where}: no code has this instruction there and those before it where they were"
        frame.codes = possible or frame.codes


def _shape(step: pb.Step) -> Iterator[str]:
    if len(step.account) != 20:
        yield f"account of {len(step.account)} bytes"
    if step.op > 0xFF:
        yield "op is no byte"
    if len(step.stack) % WORD or len(step.stack) > STACK_LIMIT * WORD:
        yield f"stack of {len(step.stack)} bytes"
    if not 1 <= step.depth <= DEEPEST:
        yield "no such depth"


def _starts(frames: Sequence[_Frame], step: pb.Step) -> Iterator[str]:
    """A call begins: at its code's start, with an empty stack, one deeper than an instruction that calls."""
    if step.depth != len(frames) + 1:
        yield f"{len(frames)} calls are under way before it"
    if step.pc or step.stack:
        yield "a call starts at pc 0 with an empty stack"
    if frames and frames[-1].last.op not in CALLS:
        yield f"it is called by the instruction {frames[-1].last.op:02x}"
    if frames and step.gas > frames[-1].last.gas:
        yield f"{step.gas} gas, more than its caller's {frames[-1].last.gas}"


def _follows(before: pb.Step, step: pb.Step) -> Iterator[str]:
    """What the instruction `before` leaves to the next one of the same call."""
    instruction = INSTRUCTIONS.get(before.op)
    if instruction is None or before.op in ENDS:
        yield f"it follows the instruction {before.op:02x}, which ends the call"
        return
    if step.account != before.account:
        yield "another account in the same call"
    if step.gas >= before.gas:
        yield f"{step.gas} gas, not less than {before.gas} before it"
    stack, previous = _words(step.stack), _words(before.stack)
    kept = len(previous) - instruction.taken
    if kept < 0 or len(stack) != kept + instruction.left:
        yield f"{len(stack)} words after {instruction.name} on {len(previous)}"
        return
    if stack[:kept] != previous[:kept]:
        yield f"{instruction.name} changed words below those that it takes"
    wanted = _left(before, previous, step)
    if wanted is not None and stack[kept:] != wanted:
        yield f"{instruction.name} left {_shown(stack[kept:])}, not {_shown(wanted)}"
    if step.pc not in _next(before, previous):
        yield f"it follows {instruction.name} at {before.pc}"


def _next(before: pb.Step, previous: Sequence[int]) -> Iterable[int]:
    if before.op == CODES["JUMP"]:
        return (previous[-1],)
    if before.op == CODES["JUMPI"] and previous[-2]:
        return (previous[-1],)
    return (before.pc + 1 + push_length(before.op),)


def _left(before: pb.Step, previous: list[int], step: pb.Step) -> list[int] | None:
    """The words that an instruction leaves, where they follow from what is in the steps."""
    if DUP1 <= before.op < SWAP1:
        taken = previous[-(before.op - DUP1 + 1) :]
        return [*taken, taken[0]]
    if SWAP1 <= before.op < PAST_SWAP:
        first, *middle, last = previous[-(before.op - SWAP1 + 2) :]
        return [last, *middle, first]
    match INSTRUCTIONS[before.op].name:
        case "PUSH0":
            return [0]
        case "ADD":
            return [(previous[-1] + previous[-2]) % 2**256]
        case "SUB":
            return [(previous[-1] - previous[-2]) % 2**256]
        case "ISZERO":
            return [int(previous[-1] == 0)]
        case "PC":
            return [before.pc]
        case "GAS":
            return [step.gas]
        case "ADDRESS":
            return [int.from_bytes(before.account, "big")]
    return None


def _words(stack: bytes) -> list[int]:
    return [int.from_bytes(stack[start : start + WORD], "big") for start in range(0, len(stack), WORD)]


def _shown(words: Iterable[int]) -> str:
    return " ".join(f"{word:x}" for word in words)
