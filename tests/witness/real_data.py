"""Where the real blocks are, beside the checkout; tests that need them are skipped where they are not."""

from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).parents[3] / "shared" / "data"
MAINNET = DATA / "mainnet"
INCOMPLETE = DATA / "incomplete"
ZKPIG = MAINNET / "zkpig_22615247.json.gz"
PRAGUE_BLOCK = MAINNET / "1_22615247_keth.json.gz"
REASON = "the real blocks (../shared/data) are not there"

needs_real_data = pytest.mark.skipif(not MAINNET.is_dir(), reason=REASON)


def real_blocks() -> list[Any]:
    """The paths of all real blocks, as parameters of a test; one that is skipped where there are none."""
    paths = sorted([*MAINNET.glob("*.json.gz"), *INCOMPLETE.glob("*.json.gz")])
    return list(paths) or [pytest.param(MAINNET, marks=pytest.mark.skip(reason=REASON))]
