"""Blob gas against another reading of EIP-4844 and EIP-7918, and across the forks that change the schedule."""

from types import SimpleNamespace
from typing import Any

import pytest
from eth_utils.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from machine.blob_gas import blob_base_fee, blob_gas, check_blob_limit, excess_blob_gas
from machine.configuration import VIRTUAL_MACHINES, Parts, machine_class, parameters
from tests.machine.running import OwnMachine, OwnState, empty_state
from witness.chain_config import BlobSchedule, known_chain_config, parse_chain_config

MAINNET = parse_chain_config(known_chain_config(1))
BLOB = 131_072  # gas
SCHEDULES = {
    "cancun": BlobSchedule(3, 6, 3338477),
    "prague": BlobSchedule(6, 9, 5007716),
    "osaka": BlobSchedule(6, 9, 5007716),
    "bpo1": BlobSchedule(10, 15, 8346193),
    "bpo2": BlobSchedule(14, 21, 11684671),
}
schedules = st.builds(
    lambda target, more, fraction: BlobSchedule(target, max(1, target + more), fraction),
    st.integers(0, 50),
    st.integers(0, 50),
    st.integers(1_000_000, 20_000_000),
)
excesses = st.integers(0, 200_000_000)


def parent(excess: int = 0, used: int = 0, base_fee: int = 10**9) -> Any:
    return SimpleNamespace(excess_blob_gas=excess, blob_gas_used=used, base_fee_per_gas=base_fee)


def price_read_again(excess: int, fraction: int) -> int:
    """EIP-4844's approximation of e^(excess/fraction), term by term until a term is nothing."""
    terms, term, number = [], fraction, 0
    while term:
        terms.append(term)
        number += 1
        term = term * excess // (fraction * number)
    return sum(terms) // fraction


