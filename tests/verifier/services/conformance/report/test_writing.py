"""All reports from one way through the tests."""

import gc
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from verifier.domain.conformance import ExaminedCase
from verifier.errors import InputError
from verifier.services.conformance.report.writing import write_reports

from .runs import FACTS, SomeKnown, hostile, hostile_facts, whole


def test_all_reports_are_made_of_the_same(tmp_path: Path) -> None:
    out = io.StringIO()
    summary = write_reports(
        whole(600),
        FACTS,
        known=SomeKnown(),
        console=Console(file=out, width=200),
        html=tmp_path / "run.html",
        junit=tmp_path / "run.xml",
    )
    assert not summary.passed
    assert summary.unexplained > 0
    assert summary.gone > 0
    counted = summary.document["summary"]
    assert counted["unexplained"]["count"] == summary.unexplained
    assert counted["known_gone"]["count"] == summary.gone
    assert f"Failed: {summary.unexplained} unexplained differences, {summary.gone} known difference" in out.getvalue()
    assert (
        f"Failed: {summary.unexplained} unexplained, {summary.gone} known gone" in (tmp_path / "run.html").read_text()
    )
    assert (tmp_path / "run.xml").read_text().count('classname="known differences"') == summary.gone
    assert sorted(each.name for each in tmp_path.iterdir()) == ["run.html", "run.xml"]
    json.dumps(summary.document)


def test_nothing_is_asked_for_and_only_the_summary_comes() -> None:
    summary = write_reports(whole(10), FACTS, known=SomeKnown())
    assert summary.passed
    assert summary.document["summary"]["tests"] == 10


def test_no_test_is_no_success() -> None:
    assert not write_reports((), FACTS).passed


def test_tests_are_forgotten_as_they_go(tmp_path: Path) -> None:
    kind = "of this test"  # other tests' cases are in this process too
    held: list[int] = []

    def counted() -> Iterator[ExaminedCase]:
        for index, case in enumerate(whole(400)):
            if index % 100 == 99:
                gc.collect()  # what is garbage is forgotten, whenever Python comes to it
                held.append(sum(type(each) is ExaminedCase and each.name.kind == kind for each in gc.get_objects()))
            yield replace(case, name=replace(case.name, kind=kind))

    write_reports(counted(), FACTS, html=tmp_path / "run.html", junit=tmp_path / "run.xml")
    assert len(held) == 4
    assert 0 < max(held) < 10, held


def test_a_file_that_cannot_be_written_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing/run\.html: No such file or directory"):
        write_reports(whole(3), FACTS, html=tmp_path / "missing" / "run.html")
    (tmp_path / "taken").mkdir()
    with pytest.raises(InputError, match="taken"):
        write_reports(whole(3), FACTS, junit=tmp_path / "taken")
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]


def test_an_interrupted_run_leaves_what_was_there(tmp_path: Path) -> None:
    def broken() -> Iterator[ExaminedCase]:
        yield from whole(3)
        raise RuntimeError("interrupted")

    (tmp_path / "run.html").write_text("before")
    with pytest.raises(RuntimeError, match="interrupted"):
        write_reports(broken(), FACTS, html=tmp_path / "run.html")
    assert (tmp_path / "run.html").read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["run.html"]


def test_no_text_breaks_a_report(tmp_path: Path) -> None:
    out = io.StringIO()
    summary = write_reports(
        hostile(),
        hostile_facts(),
        known=SomeKnown(),
        console=Console(file=out),
        html=tmp_path / "run.html",
        junit=tmp_path / "run.xml",
    )
    assert summary.document["summary"]["tests"] == sum(1 for _ in hostile())
