"""One observer for all: passes every event on to each, and lets none of them disturb the others or who notifies."""

import logging
from collections import Counter
from collections.abc import Callable

from verifier.domain.event import Event, Observer

log = logging.getLogger(__name__)


class Observers:
    """Never raises. An observer that raised is asked again with the next event; `failures` counts by its class's name.

    Only the first failure of each observer is logged: a broken one would otherwise fill the log with every event.
    """

    def __init__(self, *observers: Observer, failed: Callable[[str], None] | None = None) -> None:
        """failed: told the name at every failure; must not raise (Metrics.count_failure)."""
        self._observers = list(observers)
        self._failed = failed
        self.failures: Counter[str] = Counter()

    def add(self, observer: Observer) -> None:
        """From the next event on it is told, too."""
        self._observers.append(observer)

    def notify(self, event: Event) -> None:
        """As Observer.notify."""
        for observer in tuple(self._observers):
            try:
                observer.notify(event)
            except Exception:
                name = type(observer).__name__
                self.failures[name] += 1
                if self._failed is not None:
                    self._failed(name)
                if self.failures[name] == 1:
                    log.exception("observer %s failed on %s; further failures are only counted", name, _name(event))


def _name(event: Event) -> str:
    return type(event).__name__
