"""Blob gas: what a blob costs, and how far above the target the chain is (EIP-4844, EIP-7691, EIP-7892, EIP-7918).

The schedule is always that of the block's own fork, also where the parent is of another: so EIP-7918 and EIP-7892 say,
and so the specification computes it. Amounts are gas, fees are wei.
"""

from collections.abc import Iterable
from typing import Any

from eth._utils.calculations import fake_exponential
from eth.vm.forks.cancun.constants import GAS_PER_BLOB, MIN_BLOB_BASE_FEE
from eth.vm.forks.cancun.state import get_total_blob_gas
from eth_utils.exceptions import ValidationError

from witness.chain_config import FORKS, BlobSchedule

OSAKA = FORKS.index("osaka")
BLOB_BASE_COST = 1 << 13  # EIP-7918: execution gas that a blob is taken to cost, by which its price has a lower bound


def blob_base_fee(schedule: BlobSchedule, excess: int) -> int:
    """The price of one unit of blob gas at an excess (EIP-4844, `get_base_fee_per_blob_gas`)."""
    return fake_exponential(MIN_BLOB_BASE_FEE, excess, schedule.update_fraction)


def excess_blob_gas(fork: str, schedule: BlobSchedule, parent: Any) -> int:
    """The excess blob gas of a block on `parent`, a header of py-evm's; fork, schedule: the block's own.

    From Osaka on (EIP-7918), while blobs cost less than the execution gas they stand for, the excess grows with every
    blob and never falls, whether the target is met or not.
    """
    # A parent from before Cancun has neither field.
    excess, used = getattr(parent, "excess_blob_gas", 0), getattr(parent, "blob_gas_used", 0)
    target = schedule.target * GAS_PER_BLOB
    if excess + used < target:
        return 0
    if FORKS.index(fork) >= OSAKA:
        reserve = BLOB_BASE_COST * parent.base_fee_per_gas
        if reserve > GAS_PER_BLOB * blob_base_fee(schedule, excess):
            return int(excess + used * (schedule.maximum - schedule.target) // schedule.maximum)
    return int(excess + used - target)


def blob_gas(transactions: Iterable[Any]) -> int:
    """The blob gas that transactions use together."""
    return sum(get_total_blob_gas(transaction) for transaction in transactions)


def check_blob_limit(schedule: BlobSchedule, transactions: Iterable[Any]) -> None:
    """Raises ValidationError if the transactions have more blobs than the schedule allows a block."""
    used, limit = blob_gas(transactions), schedule.maximum * GAS_PER_BLOB
    if used > limit:
        raise ValidationError(f"Blob gas {used} is above the limit {limit}")
