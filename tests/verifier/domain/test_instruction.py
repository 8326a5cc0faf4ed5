"""What an instruction touches, read off the stack as the EVM does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.domain.instruction import Touched, instruction_at, touched_by
from verifier.domain.opcode import OPCODES
from verifier.domain.trace import WORD, Step

HERE = b"\x0a" * 20
KEY, ADDRESS = (5).to_bytes(32, "big"), b"\xff" * 12 + b"\xbb" * 20
CODES = {name: op for op, name in OPCODES.items()}
WORDS = st.lists(st.binary(min_size=WORD, max_size=WORD), max_size=8)


def step(name: str, *top_first: bytes) -> Step:
    return Step(1, HERE, 4, CODES[name], 50_000, b"".join(reversed(top_first)))


@pytest.mark.parametrize(
    ("name", "stack", "touched"),
    [
        ("SLOAD", (KEY, ADDRESS), Touched(HERE, "slot", KEY)),
        ("SSTORE", (KEY, ADDRESS), Touched(HERE, "slot", KEY)),
        ("TLOAD", (KEY,), Touched(HERE, "transient slot", KEY)),
        ("TSTORE", (KEY, ADDRESS), Touched(HERE, "transient slot", KEY)),
        ("BALANCE", (ADDRESS,), Touched(b"\xbb" * 20, "account")),
        ("EXTCODESIZE", (ADDRESS,), Touched(b"\xbb" * 20, "account")),
        ("EXTCODECOPY", (ADDRESS, KEY), Touched(b"\xbb" * 20, "account")),
        ("EXTCODEHASH", (ADDRESS,), Touched(b"\xbb" * 20, "account")),
        ("SELFDESTRUCT", (ADDRESS,), Touched(b"\xbb" * 20, "account")),
        ("CALL", (KEY, ADDRESS), Touched(b"\xbb" * 20, "account")),
        ("CALLCODE", (KEY, ADDRESS), Touched(b"\xbb" * 20, "account")),
        ("DELEGATECALL", (KEY, ADDRESS), Touched(b"\xbb" * 20, "account")),
        ("STATICCALL", (KEY, ADDRESS), Touched(b"\xbb" * 20, "account")),
        ("SELFBALANCE", (), Touched(HERE, "account")),
        ("SLOAD", (), None),
        ("CALL", (KEY,), None),
        ("EXP", (KEY, KEY), None),
    ],
)
def test_touched(name: str, stack: tuple[bytes, ...], touched: Touched | None) -> None:
    assert touched_by(step(name, *stack)) == touched


@given(st.integers(0, 255), WORDS)
def test_every_step_has_an_instruction_that_can_be_told(op: int, words: list[bytes]) -> None:
    each = Step(3, HERE, 7, op, 1, b"".join(words))
    instruction = instruction_at(each, 9)
    assert (instruction.op, instruction.pc, instruction.depth, instruction.step) == (op, 7, 3, 9)
    assert str(instruction).startswith(f"{instruction.name} at pc 7, depth 3, in 0x0a0a")
    if instruction.touched is not None:
        assert len(instruction.touched.address) == 20
        assert len(instruction.touched.key) in (0, WORD)


def test_a_precompile_is_called_by_its_name() -> None:
    modexp = step("CALL", KEY, (5).to_bytes(32, "big"))
    assert str(instruction_at(modexp, 0)).endswith("(precompile 0x5)")
