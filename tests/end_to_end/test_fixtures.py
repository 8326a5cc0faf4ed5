"""Public conformance fixtures: recorded by the embedded executor, published, executed by all clients from the files.

Each lineage that knows the fork must say of each block what the fixture says, and where a lineage names the rule that
an invalid block breaks, it must be the right one. A spread of ethereum_tests, without what is made to be slow, all of
the Prague and Osaka parts of eest, and the chain of hive, which goes up to BPO2. VERIFIER_ALL_FIXTURES=1 takes
everything and needs hours.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest

from tests.end_to_end.running import RunningAdapters
from tests.verifier.executors.stateful.test_real_chains import SLOW
from verifier.domain.quorum import quorum_policy
from verifier.domain.vote import Vote, VoteKind
from verifier.services.conformance.loaders.blockchain_test import BlockchainTest
from verifier.services.conformance.loaders.fixtures import fixture_files, load_tests
from verifier.services.conformance.loaders.genesis import load_genesis
from verifier.services.conformance.loaders.rlp_chain import load_blocks
from verifier.services.recording import Status, open_embedded, record_test
from verifier.services.replay import BlockReport, ReplayOptions, replay
from verifier.services.sources import Source
from witness.file import map_witness_file
from witness.store import WitnessStore

ALL = os.environ.get("VERIFIER_ALL_FIXTURES") == "1"
STRIDE = {"Shanghai": 1, "Cancun": 37}  # of the tests in ethereum_tests
NETWORKS = {"Prague": ("Prague",), "Osaka": ("Osaka", "PragueToOsakaAtTime15k")}  # of eest
# Exception of a fixture → the rules as which it may be reported. A block may break more than one.
RULES = {
    "TransactionException.GAS_LIMIT_EXCEEDS_MAXIMUM": {"transaction"},
    "TransactionException.GAS_ALLOWANCE_EXCEEDED": {"block_gas"},
    "TransactionException.INITCODE_SIZE_EXCEEDED": {"transaction"},
    "TransactionException.INSUFFICIENT_ACCOUNT_FUNDS": {"transaction"},
    "TransactionException.INTRINSIC_GAS_TOO_LOW": {"transaction"},
    "TransactionException.SENDER_NOT_EOA": {"transaction"},
    "TransactionException.TYPE_3_TX_BLOB_COUNT_EXCEEDED": {"transaction", "blob_gas_used"},
    "TransactionException.TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED": {"transaction", "blob_gas_used"},
    "BlockException.INVALID_DEPOSIT_EVENT_LAYOUT": {"deposit_requests"},
    "BlockException.INCORRECT_EXCESS_BLOB_GAS": {"excess_blob_gas"},
    "BlockException.INVALID_REQUESTS": set(),  # a difference of the requests' hash
}
# client → part of a test's name → what it says of an invalid block there, and why that is the client's own.
KNOWN_DIFFERENCES = {
    ("ethrex", "GasLimitHigherThan2p63m1"): "accepts a header gasLimit above 2^63-1 (a finding, not hidden)",
}


@dataclass(frozen=True)
class Recorded:
    """One recorded block of a fixture. valid: what the fixture says of it; exception: why not, in its words.

    Empty for ethereum_tests, whose invalid blocks break more rules than the one that they are made for.
    """

    path: Path
    test: str
    valid: bool
    exception: str = ""


def chosen_tests(real_blocks: Path, fork: str) -> Iterator[BlockchainTest]:
    """The tests of a fork. Of eest's payloads only those that are not among its blocks: the others are the same."""
    if fork in NETWORKS:
        seen: set[str] = set()
        for kind in ("blockchain_tests", "blockchain_tests_engine"):
            for path in fixture_files(real_blocks / "eest" / kind):
                for test in load_tests(path):
                    name = test.name.replace("blockchain_test_engine", "blockchain_test")
                    if test.network in NETWORKS[fork] and (name not in seen or ALL):
                        seen.add(name)
                        yield test
        return
    root = real_blocks / "ethereum_tests"
    entries = [entry for entry in json.loads((root / "manifest.json").read_text()) if entry["network"] == fork]
    if not ALL:
        entries = [entry for entry in entries if not SLOW.search(entry["path"])][:: STRIDE[fork]]
    wanted: dict[str, set[str]] = {}
    for entry in entries:
        wanted.setdefault(entry["path"], set()).add(entry["test"])
    for file, names in wanted.items():
        yield from (test for test in load_tests(root / file) if test.name in names)


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
                    named = test.network in chain.from_iterable(NETWORKS.values())
                    exception = (test.blocks[event.position].exception or "") if named else ""
                    yield Recorded(event.path, event.test, event.status is Status.RECORDED, exception)


