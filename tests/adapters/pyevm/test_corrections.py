"""The correction to py-evm, and that it is still needed."""

import importlib.util
from typing import Any

import pytest

from adapters.pyevm.corrections import corrected


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(32, "big") for value in values)


@pytest.fixture(scope="module")
def original() -> Any:
    """py-evm's own function, from a fresh copy of its module: in this process another test may have corrected it."""
    spec = importlib.util.find_spec("eth.precompiles.modexp")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module._modexp


def test_py_evm_itself_is_still_wrong(original: Any) -> None:
    assert original(words(0, 0, 1) + b"\7") == 0  # 0 to the power of 0 is 1


@pytest.mark.parametrize("base", [b"", b"\0", b"\3", b"\0\5"])
@pytest.mark.parametrize("exponent", [b"", b"\0", b"\1", b"\0\2"])
@pytest.mark.parametrize("modulus", [b"", b"\0", b"\1", b"\0\1", b"\1\0", b"\7"])
def test_modexp(original: Any, base: bytes, exponent: bytes, modulus: bytes) -> None:
    divisor = int.from_bytes(modulus, "big")
    expected = pow(int.from_bytes(base, "big"), int.from_bytes(exponent, "big"), divisor) if divisor else 0
    data = words(len(base), len(exponent), len(modulus)) + base + exponent + modulus
    assert corrected(original)(data) == expected


@pytest.mark.parametrize("data", [words(0, 2**255, 1), words(0, 0, 2**255), words(0, 0, 1)])
def test_lengths_beyond_the_input_need_no_memory(original: Any, data: bytes) -> None:
    assert corrected(original)(data) == 0
