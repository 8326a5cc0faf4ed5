"""Excess blob gas the other way round: of which parent a block's own follows (EIP-4844, EIP-7691, EIP-7918)."""

from witness.chain_config import FORKS, BlobSchedule

GAS_PER_BLOB = 1 << 17
MIN_BLOB_BASE_FEE = 1  # wei
BLOB_BASE_COST = 1 << 13  # EIP-7918
LARGEST_EXPONENT = (
    200  # e^200 is above 2^256: blobs cost more than any base fee's reserve, and nothing need be computed
)


def parent_excess(fork: str, schedule: BlobSchedule, wanted: int, base_fee: int) -> int | None:
    """The excess blob gas of a parent without blobs whose child has `wanted`; None if there is none.

    base_fee: the parent's, in wei. fork, schedule: the child's.
    """
    target = schedule.target * GAS_PER_BLOB
    for candidate in (wanted + target, wanted):
        if child_excess(fork, schedule, candidate, base_fee) == wanted:
            return candidate
    return None


def child_excess(fork: str, schedule: BlobSchedule, excess: int, base_fee: int) -> int:
    """The excess blob gas after a parent without blobs, as EIP-7918 has it from Osaka on."""
    target = schedule.target * GAS_PER_BLOB
    if excess < target:
        return 0
    if FORKS.index(fork) < FORKS.index("osaka") or excess > LARGEST_EXPONENT * schedule.update_fraction:
        return excess - target
    is_below_reserve = BLOB_BASE_COST * base_fee > GAS_PER_BLOB * _blob_base_fee(schedule, excess)
    return excess if is_below_reserve else excess - target


def _blob_base_fee(schedule: BlobSchedule, excess: int) -> int:
    """EIP-4844, `fake_exponential`."""
    output, accumulator, index = 0, MIN_BLOB_BASE_FEE * schedule.update_fraction, 1
    while accumulator > 0:
        output += accumulator
        accumulator = accumulator * excess // (schedule.update_fraction * index)
        index += 1
    return output // schedule.update_fraction
