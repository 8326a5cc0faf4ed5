"""Osaka's instruction and precompiles where they are reached: by opcode and by address, with their gas."""

import pytest
from eth_utils.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from machine.configuration import VIRTUAL_MACHINES
from machine.osaka import BLOCK_SIZE_LIMIT, check_block_size
from tests.machine.running import call, empty_state
from verifier.executors.stateful.embedded.assembly import assemble

from .signatures import SAMPLE

OSAKA_FORKS = ("osaka", "bpo1", "bpo2", "bpo3", "bpo4", "bpo5")
MODEXP, P256VERIFY = (5).to_bytes(20, "big"), (0x100).to_bytes(20, "big")
CLZ = b"\x1e"
RETURN_TOP = assemble("0 MSTORE 32 0 RETURN")
words = st.integers(0, 2**256 - 1)
# Every magnitude as likely as another; among all words a small one never comes up.
any_magnitude = st.integers(0, 256).flatmap(lambda bits: st.integers(0, 2**bits - 1)) | words


def clz_of(value: int) -> int:
    computation = call("osaka", code=assemble("value", value=value) + CLZ + RETURN_TOP)
    assert computation.is_success
    return int.from_bytes(computation.output, "big")


@given(any_magnitude)
def test_clz_counts_the_zeros_before_the_first_one(value: int) -> None:
    digits = f"{value:0256b}"
    assert clz_of(value) == len(digits) - len(digits.lstrip("0")) == 256 - value.bit_length()


@pytest.mark.parametrize(
    ("value", "zeros"), [(0, 256), (1, 255), (2**255 - 1, 1), (2**255, 0), (2**256 - 1, 0), (2**128, 127)]
)
def test_clz_at_the_edges(value: int, zeros: int) -> None:
    assert clz_of(value) == zeros


@pytest.mark.parametrize("fork", OSAKA_FORKS)
def test_clz_costs_five_gas(fork: str) -> None:
    assert call(fork, code=assemble("1") + CLZ).get_gas_used() == 3 + 5  # PUSH1 costs 3


def test_clz_needs_one_word_and_its_gas() -> None:
    assert call("osaka", code=CLZ).is_error
    assert call("osaka", code=assemble("1") + CLZ, gas=8).is_success
    assert call("osaka", code=assemble("1") + CLZ, gas=7).is_error


def test_clz_takes_no_room_on_a_full_stack() -> None:
    assert call("osaka", code=assemble("1") * 1024 + CLZ).is_success


def test_prague_has_neither_instruction_nor_precompile() -> None:
    assert call("prague", code=assemble("1") + CLZ).is_error
    computation = call("prague", to=P256VERIFY, data=SAMPLE)
    assert (computation.is_success, computation.output, computation.get_gas_used()) == (True, b"", 0)


@pytest.mark.parametrize("fork", OSAKA_FORKS)
def test_p256verify_is_a_warm_precompile(fork: str) -> None:
    computation = call(fork, to=P256VERIFY, data=SAMPLE)
    assert computation.output == (1).to_bytes(32, "big")
    assert computation.get_gas_used() == 6900
    assert empty_state(fork).is_address_warm(P256VERIFY)  # EIP-2929
    assert not empty_state("prague").is_address_warm(P256VERIFY)


@pytest.mark.parametrize("data", [b"", SAMPLE[:-1], SAMPLE + b"\0", bytes(160), b"\xff" * 160])
def test_p256verify_of_anything_else_succeeds_with_nothing(data: bytes) -> None:
    computation = call("osaka", to=P256VERIFY, data=data)
    assert (computation.is_success, computation.output, computation.get_gas_used()) == (True, b"", 6900)


def test_p256verify_without_enough_gas_fails() -> None:
    assert call("osaka", to=P256VERIFY, data=SAMPLE, gas=6900).is_success
    computation = call("osaka", to=P256VERIFY, data=SAMPLE, gas=6899)
    assert (computation.is_error, computation.output, computation.get_gas_used()) == (True, b"", 6899)


def modexp_input(*lengths: int, body: bytes = b"") -> bytes:
    return b"".join(length.to_bytes(32, "big") for length in lengths) + body


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("length", [1025, 2**64, 2**256 - 1])
def test_modexp_of_a_number_above_the_bound_takes_all_gas(position: int, length: int) -> None:
    lengths = [1, 1, 1]
    lengths[position] = length
    computation = call("osaka", to=MODEXP, data=modexp_input(*lengths, body=b"\3\2\5"))
    assert computation.is_error
    assert computation.get_gas_used() == 1_000_000
    assert computation.output == b""


@pytest.mark.parametrize("position", [0, 1, 2])
def test_modexp_at_the_bound_is_computed(position: int) -> None:
    lengths = [1, 1, 1]
    lengths[position] = 1024
    base, exponent, modulus = 3, 2, 5
    body = b"".join(
        value.to_bytes(length, "big") for value, length in zip((base, exponent, modulus), lengths, strict=True)
    )
    computation = call("osaka", to=MODEXP, data=modexp_input(*lengths, body=body))
    assert computation.is_success
    assert int.from_bytes(computation.output, "big") == 4
    assert len(computation.output) == lengths[2]


def test_modexp_of_nothing_costs_the_minimum() -> None:
    computation = call("osaka", to=MODEXP)
    assert (computation.is_success, computation.output, computation.get_gas_used()) == (True, b"", 500)
    assert call("prague", to=MODEXP).get_gas_used() == 200
    assert call("osaka", to=MODEXP, gas=499).is_error


def test_prague_has_no_bound() -> None:
    assert call("prague", to=MODEXP, data=modexp_input(1025, 0, 0)).is_success


def test_block_size() -> None:
    assert BLOCK_SIZE_LIMIT == 10 * 2**20 - 2 * 2**20
    check_block_size("prague", BLOCK_SIZE_LIMIT + 1)
    for fork in OSAKA_FORKS:
        check_block_size(fork, BLOCK_SIZE_LIMIT)
        with pytest.raises(ValidationError, match="8388609 bytes, at most 8388608"):
            check_block_size(fork, BLOCK_SIZE_LIMIT + 1)


def test_every_later_fork_has_osakas_machine() -> None:
    assert {VIRTUAL_MACHINES[fork] for fork in OSAKA_FORKS} == {VIRTUAL_MACHINES["osaka"]}
    assert "amsterdam" not in VIRTUAL_MACHINES
