"""The corrections to py-evm."""

import importlib
from typing import Any

import pytest

from verifier.executors.stateful.embedded.corrections import correct_py_evm, corrected_modexp


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(32, "big") for value in values)


def reference(base: bytes, exponent: bytes, modulus: bytes) -> int:
    divisor = int.from_bytes(modulus, "big")
    return pow(int.from_bytes(base, "big"), int.from_bytes(exponent, "big"), divisor) if divisor else 0


@pytest.mark.parametrize("base", [b"", b"\0", b"\3", b"\0\5"])
@pytest.mark.parametrize("exponent", [b"", b"\0", b"\1", b"\0\2"])
@pytest.mark.parametrize("modulus", [b"", b"\0", b"\1", b"\0\1", b"\1\0", b"\7"])
def test_modexp(base: bytes, exponent: bytes, modulus: bytes) -> None:
    correct_py_evm()
    module: Any = importlib.import_module("eth.precompiles.modexp")
    data = words(len(base), len(exponent), len(modulus)) + base + exponent + modulus
    assert module._modexp(data) == reference(base, exponent, modulus)


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"", 0), (words(0, 0, 1), 0), (words(0, 0, 2) + b"\1", 1), (words(0, 2**255, 1), 0), (words(0, 0, 2**255), 0)],
)
def test_modexp_of_short_input(data: bytes, expected: int) -> None:
    assert corrected_modexp(lambda _: 0)(data) == expected
