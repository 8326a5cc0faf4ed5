"""A cache of the jump destinations of codes, across frames and blocks: three quarters of a block's time otherwise."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

MAX_DESTINATIONS = 500_000  # in all codes together; some 100 bytes each


class JumpDestinationCache:
    """Remembers what `analyse` says of a code; forgets the least recently used beyond MAX_DESTINATIONS."""

    def __init__(self, analyse: Callable[[bytes], set[Any]]) -> None:
        self._analyse = analyse
        self._known: OrderedDict[bytes, set[Any]] = OrderedDict()
        self._size = 0

    def __call__(self, code: Any) -> set[Any]:
        """The positions a jump may go to."""
        if not isinstance(code, bytes):
            return self._analyse(code)  # a missing code raises when it is read
        known = self._known.get(code)
        if known is not None:
            self._known.move_to_end(code)
            return known
        known = self._known[code] = self._analyse(code)
        self._size += len(known) + 1
        while self._size > MAX_DESTINATIONS:
            _, forgotten = self._known.popitem(last=False)
            self._size -= len(forgotten) + 1
        return known

    def clear(self) -> None:
        """Forgets everything."""
        self._known.clear()
        self._size = 0
