"""A correction to py-evm itself: without it this lineage would call valid blocks invalid. README.md lists it."""

import importlib
from collections.abc import Callable
from typing import Any

LENGTHS = 96  # bytes of MODEXP's input that give the lengths of base, exponent and modulus
WORD = 32


def correct_modexp() -> None:
    """Has the MODEXP precompile answer as `corrected`; more than once does no harm."""
    module: Any = importlib.import_module("eth.precompiles.modexp")  # the package has a function of the same name
    if module._modexp.__module__ != __name__:
        module._modexp = corrected(module._modexp)


def corrected(original: Callable[[bytes], int]) -> Callable[[bytes], int]:
    """EIP-198 for a base of length 0, which is the number 0: 0 to the power of 0 is 1. py-evm 0.12.1b1 answers 0.

    Found by ethereum/tests, Pyspecs/byzantium/eip198_modexp_precompile.
    """

    def modexp(data: bytes) -> int:
        padded = data[:LENGTHS].ljust(LENGTHS, b"\0")
        base, exponent, modulus = (int.from_bytes(padded[at : at + WORD], "big") for at in range(0, LENGTHS, WORD))
        if base or not modulus:
            return original(data)
        if any(data[LENGTHS : LENGTHS + exponent]):  # what lies beyond the input is zero
            return 0
        digits = data[LENGTHS + exponent : LENGTHS + exponent + modulus]
        is_one = len(digits) == modulus and digits[-1:] == b"\1" and not any(digits[:-1])
        return int(any(digits) and not is_one)

    return modexp
