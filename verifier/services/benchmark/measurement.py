"""What every measurement shares: how often, by which clock, on which machine."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

WARM_UP = 2  # runs before the counted ones


def machine_load() -> str:
    """Cores and load averages, for the record."""
    one, five, fifteen = os.getloadavg()
    return f"{os.cpu_count()} cores, load {one:.2f} {five:.2f} {fifteen:.2f}"


@contextmanager
def timed(samples: list[float]) -> Iterator[None]:
    """Adds the milliseconds that the context lasts."""
    started = time.perf_counter()
    yield
    samples.append((time.perf_counter() - started) * 1000)
