"""MODEXP: py-evm's mistake and its correction, and the price from Osaka on against two other readings of EIP-7883."""

import importlib
import importlib.util
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machine.corrections import correct_py_evm
from machine.exponentiation import corrected_modexp, osaka_modexp_gas


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(32, "big") for value in values)


@pytest.fixture(scope="module")
def original() -> Any:
    """py-evm's own function, from a fresh copy of its module: in this process it has been corrected."""
    spec = importlib.util.find_spec("eth.precompiles.modexp")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module._modexp


def test_py_evm_itself_is_still_wrong(original: Any) -> None:
    assert original(words(0, 0, 1) + b"\7") == 0  # 0 to the power of 0 is 1


def test_the_correction_is_in_force_once() -> None:
    module: Any = importlib.import_module("eth.precompiles.modexp")
    correct_py_evm()
    first = module._modexp
    correct_py_evm()
    assert module._modexp is first
    assert first(words(0, 0, 1) + b"\7") == 1


@pytest.mark.parametrize("base", [b"", b"\0", b"\3", b"\0\5"])
@pytest.mark.parametrize("exponent", [b"", b"\0", b"\1", b"\0\2"])
@pytest.mark.parametrize("modulus", [b"", b"\0", b"\1", b"\0\1", b"\1\0", b"\7"])
def test_power(original: Any, base: bytes, exponent: bytes, modulus: bytes) -> None:
    divisor = int.from_bytes(modulus, "big")
    expected = pow(int.from_bytes(base, "big"), int.from_bytes(exponent, "big"), divisor) if divisor else 0
    data = words(len(base), len(exponent), len(modulus)) + base + exponent + modulus
    assert corrected_modexp(original)(data) == expected


@pytest.mark.parametrize("data", [words(0, 2**255, 1), words(0, 0, 2**255), words(0, 0, 1), b""])
def test_lengths_beyond_the_input_need_no_memory(original: Any, data: bytes) -> None:
    assert corrected_modexp(original)(data) == 0


def test_modulus_of_one_digit_that_is_not_the_last(original: Any) -> None:
    assert corrected_modexp(original)(words(0, 0, 2) + b"\1") == 1  # the second byte is zero: modulo 256


# The price

lengths = st.integers(0, 1024) | st.sampled_from([0, 1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 1023, 1024])


@st.composite
def inputs(draw: st.DrawFn) -> tuple[int, int, int, bytes]:
    """Lengths, and the numbers' bytes; what is given may end early or go on."""
    base, exponent, modulus = draw(lengths), draw(lengths), draw(lengths)
    given_bytes = bytes(base) + bytes(draw(st.integers(0, 40))) + draw(st.binary(max_size=40))
    return base, exponent, modulus, given_bytes


def read_again(base: int, exponent: int, modulus: int, numbers: bytes) -> int:
    """EIP-7883, section "Specification", from its prose: digit by digit, with no shift and no bit length."""
    digits = [numbers[base + at] if base + at < len(numbers) else 0 for at in range(min(exponent, 32))]
    binary = "".join(f"{digit:08b}" for digit in digits).lstrip("0")
    iterations = max(len(binary) - 1, 0)
    if exponent > 32:
        iterations += 16 * (exponent - 32)
    longest = max(base, modulus)
    complexity = 16 if longest <= 32 else 2 * (-(-longest // 8)) ** 2
    return max(complexity * max(iterations, 1), 500)


@given(inputs())
def test_price_against_another_reading(case: tuple[int, int, int, bytes]) -> None:
    assert osaka_modexp_gas(words(*case[:3]) + case[3]) == read_again(*case)


@pytest.fixture(scope="module")
def specification() -> Any:
    """The specification's module. Importing it lowers the recursion limit, which py-evm wants high."""
    limit = sys.getrecursionlimit()
    try:
        return pytest.importorskip(
            "ethereum.forks.osaka.vm.precompiled_contracts.modexp",
            reason="ethereum-execution is not installed (Python 3.13)",
        )
    finally:
        sys.setrecursionlimit(limit)


@given(case=inputs())
def test_price_against_the_specification(specification: Any, case: tuple[int, int, int, bytes]) -> None:
    word, integer = specification.U256, specification.Uint
    base, exponent, modulus, numbers = case
    head_length = min(exponent, 32)
    head = int.from_bytes(numbers[base : base + head_length].ljust(head_length, b"\0"), "big")
    expected = specification.gas_cost(word(base), word(modulus), word(exponent), word(head))
    assert isinstance(expected, integer)
    assert osaka_modexp_gas(words(base, exponent, modulus) + numbers) == int(expected)


@pytest.mark.parametrize(
    ("base", "exponent", "modulus", "numbers", "gas"),
    [
        (0, 0, 0, b"", 500),
        (32, 32, 32, bytes(32) + b"\xff" * 32, 16 * 255),  # EIP-7883: 16, whatever the length up to 32
        (33, 1, 1, bytes(33) + b"\2", 500),  # 2 · 5² · 1
        (1024, 1, 1024, bytes(1024) + b"\3", 2 * 128**2),
        (1, 33, 1, b"\0" + b"\0" * 33, 500),  # 16 · 16: 16 for the byte above 32, nothing for a head of zeros
        (1, 64, 1, b"\0" + b"\1" + bytes(63), 16 * (16 * 32 + 248)),
        (1024, 1024, 1024, bytes(1024) + b"\xff" * 1024, 2 * 128**2 * (16 * 992 + 255)),
    ],
)
def test_price_by_hand(base: int, exponent: int, modulus: int, numbers: bytes, gas: int) -> None:
    assert osaka_modexp_gas(words(base, exponent, modulus) + numbers) == gas
