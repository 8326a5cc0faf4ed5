import logging

import pytest

from verifier.domain.event import Alarm, Event
from verifier.telemetry.observers import Observers

ALARM = Alarm("anchored", "at block 1")


class Listening:
    def __init__(self) -> None:
        self.heard: list[Event] = []

    def notify(self, event: Event) -> None:
        self.heard.append(event)


class Broken:
    def notify(self, event: Event) -> None:
        raise RuntimeError("broken")


def test_everyone_hears_everything_whoever_fails(caplog: pytest.LogCaptureFixture) -> None:
    first, last = Listening(), Listening()
    failed: list[str] = []
    observers = Observers(first, Broken(), failed=failed.append)
    observers.add(last)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            observers.notify(ALARM)
    assert first.heard == last.heard == [ALARM] * 3
    assert observers.failures == {"Broken": 3}
    assert failed == ["Broken"] * 3
    assert len(caplog.records) == 1  # the first failure only
    assert "Broken failed on Alarm" in caplog.text


def test_an_observer_may_add_another_while_it_is_told() -> None:
    late = Listening()

    class Adding:
        def notify(self, event: Event) -> None:
            observers.add(late)

    observers = Observers(Adding())
    observers.notify(ALARM)
    assert late.heard == []
    observers.notify(ALARM)
    assert late.heard == [ALARM]
