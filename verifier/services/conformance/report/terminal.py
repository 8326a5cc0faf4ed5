"""The summary of a run in a terminal, or as plain lines where it is none."""

from collections.abc import Iterable
from itertools import islice

from rich.box import SIMPLE
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from .commands import Commands
from .facts import RunFacts
from .folders import gathered
from .line import line
from .outcome import Column, State
from .summary import client_rate, newly_run
from .tally import Tally

MOST_FOLDERS = 24  # lines of the first table: it and the differences below it fit on a screen
MOST_DIFFERENCES = 50  # more are in the other reports
WIDEST = 2000  # characters of a table's line
LONGEST = 240  # characters of one text
MARKS = {
    State.DIFFERS: ("✗", "differ", "bold red"),
    State.CANNOT_TELL: ("?", "cannot tell", "yellow"),
    State.NOT_RUN: ("!", "not run", "bold red"),
    State.KNOWN: ("≈", "known", "cyan"),
    State.SKIPPED: ("-", "skipped", "dim"),
    State.AGREED: ("✓", "agreed", "green"),
}
CELL_MARKS = {state: mark for state, mark in MARKS.items() if state is not State.NOT_RUN}  # that is of no client


def print_summary(console: Console, tally: Tally, facts: RunFacts, commands: Commands) -> None:
    """Tables by folder and by client, what is unexplained with its command, and what is known and gone."""
    if not tally.tests:
        console.print("No test was run.")
    else:
        _print_table(console, _folder_table(tally))
        console.print("  ".join(f"[{style}]{mark} {word}[/]" for mark, word, style in MARKS.values()), justify="left")
        _print_table(console, _client_table(tally))
        _print_skipped(console, tally)
        _print_unknown_words(console, tally)
    _print_known(console, tally)
    _print_unexplained(console, tally, commands)
    _print_end(console, tally, facts)


def _print_table(console: Console, table: Table) -> None:
    """As wide as the terminal; where nobody looks at a screen, nothing is folded."""
    width = console.width
    if not console.is_terminal:
        unfolded = Measurement.get(console, console.options.update_width(WIDEST), table).maximum
        console.width = max(width, unfolded)
    console.print(table, soft_wrap=False)
    console.width = width


def _folder_table(tally: Tally) -> Table:
    table = Table(title="Tests by folder and client", title_justify="left", box=SIMPLE, pad_edge=False)
    table.add_column("folder", overflow="fold", min_width=20)
    table.add_column("tests", justify="right", no_wrap=True)
    for column in tally.columns:
        table.add_column(Text(_heading(column)), overflow="fold")
    for folder, members in gathered(tally.folders, MOST_FOLDERS).items():
        cells = [_cell(tally, column, members) for column in tally.columns]
        table.add_row(Text(line(folder, 80)), _tests(tally, members), *cells)
    if len(tally.folders) > 1:
        table.add_section()
        table.add_row(
            "all", _tests(tally, tally.folder_tests), *(_cell(tally, column, None) for column in tally.columns)
        )
    return table


def _tests(tally: Tally, folders: Iterable[str]) -> Text:
    """How many, and how many could not be run."""
    folders = tuple(folders)
    mark, _, style = MARKS[State.NOT_RUN]
    made = Text(f"{sum(tally.folder_tests[each] for each in folders):,}")
    if not_run := sum(tally.not_run[each] for each in folders):
        made.append(f"\n{mark} {not_run:,}", style)
    return made


def _heading(column: Column) -> str:
    return f"{line(column.client, 40)}\n(stateful)" if column.stateful else line(column.client, 40)


def _cell(tally: Tally, column: Column, folders: tuple[str, ...] | None) -> Text:
    parts = []
    for state, (mark, _, style) in CELL_MARKS.items():
        if count := tally.count(column, state, folders):
            parts.append(Text(f"{mark} {count:,}", style, no_wrap=True))
    return Text("\n").join(parts)


