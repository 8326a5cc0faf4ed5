"""What every measurement shares: how often, by which clock, on which machine."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

WARM_UP = 2  # runs before the counted ones


def machine_load() -> str:
    """Cores and load averages, for the record."""
    one, five, fifteen = os.getloadavg()
    return f"{os.cpu_count()} cores, load {one:.2f} {five:.2f} {fifteen:.2f}"


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that at least `part` of them do not exceed; part: 0 to 1."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


@contextmanager
def timed(samples: list[float]) -> Iterator[None]:
    """Adds the milliseconds that the context lasts."""
    started = time.perf_counter()
    yield
    samples.append((time.perf_counter() - started) * 1000)
