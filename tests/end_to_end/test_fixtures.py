"""Public conformance fixtures: recorded by the embedded executor, published, executed by all clients from the files.

Each lineage that knows the fork must say of each block what the fixture says. A spread of ethereum_tests, without
what is made to be slow, and all of the Prague part of eest. VERIFIER_ALL_FIXTURES=1 takes everything and needs hours.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.running import RunningAdapters
from tests.verifier.executors.stateful.test_real_chains import SLOW
from verifier.domain.quorum import quorum_policy
from verifier.domain.vote import Vote, VoteKind
from verifier.services.conformance.loaders.blockchain_test import BlockchainTest
from verifier.services.conformance.loaders.fixtures import fixture_files, load_tests
from verifier.services.recording import Status, open_embedded, record_test
from verifier.services.replay import BlockReport, ReplayOptions, replay
from verifier.services.sources import Source
from witness.file import map_witness_file
from witness.store import WitnessStore

ALL = os.environ.get("VERIFIER_ALL_FIXTURES") == "1"
STRIDE = {"Shanghai": 1, "Cancun": 37}  # of the tests in ethereum_tests
# client → part of a test's name → what it says of an invalid block there, and why that is the client's own.
KNOWN_DIFFERENCES = {
    ("ethrex", "GasLimitHigherThan2p63m1"): "accepts a header gasLimit above 2^63-1 (a finding, not hidden)",
}


@dataclass(frozen=True)
class Recorded:
    """One recorded block of a fixture. valid: what the fixture says of it."""

    path: Path
    test: str
    valid: bool


def chosen_tests(real_blocks: Path, fork: str) -> Iterator[BlockchainTest]:
    """The tests of a fork."""
    if fork == "Prague":
        tests = (test for path in fixture_files(real_blocks / "eest" / "blockchain_tests") for test in load_tests(path))
        yield from (test for test in tests if test.network == "Prague")
        return
    root = real_blocks / "ethereum_tests"
    entries = [entry for entry in json.loads((root / "manifest.json").read_text()) if entry["network"] == fork]
    if not ALL:
        entries = [entry for entry in entries if not SLOW.search(entry["path"])][:: STRIDE[fork]]
    wanted: dict[str, set[str]] = {}
    for entry in entries:
        wanted.setdefault(entry["path"], set()).add(entry["test"])
    for path, names in wanted.items():
        yield from (test for test in load_tests(root / path) if test.name in names)


def recorded_blocks(tests: Iterable[BlockchainTest], out: Path) -> Iterator[Recorded]:
    """Records the tests' blocks; fails where the embedded executor and the fixture disagree."""
    for index, test in enumerate(tests):
        state = out / f"{index}-state"
        with (
            WitnessStore(out / str(index), sync=False) as store,
            closing(open_embedded(state, test.genesis, store, False)) as executor,
        ):
            for event in record_test(test, executor):
                assert not event.disagreement, event
                if event.status in (Status.RECORDED, Status.INVALID):
                    assert event.path is not None
                    yield Recorded(event.path, event.test, event.status is Status.RECORDED)


def is_agreed(vote: Vote, block: Recorded) -> bool:
    """Whether the vote says what the fixture says, or differs as is known."""
    if any(vote.adapter == client and part in block.test for client, part in KNOWN_DIFFERENCES):
        return vote.kind is VoteKind.VALID
    return vote.kind is (VoteKind.VALID if block.valid else VoteKind.INVALID)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("fork", "least"), [("Shanghai", 200), ("Cancun", 250), ("Prague", 300)])
def test_every_client_agrees_with_the_fixture(
    adapters: RunningAdapters, real_blocks: Path, tmp_path: Path, fork: str, least: int
) -> None:
    blocks = list(recorded_blocks(chosen_tests(real_blocks, fork), tmp_path))
    counts: Counter[str] = Counter()
    wrong: list[tuple[str, str, Vote]] = []

    async def scenario() -> None:
        executors = adapters.executors()
        options = ReplayOptions(quorum_policy({each.name: each.lineage for each in executors}))
        sources = (Source(block.path, map_witness_file(block.path)) for block in blocks)
        remaining = iter(blocks)
        async for report in replay(executors, sources, options):
            block = next(remaining)
            assert isinstance(report, BlockReport), report
            counts["valid" if block.valid else "invalid"] += 1
            wrong.extend((block.test, block.path.name, vote) for vote in report.votes if not is_agreed(vote, block))

    before = adapters.processes()
    adapters.run(scenario())
    assert not wrong, f"{len(wrong)} votes: {wrong[:5]}"
    assert adapters.processes() == before
    assert counts.total() >= least, counts
    print(f"{fork}: {counts['valid']} valid and {counts['invalid']} invalid blocks, {len(adapters.names)} clients")