def _client_table(tally: Tally) -> Table:
    table = Table(title="Clients: their own time a block", title_justify="left", box=SIMPLE, pad_edge=False)
    for title in ("client", "lineage", "version"):
        table.add_column(title, overflow="fold")
    for title in ("blocks", "total s", "median ms", "95 % ms", "most ms", "tests/s"):
        table.add_column(title, justify="right")
    for column in tally.columns:
        names = (str(column), tally.lineages.get(column, ""), tally.versions.get(column, ""))
        times = tally.times.get(column)
        figures = ["", "", "", "", ""]
        if times and times.count:
            figures = [
                f"{times.total / 1000:,.1f}",
                f"{times.quantile(0.5):,.2f}",
                f"{times.quantile(0.95):,.2f}",
                f"{times.most:,.1f}",
                f"{client_rate(column, tally):,.1f}",
            ]
        table.add_row(*(Text(line(each, 40)) for each in names), f"{tally.answers[column]:,}", *figures)
    return table


def _print_skipped(console: Console, tally: Tally) -> None:
    lines = [
        f"  {line(str(column))}: {count:,}: {line(reason, LONGEST)}"
        for column in tally.columns
        for reason, count in sorted(tally.skipped.get(column, {}).items(), key=lambda item: (-item[1], item[0]))
    ]
    if lines:
        _say(console, "Skipped:", "bold")
        for each in lines:
            _say(console, each)


def _print_unknown_words(console: Console, tally: Tally) -> None:
    """A block with no other word may be rejected for any reason: who reads the result has to know."""
    if tally.unknown_words:
        _say(console, "Words of fixtures that are not known (reasons are not compared with them):", "yellow")
        for word, count in sorted(tally.unknown_words.items(), key=lambda item: (-item[1], item[0])):
            _say(console, f"  {line(word, LONGEST)}: {plural(count, 'block')}")


def _print_known(console: Console, tally: Tally) -> None:
    if tally.known:
        _say(console, "Known differences:", "bold")
        for (client, why), count in sorted(tally.known.items()):
            _say(console, f"  {line(client) or 'all'}: {count:,}: {line(why, LONGEST)}")
    if tally.gone.count:
        _say(console, "Known differences that are gone (take them out of the file):", "bold red")
        for each in islice(tally.gone, MOST_DIFFERENCES):
            _say(console, f"  {line(each, LONGEST)}")
        _print_more(console, tally.gone.count - MOST_DIFFERENCES)


def _print_unexplained(console: Console, tally: Tally, commands: Commands) -> None:
    if not tally.unexplained.count:
        return
    _say(console, f"Unexplained differences ({tally.unexplained.count:,}):", "bold red")
    for (who, kind), count in tally.kinds.most_common():
        _say(console, f"  {count:,} times {line(who or 'the test')} {kind}")
    for each in islice(tally.unexplained, MOST_DIFFERENCES):
        who = line(str(Column(each.client, each.stateful))) if each.client else "the test"
        block = f" block {each.index}" if each.index >= 0 else ""
        _say(console, f"  {line(str(each.name), LONGEST)} ({line(each.name.network, 60)}){block}")
        _say(console, f"    {who} {each.kind}: {line(each.text, LONGEST)}")
        _say(console, f"    {commands.reproduce(each)}", "dim")
    _print_more(console, tally.unexplained.count - MOST_DIFFERENCES)


def _print_more(console: Console, count: int) -> None:
    if count > 0:
        _say(console, f"  … and {count:,} more: in the page, in JUnit's and in the journal")


def _print_end(console: Console, tally: Tally, facts: RunFacts) -> None:
    run = newly_run(tally, facts)
    speed = f", {run / facts.seconds:,.1f} tests/s" if facts.seconds > 0 and run else ""
    resumed = f", {facts.resumed:,} of them taken over from before" if facts.resumed else ""
    counted = f"{plural(tally.tests, 'test')}, {plural(tally.blocks, 'block')}"
    _say(console, f"{counted} in {duration(facts.seconds)}{speed}{resumed}")
    if tally.passed:
        _say(console, "Passed: no unexplained difference.", "bold green")
    elif tally.tests:
        gone = f", {plural(tally.gone.count, 'known difference')} gone" if tally.gone.count else ""
        _say(console, f"Failed: {plural(tally.unexplained.count, 'unexplained difference')}{gone}.", "bold red")


def _say(console: Console, text: str, style: str = "") -> None:
    """One line, never folded: a command must be copied whole. What looks like markup or an emoji stays as it is."""
    console.print(Text(text, style), soft_wrap=True)


def plural(count: int, noun: str) -> str:
    """The noun, counted: "1 test", "14,563 tests"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def duration(seconds: float) -> str:
    """Seconds as people write them: "0.4 s", "3 min 20 s", "2 h 05 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
