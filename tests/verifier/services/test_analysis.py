"""The analysis of a disputed block: the witness is safe first, and what fails is an alarm and nothing else."""

import asyncio
import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.verifier.services.builders import block_witness, header_rlp
from tests.verifier.services.observing import Recorder
from verifier.domain.block import BlockReference
from verifier.domain.dispute import Conclusion, Dispute
from verifier.domain.localization import Localization, Place
from verifier.domain.result import Result
from verifier.domain.vote import Vote
from verifier.errors import UsageError
from verifier.executors.stateless.base import ExecutionRequest
from verifier.services.analysis import SECURED, Analyses
from verifier.services.judgement import Case
from witness.file import write_witness_file
from witness.model import BlockWitness


@dataclass
class Looking:
    """A Localizing. requests: what it was asked with."""

    requests: list[ExecutionRequest] = field(default_factory=list)
    fail_with: Exception | None = None

    async def localize(
        self, request: ExecutionRequest, content: BlockWitness, results: Sequence[Result], votes: Sequence[Vote]
    ) -> Localization:
        if self.fail_with is not None:
            raise self.fail_with
        self.requests.append(request)
        return Localization(BlockReference(1337, content.number, content.hash), Place.FIELD, (), (), "where")


@pytest.fixture
def case(tmp_path: Path) -> Case:
    content, _ = block_witness(1, header_rlp(0, bytes(32)))
    (tmp_path / "store").mkdir()
    path = write_witness_file(content, tmp_path / "store", sync=False)
    block = BlockReference(1337, 1, content.hash)
    return Case(block, ExecutionRequest(path, content.hash, bytes(32), 1.0), (), (), None, (), ended=True)


def dispute(case: Case, conclusion: Conclusion | None = None) -> Dispute:
    return Dispute("1-00000000", case.block, 0.0, 9.0, "why", conclusion=conclusion)


def test_the_secured_witness_outlives_the_store_and_goes_into_the_bundle(tmp_path: Path, case: Case) -> None:
    looking, recorder, written = Looking(), Recorder(), list[Case]()

    def write(_: Dispute, localization: Localization | None, given: Case) -> str:
        assert localization is not None
        assert given.request.witness.is_file()
        written.append(given)
        return "name"

    async def scenario() -> None:
        analyses = Analyses(tmp_path / "evidence", looking, write, recorder)
        await analyses.secure(case)
        case.request.witness.unlink()  # retention, or a rollback
        await analyses.secure(case)
        found = await analyses.localize(case)
        assert found is not None
        assert looking.requests[0].witness.parent == tmp_path / "evidence" / SECURED
        assert await analyses.keep(dispute(case), found, case) == "name"
        assert looking.requests[0].witness.is_file()  # it may be bundled once more, with the conclusion
        assert await analyses.keep(dispute(case, Conclusion.VALID), found, case) == "name"
        assert not looking.requests[0].witness.exists()

    asyncio.run(scenario())
    assert len(written) == 2
    assert not recorder.alarms()


def test_it_is_secured_once_however_many_ask_at_once(
    tmp_path: Path, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, links = Recorder(), list[str]()
    link, both = os.link, threading.Barrier(2)

    def late(source: Path, target: Path) -> None:
        links.append(str(target))
        with suppress(threading.BrokenBarrierError):
            both.wait(0.2)  # so that two at once are at once
        link(source, target)

    async def scenario() -> None:
        analyses = Analyses(tmp_path / "evidence", Looking(), lambda *_: "", recorder)
        await asyncio.gather(*(analyses.secure(case) for _ in range(2)))  # going back, and the analysis

    monkeypatch.setattr(os, "link", late)
    asyncio.run(scenario())
    assert not recorder.alarms()
    assert len(links) == 1
    assert [each.name for each in (tmp_path / "evidence" / SECURED).iterdir()] == [case.request.witness.name]


def test_what_fails_is_said(tmp_path: Path, case: Case) -> None:
    looking, recorder = Looking(fail_with=UsageError("nobody\nto ask")), Recorder()

    def write(*_: object) -> str:
        raise OSError(28, "No space left on device")

    async def scenario() -> None:
        analyses = Analyses(tmp_path / "evidence", looking, write, recorder)
        assert await analyses.localize(case) is None
        assert await analyses.keep(dispute(case, Conclusion.VALID), None, case) == ""
        case.request.witness.unlink()
        await analyses.secure(case)
        assert await analyses.localize(case) is None

    asyncio.run(scenario())
    assert recorder.alarms() == [
        "disagreement_not_localized",
        "evidence_not_kept",
        "evidence_not_kept",
        "disagreement_not_localized",
    ]
    assert not list((tmp_path / "evidence").rglob("*.witness*"))


def test_nothing_is_left_of_a_copy_that_failed(tmp_path: Path, case: Case) -> None:
    recorder = Recorder()

    async def scenario() -> None:
        (tmp_path / "evidence").write_text("a file is in the way")
        await Analyses(tmp_path / "evidence", Looking(), lambda *_: "", recorder).secure(case)

    asyncio.run(scenario())
    assert recorder.alarms() == ["evidence_not_kept"]
