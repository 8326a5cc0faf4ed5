"""The adapters, started once for all tests of this folder, and real blocks where they are at hand."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.running import RunningAdapters
from tests.peers.process import RUNNING
from witness.formats import load
from witness.model import BlockWitness

REAL_BLOCKS = Path(__file__).parents[3] / "shared" / "data"
PRAGUE_BLOCK = REAL_BLOCKS / "mainnet" / "1_22615247_keth.json.gz"


@pytest.fixture(scope="session")
def adapters() -> Iterator[RunningAdapters]:
    """Every adapter that can be started here."""
    with RunningAdapters() as running:
        yield running


@pytest.fixture(scope="session")
def real_blocks() -> Path:
    """The folder of real mainnet blocks."""
    if not REAL_BLOCKS.is_dir():
        pytest.skip("needs ../shared/data, the real mainnet blocks")
    return REAL_BLOCKS


@pytest.fixture(scope="session")
def prague_block(real_blocks: Path) -> BlockWitness:
    """Mainnet block 22615247: 26 transactions, 868 nodes, 30 codes."""
    (content,) = load(PRAGUE_BLOCK)
    return content


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows the ends of the running peers' logs with a failure."""
    report = yield
    if report.failed:
        report.sections += [(f"end of {peer.name}'s log", peer.tail()) for peer in RUNNING]
    return report
