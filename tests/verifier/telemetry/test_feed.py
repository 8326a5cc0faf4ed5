import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from verifier.domain.event import Alarm
from verifier.telemetry import feed as feed_module
from verifier.telemetry.board import Board
from verifier.telemetry.feed import QUEUE, VIEWERS, Feed, TooManyViewersError, Viewer
from verifier.telemetry.readiness import Condition

from . import story


def parsed(message: bytes) -> tuple[str, dict[str, Any]]:
    """kind, data of one server-sent event."""
    number, kind, data, *rest = message.decode().split("\n")
    assert rest == ["", ""]
    content = json.loads(data.removeprefix("data: "))
    assert number == f"id: {content['sequence']}"
    return kind.removeprefix("event: "), content


async def following(viewer: Viewer) -> tuple[str, dict[str, Any]]:
    return parsed(await anext(viewer))


def run(scenario: Callable[[Feed], Awaitable[None]]) -> None:
    """The scenario while the feed is sending."""

    async def running() -> None:
        feed = Feed(Board(story.profile()), lambda: 1_700_000_000.0)
        async with asyncio.timeout(30):
            sending = asyncio.create_task(feed.run())
            try:
                await scenario(feed)
            finally:
                sending.cancel()

    asyncio.run(running())


def test_a_viewer_gets_a_snapshot_and_then_changes() -> None:
    async def scenario(feed: Feed) -> None:
        for event in story.judged(100):
            feed.notify(event)
        viewer = feed.join()
        kind, snapshot = await following(viewer)
        assert kind == "snapshot"
        assert [row["number"] for row in snapshot["blocks"]] == [100]
        assert snapshot["now"] == 1_700_000_000.0
        feed.notify(Alarm("adapter_down", "revm"))
        kind, changes = await following(viewer)
        assert kind == "changes"
        assert changes["rows"] == []
        assert [each["name"] for each in changes["alarms"]] == ["adapter_down"]

    run(scenario)


def test_many_events_at_once_are_one_message() -> None:
    async def scenario(feed: Feed) -> None:
        viewer = feed.join()
        await following(viewer)
        for event in story.whole():
            feed.notify(event)
        _, changes = await following(viewer)
        assert changes["sequence"] == len(story.whole())
        assert len(changes["rows"]) == 13

    run(scenario)


def test_a_heartbeat_comes_when_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "HEARTBEAT", 0.01)

    async def scenario(feed: Feed) -> None:
        viewer = feed.join()
        await following(viewer)
        kind, beat = await following(viewer)
        assert kind == "heartbeat"
        assert beat["now"] == 1_700_000_000.0

    run(scenario)


def test_who_does_not_read_is_dropped_and_nobody_waits_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "INTERVAL", 0.0)

    async def scenario(feed: Feed) -> None:
        slow, quick = feed.join(), feed.join()
        await following(quick)
        for count in range(QUEUE + 5):
            feed.notify(Alarm("again", str(count)))
            await following(quick)
        assert slow.dropped.is_set()
        assert not quick.dropped.is_set()
        assert (feed.viewers, feed.dropped) == (1, 1)

    run(scenario)


def test_more_viewers_than_there_is_room_for_are_refused() -> None:
    async def scenario(feed: Feed) -> None:
        viewers = [feed.join() for _ in range(VIEWERS)]
        with pytest.raises(TooManyViewersError):
            feed.join()
        feed.leave(viewers[0])
        feed.join()

    run(scenario)


def test_closing_ends_every_viewer() -> None:
    async def scenario(feed: Feed) -> None:
        viewer = feed.join()
        feed.close()
        assert [parsed(message)[0] async for message in viewer] == ["snapshot"]
        with pytest.raises(TooManyViewersError):
            feed.join()

    run(scenario)


def test_conditions_are_sent_where_they_change() -> None:
    async def scenario(feed: Feed) -> None:
        viewer = feed.join()
        assert (await following(viewer))[1]["conditions"] is None
        full = (Condition("ledger", met=False, detail="disk full"),)
        for _ in range(3):
            feed.tell_conditions(full)
        feed.tell_conditions((Condition("ledger", met=True),))
        kind, data = await following(viewer)
        assert (kind, data["conditions"]) == (
            "conditions",
            [{"name": "ledger", "met": False, "detail": "disk full"}],
        )
        assert (await following(viewer))[1]["conditions"][0]["met"] is True

    run(scenario)


def test_what_the_ledger_held_is_sent() -> None:
    async def scenario(feed: Feed) -> None:
        viewer = feed.join()
        await following(viewer)
        feed.restore([story.anchor(99).block])
        assert [row["number"] for row in (await following(viewer))[1]["rows"]] == [99]

    run(scenario)
