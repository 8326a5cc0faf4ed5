"""What every measurement shares: how often, by which clock, on which machine."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import psutil

WARM_UP = 2  # runs before the counted ones


def machine_load() -> str:
    """Cores and load averages, for the record."""
    one, five, fifteen = os.getloadavg()
    return f"{os.cpu_count()} cores, load {one:.2f} {five:.2f} {fifteen:.2f}"


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that at least `part` of them do not exceed; part: 0 to 1."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))]


def memory_of_tree(process: psutil.Process) -> float:
    """MiB that a process and all below it take (proportional set size); pages that several share are divided."""
    total = 0
    with suppress(psutil.Error):
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                total += each.memory_full_info().pss
    return total / (1 << 20)


@contextmanager
def timed(samples: list[float]) -> Iterator[None]:
    """Adds the milliseconds that the context lasts."""
    started = time.perf_counter()
    yield
    samples.append((time.perf_counter() - started) * 1000)
