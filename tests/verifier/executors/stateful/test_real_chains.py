"""Real suites and chains through the executor: fixtures' validity agreed, witnesses sufficient.

The sample runs by default. VERIFIER_ALL_FIXTURES=1 runs every test of ethereum_tests and of eest instead (hours: py-evm
is slow on the tests made to be slow):

    VERIFIER_ALL_FIXTURES=1 pytest tests/verifier/executors/stateful/test_real_chains.py
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from verifier.executors.stateful.base import ImportOutcome
from verifier.executors.stateful.embedded.executor import EmbeddedExecutor
from verifier.executors.stateful.fake import MemorySink
from verifier.services.conformance.loaders.blockchain_test import BlockchainTest
from verifier.services.conformance.loaders.fixtures import fixture_files, load_tests
from verifier.services.conformance.loaders.genesis import load_genesis
from verifier.services.conformance.loaders.rlp_chain import load_blocks
from verifier.services.recording import RecordEvent, Status, record_test
from witness.model import BlockWitness

from .chains import real_data, reexecute

ALL = os.environ.get("VERIFIER_ALL_FIXTURES") == "1"
# Made to take long, or with so much gas that py-evm needs minutes for a block.
SLOW = re.compile(r"VMTests|TimeConsuming|Quadratic|stAttack|loop|50000|MemoryStress|stStaticCall|stRandom|Recursive")
# Of the tests of a sample. tests/end_to_end/test_fixtures.py records more of them, and has six clients execute them.
STRIDE = {"Shanghai": 2, "Cancun": 74, "blockchain_tests": 2, "blockchain_tests_engine": 12}
TIMEOUT = 24 * 3600 if ALL else 900  # seconds


class CheckingSink(MemorySink):
    """Keeps the last witness only."""

    def publish(self, content: BlockWitness) -> Path | None:
        self.published.clear()
        return super().publish(content)


class CheckedExecutor(EmbeddedExecutor):
    """Executes each recorded block once more, from its witness alone."""

    def import_block(self, encoded: bytes) -> ImportOutcome:
        outcome = super().import_block(encoded)
        if outcome.witness is not None:
            # Without the ancestors' bodies an uncle that was included before is not found out.
            again = reexecute(outcome.witness, outcome.fork)
            assert (again.results, again.invalid) == (outcome.results, outcome.invalid)
            assert again.witness == outcome.witness.witness
        return outcome


def record_all(tests: Iterator[BlockchainTest], directory: Path) -> tuple[Counter[Status], list[RecordEvent]]:
    counts: Counter[Status] = Counter()
    disagreements = []
    for index, test in enumerate(tests):
        with CheckedExecutor(directory / str(index), test.genesis, CheckingSink(), sync=False) as executor:
            for event in record_test(test, executor):
                counts[event.status] += 1
                if event.disagreement:
                    disagreements.append(event)
    return counts, disagreements


def ethereum_tests(folder: Path) -> Iterator[BlockchainTest]:
    entries = json.loads((folder / "manifest.json").read_text())
    if not ALL:
        quick = [entry for entry in entries if not SLOW.search(entry["path"])]
        entries = []
        for network in ("Shanghai", "Cancun"):
            entries += [entry for entry in quick if entry["network"] == network][:: STRIDE[network]]
    wanted: dict[str, set[str]] = {}
    for entry in entries:
        wanted.setdefault(entry["path"], set()).add(entry["test"])
    for path, names in wanted.items():
        yield from (test for test in load_tests(folder / path) if test.name in names)


@pytest.mark.timeout(TIMEOUT)
def test_ethereum_tests(tmp_path: Path) -> None:
    counts, disagreements = record_all(ethereum_tests(real_data("ethereum_tests")), tmp_path)
    assert disagreements == []
    assert counts[Status.RECORDED] + counts[Status.INVALID] >= 100
    assert counts[Status.INVALID] >= 3
    assert counts[Status.UNSUPPORTED] == 0


@pytest.mark.timeout(TIMEOUT)
@pytest.mark.parametrize(("kind", "least"), [("blockchain_tests", 300), ("blockchain_tests_engine", 30)])
def test_execution_spec_tests(kind: str, least: int, tmp_path: Path) -> None:
    # The engine's are the same blocks as payloads: that they give the same RLP is tested with the loaders.
    paths = list(fixture_files(real_data("eest") / kind))[:: 1 if ALL else STRIDE[kind]]
    counts, disagreements = record_all((test for path in paths for test in load_tests(path)), tmp_path)
    assert disagreements == []
    assert counts[Status.RECORDED] >= least
    assert counts[Status.UNSUPPORTED] == 0


def test_hive_chain(tmp_path: Path) -> None:
    folder = real_data("hivechain")
    forks = []
    with CheckedExecutor(tmp_path, load_genesis(folder / "genesis.json"), MemorySink(), sync=False) as executor:
        for block in load_blocks(folder / "chain.rlp"):
            outcome = executor.import_block(block)
            assert outcome.results is not None, outcome.invalid
            if outcome.fork not in forks:
                forks.append(outcome.fork)
        assert executor.head().number == 54
    expected = "homestead tangerine_whistle spurious_dragon byzantium constantinople petersburg istanbul muir_glacier"
    expected += " berlin london arrow_glacier gray_glacier paris shanghai cancun prague osaka bpo1 bpo2"
    assert forks == expected.split()
