import asyncio
import base64
import hashlib
import json
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, TCPConnector
from prometheus_client.parser import text_string_to_metric_families

from verifier.domain.event import Alarm
from verifier.telemetry import feed as feed_module
from verifier.telemetry import readiness as readiness_module
from verifier.telemetry.board import Board
from verifier.telemetry.errors import StatusServerError
from verifier.telemetry.feed import VIEWERS, Feed
from verifier.telemetry.measuring import MetricsObserver
from verifier.telemetry.metrics import Metrics
from verifier.telemetry.observers import Observers
from verifier.telemetry.page_content import load_page
from verifier.telemetry.readiness import Condition
from verifier.telemetry.server import StatusServer

from . import story


class Watched:
    """A status server over everything that it shows, and what is asked of it."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        profile = story.profile()
        self.conditions: Sequence[Condition] = (Condition("adapters", met=True), Condition("anchored", met=True))
        self.ask: Callable[[], Awaitable[Sequence[Condition]]] = self._conditions
        self.metrics = Metrics(profile)
        self.feed = Feed(Board(profile))
        self.observers = Observers(MetricsObserver(self.metrics), self.feed)
        self.server = StatusServer(self.feed, self.metrics, lambda: self.ask(), host, port)

    async def _conditions(self) -> Sequence[Condition]:
        return self.conditions


Scenario = Callable[[Watched, ClientSession], Awaitable[None]]


def run(scenario: Scenario, host: str = "127.0.0.1") -> None:
    async def running() -> None:
        watched = Watched(host)
        async with (
            asyncio.timeout(60),
            watched.server as server,
            ClientSession(server.url, connector=TCPConnector(limit=0)) as client,
        ):
            await scenario(watched, client)

    asyncio.run(running())


async def message(response: ClientResponse) -> tuple[str, dict[str, Any]]:
    """The next event of the stream."""
    kind = ""
    while line := (await response.content.readuntil(b"\n")).decode():
        if line.startswith("event: "):
            kind = line[7:].strip()
        elif line.startswith("data: "):
            return kind, json.loads(line[6:])
    raise AssertionError("the stream ended")


def test_the_page_is_one_document_that_loads_nothing_from_elsewhere() -> None:
    async def scenario(watched: Watched, client: ClientSession) -> None:
        async with client.get("/") as response:
            assert response.status == 200
            assert response.content_type == "text/html"
            html, headers = await response.text(), response.headers
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        policy = dict(each.split(" ", 1) for each in headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == "'none'"
        for tag in ("style", "script"):
            (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
            assert policy[f"{tag}-src"] == f"'sha256-{digest}'"
        assert not re.search(r"(src|href)=\"(?!data:|#|status\.json|metrics|readyz)", html)
        assert not re.search(r"\son\w+=|\sstyle=|@import|url\(", html)
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", html)

    run(scenario)


def test_the_status_as_json() -> None:
    async def scenario(watched: Watched, client: ClientSession) -> None:
        for event in story.whole():
            watched.observers.notify(event)
        async with client.get("/status.json") as response:
            status = await response.json()
        assert [row["number"] for row in status["blocks"]] == list(range(111, 98, -1))
        assert [each["number"] for each in status["disputes"]] == [108]
        assert status["profile"]["mode"] == "every-block"

    run(scenario)


def test_metrics_in_prometheus_format() -> None:
    async def scenario(watched: Watched, client: ClientSession) -> None:
        for event in story.whole():
            watched.observers.notify(event)
        async with client.get("/events") as open_page, client.get("/metrics") as response:
            assert open_page.status == 200
            assert response.headers["Content-Type"].startswith("text/plain")
            families = {each.name: each for each in text_string_to_metric_families(await response.text())}
        assert families["verifier_payloads"].samples[0].value == 12
        assert families["verifier_status_viewers"].samples[0].value == 1
        async with client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}) as open_:
            assert open_.headers["Content-Type"].startswith("application/openmetrics-text")
            assert (await open_.text()).endswith("# EOF\n")

    run(scenario)


def test_health_is_that_the_process_answers() -> None:
    async def scenario(watched: Watched, client: ClientSession) -> None:
        watched.conditions = (Condition("ledger", met=False),)
        async with client.get("/healthz") as response:
            assert (response.status, await response.text()) == (200, "ok\n")

    run(scenario)


def test_readiness_names_what_is_missing() -> None:
    async def scenario(watched: Watched, client: ClientSession) -> None:
        async with client.get("/readyz") as response:
            assert response.status == 200
            assert (await response.json())["ready"] is True
        watched.conditions = (Condition("adapters", met=True), Condition("ledger", met=False, detail="disk full"))
        async with client.get("/readyz") as response:
            assert response.status == 503
            body = await response.json()
        assert body["conditions"][1] == {"name": "ledger", "met": False, "detail": "disk full"}
        watched.conditions = ()
        async with client.get("/readyz") as response:
            assert response.status == 503  # nothing is known

    run(scenario)


def test_readiness_that_hangs_or_fails_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness_module, "TIMEOUT", 0.01)

    async def hang() -> Sequence[Condition]:
        await asyncio.Event().wait()
        raise AssertionError

    async def fail() -> Sequence[Condition]:
        raise RuntimeError("with a secret in it")

    async def scenario(watched: Watched, client: ClientSession) -> None:
        for ask, text in ((hang, "not known after"), (fail, "RuntimeError")):
            watched.ask = ask
            async with client.get("/readyz") as response:
                assert response.status == 503
                body = await response.text()
            assert text in body
            assert "secret" not in body

    run(scenario)


def test_events_begin_with_a_snapshot_also_after_a_break() -> None:
    async def scenario(watched: Watched, client: ClientSession) -> None:
        said: list[str] = []
        for headers in ({}, {"Last-Event-ID": "7"}):
            async with client.get("/events", headers=headers) as response:
                assert response.content_type == "text/event-stream"
                assert (await response.content.readuntil(b"\n")).startswith(b"retry: ")
                kind, snapshot = await message(response)
                assert kind == "snapshot"
                assert [each["text"] for each in snapshot["alarms"]] == said
                watched.observers.notify(Alarm("adapter_down", f"after {headers}"))
                while (kind := (following := await message(response))[0]) == "conditions":
                    pass
                assert kind == "changes"
                assert following[1]["alarms"][0]["text"] == f"after {headers}"
            said.append(f"after {headers}")

    run(scenario)


def test_pages_that_were_closed_are_forgotten() -> None:
    async def scenario(watched: Watched, client: ClientSession) -> None:
        async with client.get("/events") as response:
            await message(response)
            assert watched.feed.viewers == 1
        number = 0
        while watched.feed.viewers:  # noticed when something is written to it
            number += 1
            watched.observers.notify(Alarm("again", str(number)))
            await asyncio.sleep(0)

    run(scenario)


def test_too_many_pages_are_told_to_come_again() -> None:
    async def scenario(watched: Watched, client: ClientSession) -> None:
        opened = [await client.get("/events") for _ in range(VIEWERS)]
        async with client.get("/events") as refused:
            assert refused.status == 503
            assert refused.headers["Retry-After"]
        for each in opened:
            each.close()

    run(scenario)


def test_a_page_that_does_not_read_is_dropped_while_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "INTERVAL", 0.0)

    async def scenario(watched: Watched, client: ClientSession) -> None:
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.connect(("127.0.0.1", watched.server.port))
            slow.sendall(b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            async with client.get("/events") as quick:
                await message(quick)
                number = 0
                while watched.feed.viewers < 2:  # noqa: ASYNC110 - the server has no event for it
                    await asyncio.sleep(0)
                while not watched.feed.dropped:
                    number += 1
                    watched.observers.notify(Alarm("long", f"{number} " + "x" * 400))
                    while (await message(quick))[0] != "changes":
                        pass
                assert watched.feed.viewers == 1
        async with client.get("/metrics") as response:
            assert "verifier_status_viewers_dropped_total 1.0" in await response.text()

    run(scenario)


def test_open_pages_do_not_delay_the_end() -> None:
    async def running() -> None:
        watched = Watched()
        async with asyncio.timeout(30), ClientSession() as client:
            async with watched.server as server:
                response = await client.get(f"{server.url}events")
                await message(response)
            response.close()

    asyncio.run(running())


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1", 200), ("localhost:1234", 200), ("[::1]:80", 200), ("evil.example", 421), ("127.0.0.1.evil", 421)],
)
def test_a_page_of_another_name_cannot_read_it_through_a_browser(host: str, status: int) -> None:
    async def scenario(watched: Watched, client: ClientSession) -> None:
        for path in ("/", "/status.json", "/events", "/metrics"):
            async with client.get(path, headers={"Host": host}) as response:
                assert response.status == status

    run(scenario)


def test_bound_to_all_addresses_any_name_is_answered() -> None:
    async def scenario(watched: Watched, client: ClientSession) -> None:
        url = f"http://127.0.0.1:{watched.server.port}/healthz"
        async with ClientSession() as outside, outside.get(url, headers={"Host": "sidecar"}) as response:
            assert response.status == 200

    run(scenario, host="0.0.0.0")


@pytest.mark.parametrize(
    ("method", "path", "status"), [("POST", "/", 405), ("PUT", "/status.json", 405), ("GET", "/x", 404)]
)
def test_what_is_not_there(method: str, path: str, status: int) -> None:
    async def scenario(watched: Watched, client: ClientSession) -> None:
        async with client.request(method, path) as response:
            assert response.status == status
            assert response.headers["X-Content-Type-Options"] == "nosniff"

    run(scenario)


def test_an_address_in_use_is_one_clear_line() -> None:
    async def running() -> None:
        watched = Watched()
        async with watched.server as server:
            other = StatusServer(Feed(Board(story.profile())), watched.metrics, watched.ask, port=server.port)
            with pytest.raises(StatusServerError, match=rf"status page: 127\.0\.0\.1:{server.port}: "):
                await other.__aenter__()

    asyncio.run(running())


def test_the_page_is_in_the_package() -> None:
    page = load_page()
    assert "page.css" not in page.html
    assert "page.js */" not in page.html
