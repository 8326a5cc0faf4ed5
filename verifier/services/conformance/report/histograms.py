"""Positive quantities (times, sizes) counted on a logarithmic scale: any number of them in bounded memory."""

import math
from collections import Counter
from collections.abc import Mapping


class Distribution:
    """steps: buckets a decade; a quantile is as exact as one bucket is wide (40 steps: 6 %)."""

    def __init__(self, steps: int = 40) -> None:
        self.steps = steps
        self.count = 0
        self.total = 0.0
        self.least = math.inf
        self.most = 0.0
        self._buckets: Counter[int] = Counter()

    def add(self, value: float) -> None:
        """Counts one; what is not a positive number is left out."""
        if not 0 < value < math.inf:
            return
        self.count += 1
        self.total += value
        self.least = min(self.least, value)
        self.most = max(self.most, value)
        self._buckets[math.floor(math.log10(value) * self.steps)] += 1

    @property
    def buckets(self) -> Mapping[int, int]:
        """Index → how many; bucket i holds the values from 10 ** (i / steps) to 10 ** ((i + 1) / steps)."""
        return self._buckets

    def quantile(self, share: float) -> float:
        """The value below which this share (0 to 1) of all lies; 0.0 where there are none."""
        if not self.count:
            return 0.0
        if share <= 0:
            return self.least
        wanted, seen = share * self.count, 0
        for index in sorted(self._buckets):
            seen += self._buckets[index]
            if seen >= wanted:
                middle = 10 ** ((index + 0.5) / self.steps)
                return float(min(max(middle, self.least), self.most))
        return self.most


class Plane:
    """Pairs of positive quantities, counted in squares of both logarithms."""

    def __init__(self, steps: int = 8) -> None:
        self.steps = steps
        self.squares: Counter[tuple[int, int]] = Counter()

    def add(self, x: float, y: float) -> None:
        """Counts one pair; what is not positive is left out."""
        if 0 < x < math.inf and 0 < y < math.inf:
            self.squares[math.floor(math.log10(x) * self.steps), math.floor(math.log10(y) * self.steps)] += 1
