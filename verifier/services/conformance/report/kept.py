"""The first of many, in their order, whatever order they come in: how lists in reports stay short and the same."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

Kind = TypeVar("Kind")


class Kept(Generic[Kind]):
    """At most `most` of what was added: those with the least keys. count: of all."""

    def __init__(self, most: int, key: Callable[[Kind], Any]) -> None:
        self.count = 0
        self._most = most
        self._key = key
        self._kept: list[Kind] = []

    def add(self, each: Kind) -> None:
        """Counts it, and keeps it for now."""
        self.count += 1
        self._kept.append(each)
        if len(self._kept) >= 2 * self._most:
            self._cut()

    def __iter__(self) -> Iterator[Kind]:
        self._cut()
        return iter(self._kept)

    def __len__(self) -> int:
        return min(self.count, self._most)

    @property
    def left_out(self) -> int:
        """How many were counted and are not kept."""
        return self.count - len(self)

    def _cut(self) -> None:
        self._kept.sort(key=self._key)
        del self._kept[self._most :]
