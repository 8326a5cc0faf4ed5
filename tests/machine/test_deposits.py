"""Deposit requests out of events: the layout of EIP-6110, and that nothing else passes."""

import pytest
from eth_utils.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from machine.deposits import DATA_LENGTH, FIELDS, deposit_request
from verifier.executors.stateful.embedded.sample_contracts import deposit_event


def test_fields_in_order() -> None:
    request = deposit_request(deposit_event(3))
    assert len(request) == sum(length for *_, length in FIELDS) == 192
    assert request[:48] == b"\3" * 48
    assert request[48:80] == b"\1" + b"\3" * 31
    assert request[80:88] == (32 * 10**9).to_bytes(8, "little")
    assert request[88:184] == b"\3" * 96
    assert request[184:] == (3).to_bytes(8, "little")


@pytest.mark.parametrize("length", [0, DATA_LENGTH - 1, DATA_LENGTH + 1, DATA_LENGTH + 32])
def test_other_length(length: int) -> None:
    with pytest.raises(ValidationError, match=f"{length} bytes of data, 576 expected"):
        deposit_request(deposit_event(1).ljust(length, b"\0")[:length])


@given(st.sampled_from(FIELDS), st.booleans(), st.integers(0, 255))
def test_other_offset_or_length(field: tuple[int, int, int], of_offset: bool, value: int) -> None:
    position = (field[0] if of_offset else field[1]) + 31
    data = bytearray(deposit_event(1))
    known, data[position] = data[position], value
    if value == known:
        assert deposit_request(bytes(data))
        return
    with pytest.raises(ValidationError, match="has not the"):
        deposit_request(bytes(data))
