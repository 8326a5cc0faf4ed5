"""Campaigns: the same again, on from anywhere, and what differs kept once and made smaller."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.verifier.services.fuzzing.examples import FakeExaminer, opened, run
from verifier.services.conformance.case import Case
from verifier.services.conformance.suite import load_cases
from verifier.services.fuzzing.bytecode import disassemble
from verifier.services.fuzzing.findings import ORIGINAL, REPORT, SMALLER
from verifier.services.fuzzing.state import FINDINGS, JOURNAL, OtherCampaignError, StateError

BLOCKS, FIRST = 24, 10
KECCAK = 0x20


def hashes_in_code(case: Case) -> bool:
    """Whether a generated account's code has the instruction KECCAK256, and a transaction is there to call it."""
    assert case.genesis is not None
    return any(
        address.startswith(b"\xc0\xde") and KECCAK in {each.code for each in disassemble(account.code)}
        for address, account in case.genesis.accounts.items()
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The journal of a campaign without interruption."""
    directory = tmp_path_factory.mktemp("whole")
    with opened(directory) as state:
        asyncio.run(run(state, BLOCKS))
    return (directory / JOURNAL).read_bytes()


def test_the_same_again_gives_the_same_journal(tmp_path: Path, whole: bytes) -> None:
    with opened(tmp_path) as state:
        campaign, found = asyncio.run(run(state, BLOCKS))
    assert (tmp_path / JOURNAL).read_bytes() == whole
    assert len(whole.splitlines()) == BLOCKS + 1
    assert not found
    assert campaign.progress.blocks == BLOCKS
    report = campaign.progress.coverage.report()
    assert report["opcodes"]["reached"] > 40
    assert sum(report["forks"].values()) == BLOCKS


def test_one_that_goes_on_gives_the_same_journal(tmp_path: Path, whole: bytes) -> None:
    with opened(tmp_path) as state:
        asyncio.run(run(state, FIRST))
    path = tmp_path / JOURNAL
    path.write_bytes(path.read_bytes()[:-7])  # killed while it wrote
    with opened(tmp_path, resume=True) as state:
        assert len(state.entries) == FIRST - 1
        examiner = FakeExaminer()
        campaign, _ = asyncio.run(run(state, BLOCKS, examiner))
    assert path.read_bytes() == whole
    assert len(examiner.asked) == BLOCKS - FIRST + 1
    assert sum(campaign.progress.coverage.report()["forks"].values()) == BLOCKS


def test_what_differs_is_kept_made_smaller_and_counted(tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        campaign, found = asyncio.run(run(state, BLOCKS, FakeExaminer(hashes_in_code)))
    assert found
    (difference,) = [each for each in campaign.findings.document() if each["difference"].startswith("block: ")]
    assert difference["blocks"] >= len(difference["examples"])
    assert len(difference["examples"]) == 1  # of the others as much is left
    assert difference["blocks"] > 3
    assert "eels: computes another state_root" in difference["difference"]
    folder = tmp_path / FINDINGS / found[0].folder
    (smaller,) = load_cases(folder / SMALLER)
    (original,) = load_cases(folder / ORIGINAL)
    assert isinstance(smaller, Case)
    assert isinstance(original, Case)
    assert smaller.genesis is not None
    codes = [code.code for address, code in smaller.genesis.accounts.items() if address.startswith(b"\xc0\xde")]
    assert codes == [bytes([KECCAK])]
    report = json.loads((folder / REPORT).read_bytes())
    assert report["number"] == found[0].number
    assert {each["client"] for each in report["answers"]["blocks"][0]["answers"]} == {"geth", "revm", "eels"}


def test_what_was_found_before_is_there_when_it_goes_on(tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        before, found = asyncio.run(run(state, FIRST, FakeExaminer(hashes_in_code)))
    (tmp_path / FINDINGS / found[0].folder / REPORT).unlink()  # nobody knows of it any more
    with opened(tmp_path, resume=True) as state:
        after, _ = asyncio.run(run(state, FIRST, FakeExaminer(hashes_in_code)))
    assert after.findings.counts == before.findings.counts
    assert len(after.findings.all) == len(before.findings.all) - 1


def test_what_there_was_no_time_to_make_smaller_is_when_it_goes_on(tmp_path: Path) -> None:
    with opened(tmp_path) as state:
        _, found = asyncio.run(run(state, FIRST, FakeExaminer(hashes_in_code)))
    folder = tmp_path / FINDINGS / found[0].folder
    smallest = (folder / SMALLER).read_bytes()
    report = json.loads((folder / REPORT).read_bytes())
    (folder / SMALLER).unlink()
    (folder / REPORT).unlink()
    (folder / REPORT).write_text(json.dumps({**report, "minimised": False}))
    with opened(tmp_path, resume=True) as state:
        asyncio.run(run(state, FIRST, FakeExaminer(hashes_in_code)))
    assert (folder / SMALLER).read_bytes() == smallest


def test_a_directory_of_another_campaign_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OtherCampaignError), opened(tmp_path, resume=True):
        raise AssertionError("there is nothing to go on with")
    with opened(tmp_path):
        with pytest.raises(OtherCampaignError), opened(tmp_path):
            raise AssertionError("there is one already")
        with pytest.raises(StateError), opened(tmp_path, resume=True):
            raise AssertionError("it is being written to")
    (tmp_path / JOURNAL).write_text('{"campaign":{}}\n')
    with pytest.raises(OtherCampaignError), opened(tmp_path, resume=True):
        raise AssertionError("it is another")


@pytest.mark.parametrize("line", ["[]", "{}", '{"number":1}', '{"number":0,"parents":[0]}', "x", '{"number":0,"y":1}'])
def test_a_broken_journal_is_an_error(tmp_path: Path, line: str) -> None:
    with opened(tmp_path):
        pass
    with (tmp_path / JOURNAL).open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(StateError, match="line 2"), opened(tmp_path, resume=True):
        raise AssertionError("it was read")
