"""How far a conformance run is: a bar on a terminal, a line now and then where it is none."""

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from verifier.domain.conformance import Difference

EVERY = 30.0  # seconds between lines where there is no terminal: a log of CI shows that it goes on, and stays short
SHOWN = 10  # differences
SPEED_OF = 600.0  # seconds over which the time left is told; files differ much in how long they take


class ConformanceProgress:
    """total, done: bytes of the suite's files, the only measure that is known before they are read. tests: done before.

    A context.
    """

    def __init__(self, console: Console, total: int, done: int = 0, tests: int = 0) -> None:
        self._console = console
        self._total = total
        self._before = self._done = done
        self._tests, self._tests_before = tests, tests
        self._differences = 0
        self._started = 0.0  # when the first batch was done: before it, adapters were started
        self._printed = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:.0f} %"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            speed_estimate_period=SPEED_OF,
        )
        self._task = self._bar.add_task("starting", total=total, completed=done)

    def __enter__(self) -> "ConformanceProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def add(self, weight: int, tests: int, differences: Sequence[Difference]) -> None:
        """A batch is done, with what differs in it and is not known. The first are shown at once; reports have all."""
        now = time.monotonic()
        self._done += weight
        self._tests += tests
        for each in differences[: max(0, SHOWN - self._differences)]:
            self._console.print(f"{each.name}: {each.client or 'nobody'}: {each.kind}: {each.text}", markup=False)
        self._differences += len(differences)
        if not self._started:
            self._started, self._before, self._tests_before = now, self._done, self._tests
        text = self.text(now)
        self._bar.update(self._task, completed=self._done, description=text)
        if not self._console.is_terminal and now - self._printed >= EVERY:
            self._printed = now
            self._console.print(f"{text}, {100 * self._done // self._total} %, {self._left(now)}", markup=False)

    def text(self, now: float) -> str:
        """Tests done, how fast, and how many differences that are not known."""
        tests = self._tests - self._tests_before
        rate = f"{tests / (now - self._started):.1f}/s, " if tests and now > self._started else ""
        return f"{self._tests} tests, {rate}{self._differences} new differences"

    def _left(self, now: float) -> str:
        done = self._done - self._before
        if not done:
            return "time left unknown"
        seconds = (now - self._started) * (self._total - self._done) / done
        return f"{seconds / 60:.0f} min left" if seconds >= 90 else f"{seconds:.0f} s left"
