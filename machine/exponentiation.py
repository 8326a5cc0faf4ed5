"""The precompile MODEXP: what py-evm gets wrong in every fork, and its bounds and price from Osaka on.

Input: the lengths of base, exponent and modulus in bytes, a word each, then the three numbers. Whatever lies beyond
the input is zero (EIP-198).
"""

from collections.abc import Callable
from typing import Any

from eth.exceptions import VMError
from eth.precompiles.modexp import extract_lengths, modexp

LENGTHS = 96  # bytes of the input that give the lengths
WORD = 32
LENGTH_LIMIT = 1024  # bytes of each number (EIP-7823)
MINIMUM_GAS = 500  # EIP-7883
SMALL_COMPLEXITY = 16  # EIP-7883: of numbers up to 32 bytes


def corrected_modexp(original: Callable[[bytes], int]) -> Callable[[bytes], int]:
    """py-evm's `_modexp` with EIP-198 for a base of length 0: it is the number 0, and 0 to the power of 0 is 1.

    py-evm 0.12.1b1 answers 0. Found by ethereum/tests, Pyspecs/byzantium/eip198_modexp_precompile.
    """

    def power(data: bytes) -> int:
        base, exponent, modulus = extract_lengths(data)
        if base or not modulus:
            return original(data)
        # Without making numbers of the stated lengths, which may be beyond any memory.
        if any(data[LENGTHS : LENGTHS + exponent]):
            return 0
        digits = data[LENGTHS + exponent : LENGTHS + exponent + modulus]
        is_one = len(digits) == modulus and digits[-1:] == b"\1" and not any(digits[:-1])
        return int(any(digits) and not is_one)

    return power


def osaka_modexp(computation: Any) -> Any:
    """MODEXP from Osaka on. Raises VMError, which takes all gas, for a number above 1024 bytes (EIP-7823)."""
    lengths = extract_lengths(computation.msg.data_as_bytes)
    if max(lengths) > LENGTH_LIMIT:
        raise VMError(f"MODEXP of numbers of {lengths} bytes, at most {LENGTH_LIMIT} are allowed")
    return modexp(computation, gas_calculator=osaka_modexp_gas)


def osaka_modexp_gas(data: bytes) -> int:
    """The price in gas from Osaka on (EIP-7883), for an input whose lengths are within bounds."""
    base, exponent, modulus = extract_lengths(data)
    longest = max(base, modulus)
    words = (longest + 7) // 8
    complexity = SMALL_COMPLEXITY if longest <= WORD else 2 * words**2
    head_length = min(exponent, WORD)
    head = data[LENGTHS + base : LENGTHS + base + head_length].ljust(head_length, b"\0")
    bits = max(int.from_bytes(head, "big").bit_length() - 1, 0)
    iterations = bits + 16 * max(exponent - WORD, 0)
    return max(MINIMUM_GAS, complexity * max(iterations, 1))
