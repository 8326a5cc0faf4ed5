"""The page in a real browser: headless Chromium."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.verifier.telemetry.browser import chromium, console, prefer, require_chromium, resize
from tests.verifier.telemetry.test_page import FAINT, TOO_WIDE
from verifier.services.conformance.report.writing import write_reports

from .runs import FACTS, SomeKnown, hostile, hostile_facts, whole

WAIT = 60.0  # seconds for what is awaited in the page, on a machine that is busy
SIZES = ((390, 844), (1440, 900))  # CSS pixels: a telephone, a laptop
TESTS = 400
# What a finger could miss: less than 40 CSS pixels tall.
SMALL = """
return [...document.querySelectorAll("button, input, select, summary")]
  .filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < 40)
  .map((each) => each.outerHTML.slice(0, 200));
"""
NAMELESS = """
return [...document.querySelectorAll("button, input, select, summary, table, svg")]
  .filter((each) => !(each.innerText || each.ariaLabel || each.getAttribute("aria-labelledby") || each.labels?.length))
  .map((each) => each.outerHTML.slice(0, 200));
"""

pytestmark = pytest.mark.xdist_group("browser")  # one Chromium for all of them


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    require_chromium()
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("run") / "run.html"
    write_reports(whole(TESTS), FACTS, known=SomeKnown(), html=path)
    return path.as_uri()


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("hostile") / "run.html"
    write_reports(hostile(), hostile_facts(), known=SomeKnown(), html=path)
    return path.as_uri()


@pytest.fixture
def quiet(browser: webdriver.Chrome) -> Iterator[webdriver.Chrome]:
    """No test leaves anything in the console: no error, and nothing that the policy had to stop."""
    resize(browser, *SIZES[1])
    prefer(browser, "light")
    console(browser)
    yield browser
    complaints = console(browser)
    browser.get("about:blank")
    assert complaints == []


@pytest.fixture
def page(quiet: webdriver.Chrome, run: str) -> webdriver.Chrome:
    return opened(quiet, run)


def opened(driver: webdriver.Chrome, url: str) -> webdriver.Chrome:
    driver.get("about:blank")
    driver.get(url)
    until(driver, lambda: driver.find_element(By.TAG_NAME, "body").get_attribute("data-ready") == "true")
    return driver


def until(driver: webdriver.Chrome, condition: Callable[[], Any]) -> None:
    WebDriverWait(driver, WAIT, poll_frequency=0.05).until(lambda _: condition())


def count(driver: webdriver.Chrome) -> int:
    """How many tests the filter has found."""
    text = driver.find_element(By.ID, "count").text
    return 0 if text.startswith("No test") else int(text.split(" of ")[0].replace(",", ""))


def listed(driver: webdriver.Chrome) -> list[str]:
    script = (
        "return [...document.querySelectorAll('#tests .test')].map((each) => each.innerText.replaceAll('\\n', ' '))"
    )
    found: list[str] = driver.execute_script(script)
    return found


def choose(driver: webdriver.Chrome, field: str, text: str) -> None:
    Select(driver.find_element(By.ID, field)).select_by_visible_text(text)


def folder(driver: webdriver.Chrome, path: str) -> WebElement:
    return driver.find_element(By.CSS_SELECTOR, f"#folders tr[data-folder='{path}']")


def test_differences_are_shown_first(page: webdriver.Chrome) -> None:
    assert "Failed: " in page.find_element(By.CSS_SELECTOR, "header .pill").text
    assert page.find_element(By.ID, "summary").text.startswith(f"Tests\n{TESTS}\n")
    assert Select(page.find_element(By.ID, "outcome")).first_selected_option.text == "only differences"
    shown = listed(page)
    assert len(shown) == count(page) > 5
    assert not any(each.startswith("✓") for each in shown)
    finding = page.find_element(By.CSS_SELECTOR, "#unexplained .finding")
    assert "verifier conformance suites/ethereum_tests/BlockchainTests/" in finding.text
    assert "verifier trace out/kept/" in finding.text


def test_the_filter_narrows(page: webdriver.Chrome) -> None:
    choose(page, "outcome", "all")
    assert count(page) == TESTS
    assert len(listed(page)) == 50
    choose(page, "fork", "Paris")
    paris = count(page)
    assert 0 < paris < TESTS
    assert all("Paris" in each for each in listed(page))
    choose(page, "fork", "all")
    text = page.find_element(By.ID, "text")
    text.send_keys("BADopcode _d3g0v0")
    some = count(page)
    assert 0 < some < TESTS
    assert all("stBadOpcode" in each and "_d3g0v0" in each for each in listed(page))
    text.send_keys(" nowhere")
    assert count(page) == 0
    assert page.find_element(By.ID, "count").text == f"No test of {TESTS} is like this."
    page.find_element(By.ID, "reset").click()
    until(page, lambda: count(page) == TESTS)


def test_the_filter_is_by_client(page: webdriver.Chrome) -> None:
    choose(page, "outcome", "unexplained")
    choose(page, "client", "eels")
    assert all("cannot tell" in each or "not run" in each for each in listed(page))
    assert count(page) > 0
    choose(page, "client", "ethrex")
    choose(page, "outcome", "known")
    assert all(each.startswith("≈") for each in listed(page))
    known = count(page)
    assert known > 0
    choose(page, "client", "geth")
    assert count(page) == 0


def test_reasons_are_found_too(page: webdriver.Chrome) -> None:
    page.find_element(By.ID, "text").send_keys("witness_insufficient 8a3d287b")
    assert count(page) > 0
    assert all("eels" in each for each in listed(page))


def test_a_filter_can_be_passed_on(page: webdriver.Chrome, run: str) -> None:
    choose(page, "client", "revm")
    page.find_element(By.ID, "text").send_keys("stBad")
    address, shown = page.current_url, listed(page)
    assert "client=2" in address
    opened(page, address)
    assert listed(page) == shown
    assert page.find_element(By.ID, "text").get_attribute("value") == "stBad"


def test_one_comes_down_to_what_a_client_answered(page: webdriver.Chrome) -> None:
    choose(page, "client", "revm")
    choose(page, "outcome", "differ")
    page.find_element(By.CSS_SELECTOR, "#tests .test").click()
    details = page.find_element(By.CSS_SELECTOR, "#tests .details")
    assert "blockchain_test" in details.text
    assert "--adapters revm" in details.text
    block = details.find_element(By.CSS_SELECTOR, ".block")
    assert block.text.startswith("Block 0: valid expected number 1")
    row = block.find_element(By.CSS_SELECTOR, "tr.is-bad")
    cells = [each.text for each in row.find_elements(By.XPATH, "./*")]
    assert cells[:3] == ["revm", "✗ invalid", "✗ rejects a valid block"]
    assert cells[3].startswith("state_root: header 0x1f3a…, computed 0x99c1…;")
    assert cells[5] == "state_root, gas_used"
    opener = page.find_element(By.CSS_SELECTOR, "#tests .test")
    assert opener.get_attribute("aria-expanded") == "true"
    opener.click()
    assert opener.get_attribute("aria-expanded") == "false"
    assert not page.find_elements(By.CSS_SELECTOR, "#tests .details")


def test_agreeing_tests_tell_their_times(page: webdriver.Chrome) -> None:
    choose(page, "outcome", "agree")
    page.find_element(By.CSS_SELECTOR, "#tests .test").click()
    details = page.find_element(By.CSS_SELECTOR, "#tests .details")
    assert "All agree" in details.text
    cells = [each.text for each in details.find_elements(By.CSS_SELECTOR, "tbody tr:first-child > *")]
    assert cells[:2] == ["Block 0", "valid"]
    assert all(each.startswith("✓ ") and each.endswith((" ms", " s")) for each in cells[4:])


def test_known_differences_say_why(page: webdriver.Chrome) -> None:
    choose(page, "outcome", "known")
    page.find_element(By.CSS_SELECTOR, "#tests .test").click()
    assert "known: accepts a header gasLimit" in page.find_element(By.CSS_SELECTOR, "tr.is-known").text


def test_the_matrix_opens_and_leads_to_the_tests(page: webdriver.Chrome) -> None:
    root = folder(page, "BlockchainTests")
    assert root.find_element(By.CSS_SELECTOR, "td.number").text.startswith(str(TESTS))
    below = folder(page, "BlockchainTests/GeneralStateTests")
    below.find_element(By.CLASS_NAME, "folder").click()
    leaf = folder(page, "BlockchainTests/GeneralStateTests/stBadOpcode")
    cells = [each.text for each in leaf.find_elements(By.CSS_SELECTOR, "td[data-label='revm'] .cell > span")]
    assert cells[0].startswith("✗ ")
    assert cells[0].endswith(" differ")
    assert cells[-1].endswith(" agree")
    leaf.find_element(By.CSS_SELECTOR, "td[data-label='revm'] .cell").click()
    assert f"{count(page)} differ" == cells[0].removeprefix("✗ ")
    assert all("stBadOpcode" in each for each in listed(page))
    chip = page.find_element(By.ID, "folder")
    assert chip.text == "Folder BlockchainTests/GeneralStateTests/stBadOpcode ✕"
    chip.click()
    assert not chip.is_displayed()
    root.find_element(By.CLASS_NAME, "folder").click()
    assert len(page.find_elements(By.CSS_SELECTOR, "#folders tr")) == 1


def test_more_tests_come_when_asked_for(page: webdriver.Chrome) -> None:
    choose(page, "outcome", "all")
    more = page.find_element(By.ID, "more")
    more.click()
    assert len(listed(page)) == 100
    assert page.execute_script("return document.activeElement === document.querySelectorAll('#tests .test')[50]")
    while more.is_displayed():
        more.click()
    assert len(listed(page)) == TESTS


def test_the_keyboard_is_enough(page: webdriver.Chrome) -> None:
    body = page.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB)
    assert page.execute_script("return document.activeElement.className") == "skip"
    page.switch_to.active_element.send_keys(Keys.ENTER)
    page.switch_to.active_element.send_keys(Keys.TAB)
    page.switch_to.active_element.send_keys(Keys.ENTER)
    assert page.find_elements(By.CSS_SELECTOR, "#tests .details")
    page.switch_to.active_element.send_keys(Keys.SPACE)
    assert not page.find_elements(By.CSS_SELECTOR, "#tests .details")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_is_legible(page: webdriver.Chrome, size: tuple[int, int], scheme: str) -> None:
    resize(page, *size)
    prefer(page, scheme)
    open_everything(page)
    assert page.execute_script("return document.documentElement.scrollWidth") == size[0]
    assert page.execute_script(TOO_WIDE) == []
    assert page.execute_script(FAINT) == []
    assert page.execute_script(NAMELESS) == []
    if size == SIZES[0]:
        assert page.execute_script(SMALL) == []


def open_everything(driver: webdriver.Chrome) -> None:
    driver.execute_script(
        "for (const each of document.querySelectorAll('details')) each.open = true;"
        "for (const each of document.querySelectorAll('.folder[aria-expanded=false]')) each.click();"
        "for (const each of document.querySelectorAll('#tests .test')) each.click();"
    )


@pytest.mark.parametrize("size", SIZES)
def test_no_text_of_others_gets_out_of_its_place(
    quiet: webdriver.Chrome, hostile_run: str, size: tuple[int, int]
) -> None:
    resize(quiet, *size)
    opened(quiet, hostile_run)
    choose(quiet, "outcome", "all")
    open_everything(quiet)
    assert quiet.title == "Conformance run, 2026-11-30"
    assert not quiet.find_elements(By.TAG_NAME, "img")
    assert len(quiet.find_elements(By.TAG_NAME, "script")) == 3
    assert quiet.execute_script("return document.documentElement.scrollWidth") == size[0]
    assert quiet.execute_script(TOO_WIDE) == []
    text = quiet.find_element(By.TAG_NAME, "body").text
    assert "<script>document.title='taken'</script>" in text
    assert "{{ 7*7 }}" in text


def test_no_test_at_all_is_a_page(quiet: webdriver.Chrome, tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    write_reports((), replace(FACTS, participants=()), html=path)
    opened(quiet, path.as_uri())
    assert "No test was run" in quiet.find_element(By.TAG_NAME, "header").text
    assert count(quiet) == 0
