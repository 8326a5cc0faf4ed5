"""Corrections to py-evm itself, for the whole process: found by fixtures and by measuring, each with its reason."""

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

LENGTHS = 96  # bytes of MODEXP's input that give the lengths of base, exponent and modulus
WORD = 32


def corrected_modexp(original: Callable[[bytes], int]) -> Callable[[bytes], int]:
    """EIP-198 for a base of length 0: it is the number 0, and 0 to the power of 0 is 1. py-evm 0.12.1b1 gives 0.

    Found by ethereum/tests, Pyspecs/byzantium/eip198_modexp_precompile.
    """

    def modexp(data: bytes) -> int:
        padded = data[:LENGTHS].ljust(LENGTHS, b"\0")
        base, exponent, modulus = (int.from_bytes(padded[at : at + WORD], "big") for at in range(0, LENGTHS, WORD))
        if base or not modulus:
            return original(data)
        # What lies beyond the input is zero.
        if any(data[LENGTHS : LENGTHS + exponent]):
            return 0
        digits = data[LENGTHS + exponent : LENGTHS + exponent + modulus]
        is_one = len(digits) == modulus and digits[-1:] == b"\1" and not any(digits[:-1])
        return int(any(digits) and not is_one)

    return modexp


def correct_py_evm() -> None:
    """Applies the corrections; more than once does no harm."""
    # The package exports functions of the same names as its modules.
    modexp: Any = importlib.import_module("eth.precompiles.modexp")
    if modexp._modexp.__module__ != __name__:
        modexp._modexp = corrected_modexp(modexp._modexp)
    point_evaluation: Any = importlib.import_module("eth.precompiles.point_evaluation")
    if not hasattr(point_evaluation.load_trusted_setup, "cache_info"):
        # py-evm reads the KZG trusted setup, seconds of work, in every call of the precompile. It never changes.
        point_evaluation.load_trusted_setup = cache(point_evaluation.load_trusted_setup)
