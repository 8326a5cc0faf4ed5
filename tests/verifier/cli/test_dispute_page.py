"""The page of a dispute: what is in it, that nothing gets out of its place, and how it looks in headless Chromium."""

from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver

from tests.verifier.services.evidence.builders import ACCOUNT, evidence, word
from tests.verifier.telemetry.browser import chromium, console, prefer, require_chromium, resize
from tests.verifier.telemetry.test_page import FAINT, TOO_WIDE
from verifier.cli.dispute_page import page
from verifier.domain.divergence import Divergence, Ended, Group
from verifier.domain.localization import FieldDifference
from verifier.domain.result import BrokenRule
from verifier.domain.trace import Step
from verifier.services.dispute_report import DisputeReport, report_of_bundle
from verifier.services.evidence import ClientVersion, Evidence, write_bundle

NOW = "2026-11-30T07:00:00.000Z"
WIDTHS = (400, 1280)  # CSS pixels: a telephone, a laptop
EVIL = '</style><script>alert(1)</script><img src="http://elsewhere/x" onerror=alert(1)>&amp;\'"'
VOID = {"meta", "link", "img", "br"}


class Elements(HTMLParser):
    """Every element of a page with its attributes, and its text; what is not closed in order is an error."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.stack: list[str] = []
        self.feed(content)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def report(directory: Path, given: Evidence) -> DisputeReport:
    return report_of_bundle(directory / "evidence" / write_bundle(directory / "evidence", given))


def large(directory: Path) -> Evidence:
    """Three sides, deep stacks, long values: as wide as a page may have to be."""
    given = evidence(directory)
    localization = given.localization
    assert localization is not None
    first, second = localization.sides
    sides = (first, second, replace(second, adapters=("ethereumjs", "eels"), lineages=("ethereumjs", "eels")))
    stack = b"".join(word(2**256 - 1 - number) for number in range(30))

    def step(gas: int) -> Step:
        return Step(3, ACCOUNT, 1234, 0x55, gas, stack + word(gas), 20_000, 64, "out of gas")

    groups = tuple(Group(side.adapters, step(40_000 + number)) for number, side in enumerate(sides))
    bloom = "0x" + "0123456789abcdef" * 32
    divergence = Divergence(0, 9, groups, ("gas", "stack"), (step(50_000), step(45_000)))
    fields = tuple(FieldDifference(name, (bloom, None, bloom)) for name in ("logs_bloom", "state_root"))
    state = tuple(replace(each, values=("0x5", "0x6", None)) for each in localization.state)
    changed = replace(localization, sides=sides, fields=fields, divergence=divergence, state=state)
    versions = replace(
        given.versions,
        adapters=tuple(ClientVersion(name, name, f"client-{name}", "1.2.3-beta+0123456789abcdef") for name in "abcdef"),
    )
    return replace(given, localization=changed, versions=versions)


def test_the_page_says_what_a_bug_report_needs(tmp_path: Path) -> None:
    shown = report(tmp_path, evidence(tmp_path))
    parsed = Elements(page(shown, NOW))
    text = parsed.text
    for expected in (
        f"Dispute {shown.dispute.id}",
        "state_root: transaction 0, step 1: SSTORE has another value on the stack",
        f"0x{shown.dispute.block.hash.hex()}",
        f"0x{'77' * 32}",
        "geth, revm",
        "SSTORE",
        f"slot 0x{1:064x}",
        "go-ethereum 1.17.10",
        f"Made by execution-verifier, {NOW}",
    ):
        assert expected in text, expected
    assert f"verifier replay {shown.dispute.evidence or (shown.path or Path()).name}" in "".join(text)
    differing = [attributes for tag, attributes in parsed.elements if attributes.get("class") == "differs"]
    assert len(differing) == 4  # the field, the last common step, the top of the stack, the slot


def test_it_asks_for_nothing(tmp_path: Path) -> None:
    parsed = Elements(page(report(tmp_path, large(tmp_path)), NOW))
    assert {tag for tag, _ in parsed.elements} & {"script", "img", "link", "iframe", "form", "a", "object"} == set()
    names = {name for _, attributes in parsed.elements for name in attributes}
    assert not any(name.startswith("on") or name in ("src", "href", "style", "action") for name in names)
    policies = [each["content"] for _, each in parsed.elements if each.get("http-equiv") == "Content-Security-Policy"]
    assert policies
    assert str(policies[0]).startswith("default-src 'none'")


def test_whatever_a_client_says_is_text(tmp_path: Path) -> None:
    given = evidence(tmp_path)
    assert given.localization is not None
    ends = (Group((EVIL,), Ended(BrokenRule(EVIL, EVIL))), Group(("b",), Ended(BrokenRule("r", "d"))))
    evil = replace(
        given.localization,
        text=EVIL,
        notes=(EVIL,),
        fields=(FieldDifference(EVIL, (EVIL, EVIL)),),
        sides=tuple(replace(side, adapters=(EVIL,), lineages=(EVIL,)) for side in given.localization.sides),
        divergence=Divergence(0, 1, ends, (EVIL,)),
    )
    dispute = replace(given.dispute, id=EVIL, why=EVIL, reason=EVIL, silent=frozenset({EVIL}))
    dispute = replace(dispute, statements=tuple(replace(each, summary=EVIL) for each in dispute.statements))
    versions = replace(given.versions, verifier=EVIL, adapters=(ClientVersion(EVIL, EVIL, EVIL, EVIL, EVIL),))
    shown = report(tmp_path, replace(given, localization=evil, dispute=dispute, versions=versions, traces={"a": ()}))
    parsed = Elements(page(shown, NOW))
    assert {tag for tag, _ in parsed.elements} & {"script", "img"} == set()
    assert parsed.text.count(EVIL) > 10
    assert {value for _, each in parsed.elements for value in each.values() if value and "script" in value} == {
        EVIL,
    }


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    require_chromium()
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.mark.xdist_group("browser")  # one Chromium for all that need it
def test_it_looks_right_narrow_and_wide_light_and_dark(browser: webdriver.Chrome, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page(report(tmp_path, large(tmp_path)), NOW))
    for scheme in ("light", "dark"):
        prefer(browser, scheme)
        for width in WIDTHS:
            resize(browser, width)
            browser.get(path.as_uri())
            assert browser.execute_script("return document.documentElement.scrollWidth") <= width
            assert browser.execute_script(TOO_WIDE) == []
            assert browser.execute_script(FAINT) == []
            assert overlapping(browser) == []
    assert console(browser) == []


def overlapping(driver: webdriver.Chrome) -> Any:
    """Cells whose text runs out of them."""
    return driver.execute_script(
        "return [...document.querySelectorAll('td, th, dd, dt, p, pre, h1, h2')]"
        ".filter((each) => each.checkVisibility() && each.scrollWidth > each.clientWidth + 1"
        " && getComputedStyle(each).display !== 'inline' && !each.closest('thead'))"
        ".map((each) => each.outerHTML.slice(0, 200))"
    )
