"""Slot and epoch arithmetic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.domain.epoch import EpochSchedule, EpochScheduleError

MAINNET = EpochSchedule(1_606_824_023)
SCHEDULES = st.builds(EpochSchedule, st.integers(0, 1 << 33), st.integers(1, 60), st.integers(1, 64))


def test_the_first_block_after_the_merge_on_mainnet() -> None:
    # Block 15537394, slot 4700013: https://ethereum.org/en/history/#paris
    assert MAINNET.slot(1_663_224_179) == 4_700_013
    assert MAINNET.epoch(1_663_224_179) == 146_875
    assert not MAINNET.starts_epoch(1_663_224_179)


@given(SCHEDULES, st.integers(0, 1 << 32))
def test_every_slot_has_one_epoch(schedule: EpochSchedule, slot: int) -> None:
    timestamp = schedule.genesis_time + slot * schedule.seconds_per_slot
    assert schedule.slot(timestamp) == schedule.slot(timestamp + schedule.seconds_per_slot - 1) == slot
    assert schedule.epoch(timestamp) == slot // schedule.slots_per_epoch
    assert schedule.starts_epoch(timestamp) == (slot % schedule.slots_per_epoch == 0)


def test_before_the_genesis_is_slot_0() -> None:
    assert MAINNET.slot(0) == 0


@pytest.mark.parametrize("fields", [(-1, 12, 32), (0, 0, 32), (0, 12, 0)])
def test_impossible_schedules(fields: tuple[int, int, int]) -> None:
    with pytest.raises(EpochScheduleError, match="no schedule"):
        EpochSchedule(*fields)
