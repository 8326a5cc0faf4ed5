"""All clients do the same inside a block, step by step: real mainnet blocks across the forks, and the bundled chain."""

from pathlib import Path

import pytest

from tests.end_to_end.conftest import REAL_BLOCKS
from tests.end_to_end.running import RunningAdapters
from tests.end_to_end.test_mainnet import FIRST_FORK
from verifier.app import bundled_chain
from verifier.domain.result import AbstentionReason
from verifier.services.recording import RecordOptions, record
from verifier.services.tracing import BlockTrace
from witness.chain_config import FORKS
from witness.file import write_witness_file
from witness.formats import load

# Small and middling blocks of each kind of fork, and how many steps they have.
STEPS = {
    "1_1150000_zeth.json.gz": 4_410,
    "1_2675000_zeth.json.gz": 2_660,
    "1_19426587_zeth.json.gz": 88_194,
    "1_20612842_raiko.json.gz": 16_749,
    "1_21688509_keth.json.gz": 43_488,
    "1_22615247_keth.json.gz": 30_025,
}
LAST_FORK = {"eels": "bpo2"}  # clients that do not know the later ones


def executing(adapters: RunningAdapters, fork: str) -> set[str]:
    """The running adapters whose client knows this fork."""
    position = FORKS.index(fork)
    return {
        manifest.name
        for manifest in adapters.manifests
        if FORKS.index(FIRST_FORK.get(manifest.lineage, "frontier"))
        <= position
        <= FORKS.index(LAST_FORK.get(manifest.lineage, FORKS[-1]))
    }


def check(adapters: RunningAdapters, report: BlockTrace) -> None:
    """All that know the fork are compared, and equal; the others say that they do not know it."""
    assert report.divergence is None, report.divergence
    assert set(report.compared) == executing(adapters, report.fork), report.apart
    assert set(report.apart) == set(adapters.names) - set(report.compared)
    for abstention in report.apart.values():
        assert abstention.reason is AbstentionReason.UNSUPPORTED_FORK


@pytest.mark.usefixtures("real_blocks")
@pytest.mark.parametrize("name", STEPS)
def test_real_blocks(adapters: RunningAdapters, name: str, tmp_path: Path) -> None:
    (content,) = load(REAL_BLOCKS / "mainnet" / name)
    transactions, report = adapters.trace_file(write_witness_file(content, tmp_path, sync=False))
    check(adapters, report)
    assert report.steps == STEPS[name]
    assert [each.index for each in transactions] == list(range(report.transactions))


def test_the_bundled_chain(adapters: RunningAdapters, tmp_path: Path) -> None:
    chain = bundled_chain()
    for event in record(chain / "chain.rlp", RecordOptions(tmp_path, chain / "genesis.json", sync=False)):
        assert event.path is not None
        _, report = adapters.trace_file(event.path)
        check(adapters, report)
