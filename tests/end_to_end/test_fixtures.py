"""Public conformance fixtures, recorded by the embedded executor and examined as in a conformance run, by all clients.

Each client must say of each block what the fixture says, and reject an invalid one for a reason that it has, or differ
as is known. A spread of ethereum_tests, without what is made to be slow, all of the Prague and Osaka parts of eest, and
the chain of hive, which goes up to BPO2. VERIFIER_ALL_FIXTURES=1 takes everything and needs hours.
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import pytest

from tests.end_to_end.running import RunningAdapters
from tests.verifier.executors.stateful.test_real_chains import SLOW
from verifier.domain.conformance import CaseName, ExaminedCase, differences
from verifier.services.conformance.case import Case, LoadFailure
from verifier.services.conformance.clients import Recording
from verifier.services.conformance.examination import ExaminationOptions, examine
from verifier.services.conformance.known import packaged_differences
from verifier.services.conformance.reasons import classes_of_reason
from verifier.services.conformance.recorders.embedded import EmbeddedRecorder
from verifier.services.conformance.suite import BLOCKCHAIN, ENGINE, load_cases

ALL = os.environ.get("VERIFIER_ALL_FIXTURES") == "1"
STRIDE = {"Shanghai": 1, "Cancun": 37}  # of the tests in ethereum_tests
NETWORKS = {"Prague": ("Prague",), "Osaka": ("Osaka", "PragueToOsakaAtTime15k")}  # of eest
TESTS_UNDER_WAY = 24  # so that clients have work while the next tests are recorded
PARIS = 36  # index of the first block in hive's chain that every client knows the fork of


def chosen(real_blocks: Path, fork: str) -> Iterator[Case | LoadFailure]:
    """The tests of a fork. Of eest's payloads only those that are not among its blocks: the others are the same."""
    if fork in NETWORKS:
        seen: set[str] = set()

        def takes(name: CaseName) -> bool:
            if name.network not in NETWORKS[fork] or name.kind not in (BLOCKCHAIN, ENGINE):
                return False
            test = name.test.replace(ENGINE, BLOCKCHAIN)
            new = test not in seen
            seen.add(test)
            return new or ALL

        for folder in ("blockchain_tests", "blockchain_tests_engine"):
            yield from load_cases(real_blocks / "eest" / folder, takes=takes)
        return
    root = real_blocks / "ethereum_tests"
    entries = [entry for entry in json.loads((root / "manifest.json").read_text()) if entry["network"] == fork]
    if not ALL:
        entries = [entry for entry in entries if not SLOW.search(entry["path"])][:: STRIDE[fork]]
    wanted: dict[str, set[str]] = {}
    for entry in entries:
        wanted.setdefault(entry["path"], set()).add(entry["test"])
    for file, names in wanted.items():
        yield from load_cases(root / file, file, partial(is_among, names))


def is_among(tests: set[str], name: CaseName) -> bool:
    return name.test in tests


def examined(adapters: RunningAdapters, cases: Iterable[Case | LoadFailure], scratch: Path) -> Iterator[ExaminedCase]:
    """Each test with what everybody says of it; fails where one cannot be loaded."""
    options = ExaminationOptions(scratch)
    with Recording([EmbeddedRecorder(of_reason=classes_of_reason)]) as recording:
        clients = adapters.clients()

        async def together(some: list[Case]) -> list[ExaminedCase]:
            return await asyncio.gather(*(examine(each, recording, clients, options) for each in some))

        remaining = iter(cases)
        before = adapters.processes()
        while some := list(islice(remaining, TESTS_UNDER_WAY)):
            tests = [each for each in some if not (isinstance(each, LoadFailure) and each.left_out)]
            assert all(isinstance(each, Case) for each in tests), tests
            yield from adapters.run(together([each for each in tests if isinstance(each, Case)]))
        assert adapters.processes() == before


def unexplained(case: ExaminedCase, first: int = 0) -> list[str]:
    """What is not as the fixture says, in blocks from index `first` on, and not known; what is known and gone."""
    known = packaged_differences()
    found = [known.explain(each) for each in differences(case) if not 0 <= each.index < first]
    return [*(str(each) for each in found if not each.known), *map(str, known.gone_in(case))]


def judged_by(case: ExaminedCase, names: Iterable[str], first: int = 0) -> Iterator[str]:
    """What is expected of each recorded block; fails where an adapter was not asked about one."""
    for block in case.blocks[first:]:
        if block.witness_bytes:
            asked = {answer.client for answer in block.answers if not answer.stateful}
            assert asked == set(names), (case.name, block.index, case.skipped)
            yield str(block.expected)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("fork", "least"), [("Shanghai", 200), ("Cancun", 250), ("Prague", 300), ("Osaka", 700)])
def test_every_client_agrees_with_the_fixture(
    adapters: RunningAdapters, real_blocks: Path, tmp_path: Path, fork: str, least: int
) -> None:
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for case in examined(adapters, chosen(real_blocks, fork), tmp_path):
        counts.update(judged_by(case, adapters.names))
        wrong += unexplained(case)
    assert not wrong, f"{len(wrong)}: {wrong[:5]}"
    assert counts.total() >= least, counts
    assert counts["invalid"] > 0, counts
    print(f"{fork}: {counts['valid']} valid and {counts['invalid']} invalid blocks, {len(adapters.names)} clients")


@pytest.mark.timeout(900)
def test_every_client_agrees_with_the_chain_of_hive(
    adapters: RunningAdapters, real_blocks: Path, tmp_path: Path
) -> None:
    (case,) = examined(adapters, load_cases(real_blocks / "hivechain"), tmp_path)
    assert len(list(judged_by(case, adapters.names, PARIS))) == 18  # to BPO2
    wrong = unexplained(case, PARIS)
    assert not wrong, f"{len(wrong)}: {wrong[:5]}"