def excess_read_again(osaka: bool, schedule: BlobSchedule, above: Any) -> int:
    """EIP-7918, section "Specification", as its four cases."""
    wanted = schedule.target * BLOB
    total = above.excess_blob_gas + above.blob_gas_used
    below_target = total < wanted
    price = price_read_again(above.excess_blob_gas, schedule.update_fraction)
    cheap = osaka and 8192 * above.base_fee_per_gas > BLOB * price
    if below_target:
        return 0
    if not cheap:
        return int(total - wanted)
    return int(above.excess_blob_gas + above.blob_gas_used * (schedule.maximum - schedule.target) // schedule.maximum)


@given(schedules, excesses)
def test_price_against_another_reading(schedule: BlobSchedule, excess: int) -> None:
    assert blob_base_fee(schedule, excess) == price_read_again(excess, schedule.update_fraction)


@given(schedules, excesses, st.integers(0, 10 * BLOB))
def test_price_never_falls_with_the_excess(schedule: BlobSchedule, excess: int, more: int) -> None:
    assert 1 <= blob_base_fee(schedule, excess) <= blob_base_fee(schedule, excess + more)


@pytest.mark.parametrize(("fork", "osaka"), [("cancun", False), ("prague", False), ("osaka", True), ("bpo5", True)])
@given(schedule=schedules, excess=excesses, blobs=st.integers(0, 60), base_fee=st.integers(7, 10**12))
def test_excess_against_another_reading(
    fork: str, osaka: bool, schedule: BlobSchedule, excess: int, blobs: int, base_fee: int
) -> None:
    above = parent(excess, blobs * BLOB, base_fee)
    assert excess_blob_gas(fork, schedule, above) == excess_read_again(osaka, schedule, above)


@given(schedules, excesses, st.integers(0, 60), st.integers(7, 10**12))
def test_while_blobs_are_cheap_the_excess_never_falls(
    schedule: BlobSchedule, excess: int, blobs: int, base_fee: int
) -> None:
    above = parent(excess, blobs * BLOB, base_fee)
    if excess + blobs * BLOB < schedule.target * BLOB:
        assert excess_blob_gas("osaka", schedule, above) == 0
    elif 8192 * base_fee > BLOB * blob_base_fee(schedule, excess):
        assert excess <= excess_blob_gas("osaka", schedule, above) <= excess + blobs * BLOB


def test_the_bound_is_where_both_prices_are_equal() -> None:
    """At excess 0 a blob costs 131,072 wei: as much as 8,192 gas at 16 wei."""
    schedule = SCHEDULES["osaka"]
    above = parent(0, 9 * BLOB, base_fee=16)
    assert excess_blob_gas("osaka", schedule, above) == 3 * BLOB  # equal is not below
    above.base_fee_per_gas = 17
    assert excess_blob_gas("osaka", schedule, above) == 9 * BLOB * 3 // 9
    above.excess_blob_gas = BLOB
    assert excess_blob_gas("osaka", schedule, above) == BLOB + 3 * BLOB
    above.base_fee_per_gas = 16
    assert excess_blob_gas("osaka", schedule, above) == BLOB + 9 * BLOB - 6 * BLOB


@pytest.mark.parametrize(
    ("fork", "base_fee", "excess"),
    [
        # 20 blobs of excess and 9 used. Each block counts by its own schedule, whatever its parent's was.
        ("prague", 10**9, (20 + 9 - 6) * BLOB),
        ("osaka", 10**9, 20 * BLOB + 9 * BLOB * 3 // 9),
        ("osaka", 7, (20 + 9 - 6) * BLOB),
        ("bpo1", 10**9, 20 * BLOB + 9 * BLOB * 5 // 15),
        ("bpo1", 7, (20 + 9 - 10) * BLOB),
        ("bpo2", 10**9, 20 * BLOB + 9 * BLOB * 7 // 21),
        ("bpo2", 7, (20 + 9 - 14) * BLOB),
    ],
)
def test_first_block_of_a_fork(fork: str, base_fee: int, excess: int) -> None:
    assert MAINNET.blob_schedule(fork) == SCHEDULES[fork]
    assert excess_blob_gas(fork, SCHEDULES[fork], parent(20 * BLOB, 9 * BLOB, base_fee)) == excess


@pytest.mark.parametrize("fork", ["cancun", "osaka"])
def test_parent_from_before_blobs(fork: str) -> None:
    assert excess_blob_gas(fork, SCHEDULES[fork], SimpleNamespace(base_fee_per_gas=10**9)) == 0
    assert excess_blob_gas(fork, BlobSchedule(0, 1, 5007716), SimpleNamespace(base_fee_per_gas=10**9)) == 0


@pytest.mark.parametrize("fork", list(SCHEDULES))
def test_machine_has_the_schedule_of_its_fork(fork: str) -> None:
    """The header that the machine makes, against the formula: the parent's own class of header included."""
    machine = machine_class(parameters(MAINNET, fork), Parts(OwnMachine, OwnState))
    before: Any = VIRTUAL_MACHINES["cancun" if fork == "cancun" else "prague"]
    header_class = dict(before.block_class._meta.fields)["header"]
    above = header_class(
        difficulty=0,
        block_number=1,
        gas_limit=30_000_000,
        gas_used=15_000_000,
        timestamp=1000,
        base_fee_per_gas=10**9,
        excess_blob_gas=20 * BLOB,
        blob_gas_used=5 * BLOB,
    )
    made = machine.create_header_from_parent(above, timestamp=1012, gas_limit=30_000_000)
    assert made.excess_blob_gas == excess_blob_gas(fork, SCHEDULES[fork], above) > 0
    assert made.base_fee_per_gas == 10**9


def test_state_has_the_price_of_its_forks_schedule() -> None:
    excess = 30_000_000
    assert empty_state("osaka", excess).blob_base_fee == price_read_again(excess, 5007716)
    assert empty_state("bpo1", excess).blob_base_fee == price_read_again(excess, 8346193)
    with pytest.raises(NotImplementedError, match="no blob base fee before Cancun"):
        _ = empty_state("shanghai").blob_base_fee


def test_limit_of_a_block() -> None:
    transactions = [SimpleNamespace(blob_versioned_hashes=(b"",) * count) for count in (6, 3)]
    assert blob_gas([*transactions, SimpleNamespace()]) == 9 * BLOB
    check_blob_limit(SCHEDULES["osaka"], transactions)
    with pytest.raises(ValidationError, match="1310720 is above the limit 1179648"):
        check_blob_limit(SCHEDULES["osaka"], [*transactions, SimpleNamespace(blob_versioned_hashes=(b"",))])
    check_blob_limit(SCHEDULES["bpo1"], [*transactions, SimpleNamespace(blob_versioned_hashes=(b"",) * 6)])
