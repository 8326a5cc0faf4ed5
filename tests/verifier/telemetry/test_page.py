"""The status page in a real browser: headless Chromium."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from verifier.domain.event import Alarm, Event, StatusChanged
from verifier.domain.status import BlockStatus
from verifier.telemetry.readiness import Condition

from . import story
from .browser import chromium, console, prefer, require_chromium, resize
from .test_server import Watched

WAIT = 60.0  # seconds for what is awaited in the page, on a machine that is busy
WIDTHS = (390, 768, 1280)  # CSS pixels: a telephone, a tablet, a laptop

# Parts that would have to be scrolled sideways.
TOO_WIDE = """
const scrolls = (each) => !["visible", "hidden"].includes(getComputedStyle(each).overflowX);
return [...document.querySelectorAll("body *")]
  .filter((each) => each.checkVisibility() && scrolls(each) && each.scrollWidth > each.clientWidth + 1)
  .map((each) => each.outerHTML.slice(0, 200));
"""
# The contrast of every text with what is behind it, and what has less than WCAG's 4.5 (level AA).
FAINT = """
const channel = (value) => (value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const parse = (text) => text.match(/[\\d.]+/g).map(Number);
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
return [...document.querySelectorAll("body *")].filter((element) =>
  element.checkVisibility() && [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())
).filter((element) => {
  const [a, b] = [luminance(parse(getComputedStyle(element).color)), luminance(ground(element))].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05) < 4.5;
}).map((element) => element.outerHTML.slice(0, 200));
"""

# Twenty seconds have passed, and new connections bring nothing.
SILENT = """
const real = Date.now;
Date.now = () => real() + 20_000;
window.EventSource = class extends EventTarget { close() {} };
"""

pytestmark = pytest.mark.xdist_group("browser")  # one Chromium for all of them


class Serving:
    """The status server in a thread with an event loop of its own; `tell` and `stop` come from the test's."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="status server")
        self._thread.start()
        self.watched = Watched()
        self.call(self.watched.server.__aenter__())
        self.url = self.watched.server.url
        self._open = True

    def call(self, work: Any) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(WAIT)

    def tell(self, *events: Event) -> None:
        async def notify() -> None:
            for event in events:
                self.watched.observers.notify(event)

        self.call(notify())

    def stop(self) -> None:
        if self._open:
            self._open = False
            self.call(self.watched.server.__aexit__(None, None, None))

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    require_chromium()
    with chromium(tmp_path_factory.mktemp("chromium")) as driver:
        yield driver


@pytest.fixture
def serving() -> Iterator[Serving]:
    server = Serving()
    yield server
    server.close()


@pytest.fixture
def page(browser: webdriver.Chrome, serving: Serving) -> Iterator[webdriver.Chrome]:
    """The page, connected, as wide as a laptop. No test leaves anything in the console."""
    resize(browser, 1280)
    console(browser)
    browser.get(serving.url)
    until(browser, lambda: state(browser) == "live")
    yield browser
    complaints = console(browser)
    browser.get("about:blank")
    assert complaints == []


def until(driver: webdriver.Chrome, condition: Callable[[], Any]) -> None:
    WebDriverWait(driver, WAIT, poll_frequency=0.05).until(lambda _: condition())


def state(driver: webdriver.Chrome) -> str | None:
    return driver.find_element(By.ID, "connection").get_attribute("data-state")


def numbers(driver: webdriver.Chrome) -> list[str]:
    script = "return [...document.querySelectorAll('#rows button.block b')].map((each) => each.textContent)"
    found: list[str] = driver.execute_script(script)
    return found


def row(driver: webdriver.Chrome, number: int) -> WebElement:
    return driver.find_element(By.CSS_SELECTOR, f"#rows tr[data-hash='0x{story.block_hash(number).hex()}']")


def texts(element: WebElement) -> list[str]:
    return [cell.text.replace("\n", " ") for cell in element.find_elements(By.XPATH, "./*")]


def test_blocks_appear_while_one_looks(page: webdriver.Chrome, serving: Serving) -> None:
    assert "No block has come in yet." in page.find_element(By.ID, "no-blocks").text
    serving.tell(story.anchor(99), *story.beginning(100))
    until(page, lambda: numbers(page) == ["100", "99"])
    assert texts(row(page, 100))[2:6] == ["○ available", "… waiting", "", "… waiting"]
    serving.tell(*story.judged(100))
    until(page, lambda: "ATTEST" in row(page, 100).text)
    cells = texts(row(page, 100))
    assert cells[2:4] == ["✓ verified", "✓ ATTEST 4 of 4, 135 ms"]
    assert cells[4] == "VALID held 137 ms"
    assert cells[5:] == ["✓ 41 ms valid", "✓ 63 ms valid", "✓ 89 ms valid", "✓ 412 ms valid", "", ""]
    assert page.find_element(By.ID, "tile-gate").text == "Gates\n✓ Open\nfor block 100"
    serving.tell(*story.judged(101))
    until(page, lambda: numbers(page) == ["101", "100", "99"])


