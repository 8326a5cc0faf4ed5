"""The page as a document; `test_page_in_browser` looks at it."""

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from verifier.domain.conformance import ExaminedCase
from verifier.services.conformance.report import page as page_module
from verifier.services.conformance.report.commands import Commands
from verifier.services.conformance.report.facts import RunFacts
from verifier.services.conformance.report.outcome import judge
from verifier.services.conformance.report.page import Page, policy
from verifier.services.conformance.report.tally import Tally

from .runs import FACTS, SomeKnown, hostile, hostile_facts, whole


class Document(HTMLParser):
    """Tags with their attributes, and the text of each script and style."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[tuple[str, str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._open = dict(attrs).get("id") or tag if tag in ("script", "style") else ""

    def handle_data(self, data: str) -> None:
        if getattr(self, "_open", ""):
            self.inside.append((self._open, data))

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def text(self, name: str) -> str:
        return "".join(text for each, text in self.inside if each == name)


def written(path: Path, cases: Iterable[ExaminedCase], facts: RunFacts = FACTS) -> tuple[Document, Tally]:
    tally = Tally(facts)
    with Page(tally, facts, Commands(facts)) as page:
        for case in cases:
            test = judge(case, tally.columns, SomeKnown().explain)
            tally.add(test)
            page.add(test)
        page.write(path)
    return Document(path.read_text(encoding="utf-8")), tally


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    document, _ = written(tmp_path / "run.html", whole(200))
    for tag, attributes in document.tags:
        assert tag not in ("iframe", "object", "embed", "base", "img")
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith(("#", "data:image/svg+xml,"))
        assert not {name for name in attributes if name.startswith("on") or name == "style"}
    style, script = document.text("style"), document.text("script")
    assert "url(" not in style
    assert not re.search(r"fetch\(|XMLHttpRequest|innerHTML|eval\(", script)
    (said,) = [attributes["content"] for tag, attributes in document.tags if attributes.get("http-equiv") is not None]
    assert said == policy(style, script)
    assert said is not None
    assert said.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in said


def test_tests_are_one_array_in_order(tmp_path: Path) -> None:
    cases = list(whole(300))
    document, tally = written(tmp_path / "run.html", reversed(cases))
    rows, data = json.loads(document.text("cases")), json.loads(document.text("data"))
    words = data["words"]
    names = [(words[row[0]], row[1]) for row in rows]
    assert names == sorted((case.name.path, case.name.test) for case in cases)
    assert data["columns"] == [str(column) for column in tally.columns]
    assert sum(folder[1] for folder in data["folders"]) == 300
    for folder in data["folders"]:
        for counts in folder[3]:
            assert sum(counts) + folder[2] == folder[1]


def test_a_whole_run_stays_small(tmp_path: Path) -> None:
    """A tenth of the 14,563 tests of ethereum/tests in a tenth of the 6 MB that a page may have."""
    written(tmp_path / "run.html", whole(1456, rare=10))
    assert (tmp_path / "run.html").stat().st_size < 600_000


def test_what_is_too_much_is_counted_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module, "MOST_AGREEING", 10_000)
    monkeypatch.setattr(page_module, "MOST_DIFFERING", 5_000)
    document, tally = written(tmp_path / "run.html", whole(300))
    rows = json.loads(document.text("cases"))
    assert 0 < len(rows) < 200
    html = (tmp_path / "run.html").read_text(encoding="utf-8")
    assert f"{tally.tests - len(rows):,} further tests are counted above" in html


def test_no_text_becomes_markup(tmp_path: Path) -> None:
    document, tally = written(tmp_path / "run.html", hostile(), hostile_facts())
    plain, _ = written(tmp_path / "plain.html", whole(50))
    assert {tag for tag, _ in document.tags} <= {tag for tag, _ in plain.tags} | {"details", "summary", "bdi"}
    assert sum(tag == "script" for tag, _ in document.tags) == 3
    assert document.text("script") == plain.text("script")
    rows = json.loads(document.text("cases"))
    assert len(rows) == tally.tests
    html = (tmp_path / "run.html").read_text(encoding="utf-8")
    assert "<img" not in html
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", html)


def test_no_test_at_all_is_a_page(tmp_path: Path) -> None:
    written(tmp_path / "run.html", (), replace(FACTS, participants=()))
    assert "No test was run" in (tmp_path / "run.html").read_text(encoding="utf-8")


def test_known_ones_that_are_gone_are_told(tmp_path: Path) -> None:
    tally = Tally(FACTS)
    with Page(tally, FACTS, Commands(FACTS)) as page:
        for case in whole(5):
            tally.add(judge(case, tally.columns, SomeKnown().explain))
        tally.gone.add("<b>gone</b>")
        page.write(tmp_path / "run.html")
    html = (tmp_path / "run.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;gone&lt;/b&gt;" in html
    assert "Failed: 0 unexplained, 1 known gone" in html
