"""Both recorders on the same tests: they say the same of each block, and so do all clients on either's witnesses.

A spread of ethereum_tests, without what is made to be slow, and of eest. VERIFIER_ALL_FIXTURES=1 takes all of it, which
needs hours.
"""

import os
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests.end_to_end.running import RunningAdapters
from tests.verifier.executors.stateful.test_real_chains import SLOW
from tests.verifier.services.conformance.recorders.recording import AnyRecorder, open_recorder
from verifier.domain.conformance import CaseName, Said
from verifier.domain.quorum import quorum_policy
from verifier.domain.vote import VoteKind
from verifier.executors.stateful.errors import UnsupportedForkError
from verifier.services.conformance.case import Case, CaseBlock, Recorded
from verifier.services.conformance.known import packaged_differences
from verifier.services.conformance.loaders.fixtures import fixture_files, load_tests
from verifier.services.replay import BlockReport, ReplayOptions, replay
from verifier.services.sources import Source
from witness.file import map_witness_file

ALL = os.environ.get("VERIFIER_ALL_FIXTURES") == "1"
STRIDE = {"ethereum_tests/BlockchainTests/InvalidBlocks": 11, "ethereum_tests/BlockchainTests": 331, "eest": 101}
SAID = {VoteKind.VALID: Said.VALID, VoteKind.INVALID: Said.INVALID}
# Where one of them is known to differ from the fixture, the other may differ from it.
KNOWN = [each for each in packaged_differences().entries if each.client in ("geth", "pyevm") and True in each.ways]


def chosen(folder: Path, stride: int) -> Iterator[Case]:
    files = (path for path in fixture_files(folder) if ALL or not SLOW.search(str(path)))
    tests = (test for path in files if path.name != "manifest.json" for test in load_tests(path))
    for test in islice(tests, 0, None, 1 if ALL else stride):
        name = CaseName(folder.name, test.name, test.network, "test")
        if any(each.concerns(name) for each in KNOWN):
            continue
        blocks = tuple(CaseBlock(block.encoded, stated_hash=block.stated_hash) for block in test.blocks)
        yield Case(name, blocks, test.genesis)


def record(recorder: AnyRecorder, case: Case, directory: Path) -> list[Recorded]:
    directory.mkdir()
    try:
        return [each for each in recorder.record(case, directory) if isinstance(each, Recorded)]
    except UnsupportedForkError:
        return []


def judged(adapters: RunningAdapters, blocks: list[tuple[str, Recorded]]) -> list[str]:
    """The votes that are not what the recorder says, but for those of clients that lack the fork."""
    wrong = []

    async def scenario() -> None:
        executors = adapters.executors()
        options = ReplayOptions(quorum_policy({each.name: each.lineage for each in executors}))
        sources = (Source(block.path, map_witness_file(block.path)) for _, block in blocks if block.path is not None)
        remaining = iter(blocks)
        async for report in replay(executors, sources, options):
            name, block = next(remaining)
            assert isinstance(report, BlockReport), report
            for vote in report.votes:
                unsupported = (vote.reason or "").startswith("unsupported_fork")
                if not unsupported and SAID.get(vote.kind) is not block.answer.said:
                    wrong.append(f"{name}: {vote.adapter} {vote.kind} ({vote.reason}), {block.answer}")

    adapters.run(scenario())
    return wrong


@pytest.mark.timeout(900)
def test_recorders_and_clients_agree(adapters: RunningAdapters, real_blocks: Path, tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    wrong, blocks = [], []
    with open_recorder("geth") as geth, open_recorder("pyevm") as pyevm:
        cases = (case for folder, stride in STRIDE.items() for case in chosen(real_blocks / folder, stride))
        for index, case in enumerate(cases):
            ours, others = record(geth, case, tmp_path / f"{index}g"), record(pyevm, case, tmp_path / f"{index}p")
            assert len(ours) == len(others), case.name
            for one, other in zip(ours, others, strict=True):
                counts[one.answer.said] += 1
                if (one.answer.said, one.path is None) != (other.answer.said, other.path is None):
                    wrong.append(f"{case.name}: {one.answer} and {other.answer}")
                blocks += [(str(case.name), each) for each in (one, other) if each.path is not None]
    assert not wrong, f"{len(wrong)}: {wrong[:3]}"
    assert counts[Said.VALID] >= 60, counts
    assert counts[Said.INVALID] >= 10, counts
    wrong = judged(adapters, blocks)
    assert not wrong, f"{len(wrong)}: {wrong[:3]}"