def test_every_state_is_told_in_words(page: webdriver.Chrome, serving: Serving) -> None:
    serving.tell(*story.whole())
    until(page, lambda: len(numbers(page)) == 13)
    assert texts(row(page, 108))[2:7] == [
        "⚠ disputed",
        "✗ REJECT 2 of 4, 135 ms results differ",
        "SYNCING held 137 ms",
        "✓ 41 ms valid",
        "✗ INVALID 63 ms",
    ]
    held = texts(row(page, 109))
    assert held[3] == "◼ HOLD 2 of 4, 135 ms"
    assert held[6] == "\N{EN DASH} timeout 63 ms"
    assert held[4] == "SYNCING held 137 ms"
    assert texts(row(page, 110))[2] == "○ available no witness"
    tiles = {
        tile.text.split("\n")[0]: tile.text.split("\n")[1] for tile in page.find_elements(By.CSS_SELECTOR, "dl > div")
    }
    assert tiles == {
        "Gates": "◼ Closed",
        "Mode": "every-block",
        "Quorum": "3 of 4",
        "Held now": "2",
        "Disputes open": "1",
        "Alarms": "2",
    }
    assert "method not found" in page.find_element(By.ID, "holds").text
    assert "Block 108" in page.find_element(By.ID, "disputes").text
    assert "adapter_down" in page.find_element(By.ID, "alarms").text
    answers = page.find_element(By.ID, "answers").text
    assert "engine_newPayloadV4 ◼ SYNCING 2" in answers
    assert "engine_newPayloadV4 VALID 8" in answers
    serving.tell(StatusChanged(story.tracked(108, BlockStatus.INVALID), None))
    until(page, lambda: texts(row(page, 108))[2] == "✗ invalid")
    until(page, lambda: page.find_element(By.ID, "disputes").text == "None.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_at_every_width(page: webdriver.Chrome, serving: Serving, scheme: str) -> None:
    serving.tell(*story.whole(), Alarm("long", "x" * 390))
    prefer(page, scheme)
    until(page, lambda: len(numbers(page)) == 13)
    page.find_element(By.CSS_SELECTOR, "#rows button.block").click()
    page.execute_script("document.getAnimations().forEach((each) => each.finish())")
    for width in WIDTHS:
        resize(page, width)
        assert page.execute_script("return innerWidth") == width
        assert page.execute_script("return document.documentElement.scrollWidth") == width
        assert page.execute_script(TOO_WIDE) == []
        assert page.execute_script(FAINT) == []
        assert row(page, 108).is_displayed()
    light = page.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(246, 247, 249)"
    assert light == (scheme == "light")


def test_a_row_opens_by_keyboard_and_stays_open(page: webdriver.Chrome, serving: Serving) -> None:
    serving.tell(story.anchor(99), *story.beginning(100))
    until(page, lambda: len(numbers(page)) == 2)
    body = page.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.TAB, Keys.ENTER)  # the link that skips to the blocks
    page.switch_to.active_element.send_keys(Keys.TAB)
    button = page.switch_to.active_element
    assert button.text.startswith("100")
    assert page.execute_script("return getComputedStyle(arguments[0]).outlineStyle", button) == "solid"
    button.send_keys(Keys.ENTER)
    assert button.get_attribute("aria-expanded") == "true"
    details = page.find_element(By.ID, button.get_attribute("aria-controls") or "")
    assert "182 transactions, 14,712,345 gas" in details.text
    serving.tell(*story.judged(100, revm="INVALID", ethrex="INVALID", ethereumjs="VALID"))
    until(page, lambda: "differs: state_root" in details.text)
    assert page.switch_to.active_element == button
    assert "Dispute about block 100" in page.execute_script(
        "return document.querySelector('#announcement').textContent"
    )


def test_what_clients_say_is_text(page: webdriver.Chrome, serving: Serving) -> None:
    attack = "<img src=x onerror=\"document.title='broken'\"><b>bold</b>"
    serving.tell(Alarm("markup", attack))
    until(page, lambda: attack in page.find_element(By.ID, "alarms").text)
    assert page.title == "Execution verifier"
    assert page.find_elements(By.TAG_NAME, "img") == []


def test_a_lost_connection_is_shown_and_comes_back(page: webdriver.Chrome, serving: Serving) -> None:
    serving.tell(*story.judged(100))
    until(page, lambda: numbers(page) == ["100"])
    port = serving.watched.server.port
    serving.stop()
    until(page, lambda: state(page) == "lost")
    assert "What is shown is as of" in page.find_element(By.ID, "stale").text
    assert numbers(page) == ["100"]
    again = Serving.__new__(Serving)
    again._loop, again._thread, again.watched = serving._loop, serving._thread, Watched(port=port)
    again.call(again.watched.server.__aenter__())
    try:
        again.tell(*story.judged(200))
        until(page, lambda: state(page) == "live" and numbers(page) == ["200"])
        assert not page.find_element(By.ID, "stale").is_displayed()
    finally:
        again.call(again.watched.server.__aexit__(None, None, None))
        page.get("about:blank")
    assert all("net::ERR_" in each for each in console(page))  # the browser's own, about the connection


def test_silence_is_a_lost_connection(page: webdriver.Chrome, serving: Serving) -> None:
    """A connection that is open and brings nothing, as behind a proxy that hangs: found by the page's own clock."""
    serving.tell(*story.judged(100))
    until(page, lambda: numbers(page) == ["100"])
    page.execute_script(SILENT)
    until(page, lambda: state(page) == "lost")
    assert page.find_element(By.ID, "stale").is_displayed()


def test_what_is_not_ready_is_said(page: webdriver.Chrome, serving: Serving) -> None:
    assert not page.find_element(By.ID, "unready").is_displayed()
    serving.watched.conditions = (Condition("execution_client", met=False, detail="connection refused"),)
    banner = page.find_element(By.ID, "unready")
    until(page, lambda: banner.text == "⚠ Not ready: execution client (connection refused)")
    serving.watched.conditions = (Condition("execution_client", met=True),)
    until(page, lambda: not banner.is_displayed())
