"""An observer that keeps what it heard, for tests."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from verifier.domain.event import Alarm, Event

E = TypeVar("E", bound=Event)


class Recorder:
    """Keeps every event; `wait` returns when one of a kind has come that a condition holds for."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._heard: list[asyncio.Future[None]] = []

    def notify(self, event: Event) -> None:
        """As Observer.notify."""
        self.events.append(event)
        for each in self._heard:
            if not each.done():
                each.set_result(None)

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind, in their order."""
        return [each for each in self.events if isinstance(each, kind)]

    def alarms(self) -> list[str]:
        """The names of the alarms."""
        return [each.name for each in self.of(Alarm)]

    async def wait(self, kind: type[E], condition: Callable[[E], bool] = lambda _: True, seconds: float = 60.0) -> E:
        """The first event of the kind for which the condition holds, heard already or not. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while True:
                for each in self.of(kind):
                    if condition(each):
                        return each
                heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._heard.append(heard)
                try:
                    await heard
                finally:
                    self._heard.remove(heard)