def recorded_chain(folder: Path, out: Path, first: int) -> Iterator[Recorded]:
    """Records a chain of valid blocks, and gives those from number `first` on."""
    with (
        WitnessStore(out / "chain", sync=False) as store,
        closing(open_embedded(out / "chain-state", load_genesis(folder / "genesis.json"), store, False)) as executor,
    ):
        for number, block in enumerate(load_blocks(folder / "chain.rlp"), 1):
            outcome = executor.import_block(block)
            assert outcome.results is not None, outcome.invalid
            assert outcome.path is not None
            if number >= first:
                yield Recorded(outcome.path, f"{folder.name} {outcome.fork}", True)


def is_agreed(vote: Vote, block: Recorded) -> bool:
    """Whether the vote says what the fixture says, or differs as is known."""
    if any(vote.adapter == client and part in block.test for client, part in KNOWN_DIFFERENCES):
        return vote.kind is VoteKind.VALID
    if vote.kind is not (VoteKind.VALID if block.valid else VoteKind.INVALID):
        return False
    reason = vote.reason or ""
    if block.valid or not reason.startswith("broken_rule: "):
        return True
    rules = set().union(*(RULES.get(each, set()) for each in block.exception.split("|")))
    return not block.exception or reason.removeprefix("broken_rule: ").split(":")[0] in rules


def judged(adapters: RunningAdapters, blocks: list[Recorded]) -> list[tuple[str, str, Vote]]:
    """Every vote on these blocks that is not as the fixture says, with the test's and the file's name."""
    wrong: list[tuple[str, str, Vote]] = []

    async def scenario() -> None:
        executors = adapters.executors()
        options = ReplayOptions(quorum_policy({each.name: each.lineage for each in executors}))
        sources = (Source(block.path, map_witness_file(block.path)) for block in blocks)
        remaining = iter(blocks)
        async for report in replay(executors, sources, options):
            block = next(remaining)
            assert isinstance(report, BlockReport), report
            assert len(report.votes) == len(executors)
            wrong.extend((block.test, block.path.name, vote) for vote in report.votes if not is_agreed(vote, block))

    before = adapters.processes()
    adapters.run(scenario())
    assert adapters.processes() == before
    return wrong


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("fork", "least"), [("Shanghai", 200), ("Cancun", 250), ("Prague", 300), ("Osaka", 700)])
def test_every_client_agrees_with_the_fixture(
    adapters: RunningAdapters, real_blocks: Path, tmp_path: Path, fork: str, least: int
) -> None:
    blocks = list(recorded_blocks(chosen_tests(real_blocks, fork), tmp_path))
    counts = Counter("valid" if block.valid else "invalid" for block in blocks)
    wrong = judged(adapters, blocks)
    assert not wrong, f"{len(wrong)} votes: {wrong[:5]}"
    assert counts.total() >= least, counts
    print(f"{fork}: {counts['valid']} valid and {counts['invalid']} invalid blocks, {len(adapters.names)} clients")


@pytest.mark.timeout(900)
def test_every_client_agrees_with_the_chain_of_hive(
    adapters: RunningAdapters, real_blocks: Path, tmp_path: Path
) -> None:
    blocks = list(recorded_chain(real_blocks / "hivechain", tmp_path, first=37))  # Paris, where ethrex begins
    assert {block.test.split()[1] for block in blocks} == {
        "paris",
        "shanghai",
        "cancun",
        "prague",
        "osaka",
        "bpo1",
        "bpo2",
    }
    wrong = judged(adapters, blocks)
    assert not wrong, f"{len(wrong)} votes: {wrong[:5]}"
    assert len(blocks) == 18
