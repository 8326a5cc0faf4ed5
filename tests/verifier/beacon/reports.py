"""Where blocks stand, for tests."""

from verifier.domain.standing import Standing, StandingReport
from verifier.domain.status import BlockStatus

OWN = {
    Standing.VERIFIED: BlockStatus.VERIFIED,
    Standing.UNDECIDED: BlockStatus.AVAILABLE,
    Standing.INVALID: BlockStatus.INVALID,
    Standing.UNKNOWN: None,
}


def stands(
    standing: Standing, block_hash: bytes, own: BlockStatus | None = None, *, disputed: bool = False
) -> StandingReport:
    return StandingReport(standing, block_hash, f"is {standing}", own or OWN[standing], disputed)


def verified(block_hash: bytes) -> StandingReport:
    return stands(Standing.VERIFIED, block_hash)


def undecided(block_hash: bytes) -> StandingReport:
    return stands(Standing.UNDECIDED, block_hash)


def invalid(block_hash: bytes) -> StandingReport:
    return stands(Standing.INVALID, block_hash)
