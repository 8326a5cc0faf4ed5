"""All reports of a run, from one way through its tests: each is counted, put aside for the reports, and forgotten."""

import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console

from verifier.domain.conformance import Difference, ExaminedCase
from verifier.errors import InputError

from .commands import Commands
from .facts import RunFacts
from .junit import JUnitReport
from .outcome import judge
from .page import Page
from .summary import summary_document
from .tally import Tally
from .terminal import print_summary


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of a run. passed: nothing is unexplained, no known one gone. document: of `summary_document`."""

    passed: bool
    unexplained: int
    gone: int
    document: dict[str, Any] = field(repr=False)


class Known(Protocol):
    """What is known of clients: differences explained, and those missed that should have shown up."""

    def explain(self, difference: Difference) -> Difference:
        """The difference with why it is known, if it is."""

    def gone_in(self, case: ExaminedCase) -> Iterable[object]:
        """What is known of this test and did not show up, each with its text as `str`."""


class NothingKnown:
    """Explains nothing."""

    def explain(self, difference: Difference) -> Difference:
        """The difference as it is."""
        return difference

    def gone_in(self, case: ExaminedCase) -> Iterable[object]:  # noqa: ARG002
        """Nothing."""
        return ()


NOTHING_KNOWN = NothingKnown()


def write_reports(
    cases: Iterable[ExaminedCase],
    facts: RunFacts,
    *,
    known: Known = NOTHING_KNOWN,
    console: Console | None = None,
    html: Path | None = None,
    junit: Path | None = None,
) -> Summary:
    """Makes the reports that are asked for; files appear whole or not at all.

    cases: each test once, in any order; they are taken one by one. console: where the summary is printed, if at all.
    Raises InputError where a file cannot be written.
    """
    tally, commands = Tally(facts), Commands(facts)
    with ExitStack() as stack:
        page = stack.enter_context(Page(tally, facts, commands)) if html else None
        report = stack.enter_context(JUnitReport(commands)) if junit else None
        for case in cases:
            test = judge(case, tally.columns, known.explain)
            tally.add(test)
            for each in known.gone_in(case):
                tally.gone.add(str(each))
            if page:
                page.add(test)
            if report:
                report.add(test)
        if page and html:
            _appear(html, page.write)
        if report and junit:
            _appear(junit, lambda path: report.write(path, tally, facts))
    if console:
        print_summary(console, tally, facts, commands)
    document = summary_document(tally, facts, commands)
    return Summary(tally.passed, tally.unexplained.count, tally.gone.count, document)


def _appear(path: Path, write: Callable[[Path], None]) -> None:
    """Writes beside the path, then renames. Raises InputError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            temporary.unlink()
