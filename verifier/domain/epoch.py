"""Slots and epochs from timestamps: in epoch-target mode, the blocks that are judged without being asked for."""

from dataclasses import dataclass


class EpochScheduleError(ValueError):
    """A schedule that cannot be: slots without duration, epochs without slots, a genesis before 1970."""


@dataclass(frozen=True, slots=True)
class EpochSchedule:
    """genesis_time: seconds since 1970. Source: consensus-specs, phase0, `compute_epoch_at_slot`, `get_current_slot`.

    Raises EpochScheduleError.
    """

    genesis_time: int
    seconds_per_slot: int = 12
    slots_per_epoch: int = 32

    def __post_init__(self) -> None:
        if self.genesis_time < 0 or self.seconds_per_slot < 1 or self.slots_per_epoch < 1:
            raise EpochScheduleError(f"no schedule: {self}")

    def slot(self, timestamp: int) -> int:
        """The slot of a payload's timestamp (seconds); 0 before the genesis.

        From the merge on a payload's timestamp is that of its slot (bellatrix, `process_execution_payload`).
        """
        return max(0, timestamp - self.genesis_time) // self.seconds_per_slot

    def epoch(self, timestamp: int) -> int:
        """The epoch of a payload's timestamp."""
        return self.slot(timestamp) // self.slots_per_epoch

    def starts_epoch(self, timestamp: int) -> bool:
        """Whether the block is in an epoch's first slot, and so is the target of that epoch, if anything is.

        Where that slot is empty the target is an older block: no timestamp tells, the attestation gate asks for it.
        """
        return self.slot(timestamp) % self.slots_per_epoch == 0
