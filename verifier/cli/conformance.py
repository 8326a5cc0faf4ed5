"""`verifier conformance`: whole test suites through every client."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console

from verifier.app import configured_adapters
from verifier.app.conformance import ConformanceRun, inspected
from verifier.cli.conformance_progress import ConformanceProgress
from verifier.cli.output import standard_output
from verifier.domain.conformance import Difference
from verifier.domain.result import Mode
from verifier.errors import UsageError
from verifier.services.conformance.batch import Suite, plan
from verifier.services.conformance.examination import DEADLINE
from verifier.services.conformance.journal import Journal, RunIdentity, write_results
from verifier.services.conformance.selection import Selection

EXIT_AS_EXPECTED, EXIT_DIFFERENCES = 0, 1
JOURNAL, RESULTS, TIMINGS = "journal.jsonl", "results.jsonl", "timings.jsonl"
SHOWN = 20  # differences that are shown while the run goes on; the summary and the reports have them all


@click.command()
@click.argument("paths", metavar="PATH…", nargs=-1, required=True)
@click.option("--adapters", "names", help="Adapters to ask, separated by commas; default: all.")
@click.option("--available", is_flag=True, help="Leave out, with a note, adapters that cannot be started.")
@click.option("--filter", "expression", default="", help="Which tests (docs/conformance.md).")
@click.option("--fork", "forks", multiple=True, help="Only tests of this network; may be given several times.")
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes to work in.")
@click.option("--dask", "address", help="Address of a Dask cluster's scheduler, to work there instead.")
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    default=Mode.PROOF.value,
    show_default=True,
    help="proof: recompute every root. prestate: take values as they are given, compare what changed.",
)
@click.option("--recorder", default="geth", show_default=True, help="embedded, or an adapter whose client has one.")
@click.option(
    "--deadline", type=click.FloatRange(min=0.001), default=DEADLINE, show_default=True, help="Seconds a block."
)
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Results as JSON lines.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep witnesses of blocks that differ.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out/conformance"),
    show_default=True,
    help="For the journal and the results.",
)
@click.option("--resume", is_flag=True, help="Go on with the run whose journal is in the directory.")
def conformance(
    paths: tuple[str, ...],
    names: str | None,
    available: bool,
    expression: str,
    forks: tuple[str, ...],
    workers: int,
    address: str | None,
    mode: str,
    recorder: str,
    deadline: float,
    json_file: Path | None,
    keep: Path | None,
    directory: Path,
    resume: bool,
) -> int:
    """Have every block of test suites executed by all clients, and compare them with the fixtures and each other.

    PATH is a file or directory of tests, or a URL of one (docs/conformance.md).

    Exit status: 0 all as expected, 1 a difference that is not known, or a known one that is gone, 2 usage or input
    error.
    """
    selection = Selection(expression, forks)
    suite = plan(paths)
    wanted = [name.strip() for name in names.split(",") if name.strip()] if names else []
    inspections = inspected(configured_adapters(wanted), available=available)
    versions = {each.manifest.name: _version(each.description) for each in inspections}
    identity = RunIdentity(suite.digest, str(selection), versions, recorder, mode)
    run = ConformanceRun(
        manifests=tuple(each.manifest for each in inspections),
        recorder=recorder,
        takes=selection.takes,
        mode=Mode(mode),
        deadline=deadline,
        keep=keep,
        workers=workers,
        address=address,
    )
    with _interruptible(directory), _opened(directory, identity, resume=resume) as journal:
        _work(suite, run, journal)
        write_results(journal, directory / RESULTS, directory / TIMINGS)
    return EXIT_AS_EXPECTED


def _version(description: object) -> str:
    return getattr(description, "client_version", "") or ""


def _work(suite: Suite, run: ConformanceRun, journal: Journal) -> None:
    todo = [batch for batch in suite.batches if batch.number not in journal.done]
    console, messages = standard_output(), Console(stderr=True, highlight=False, soft_wrap=True)
    total = sum(batch.weight for batch in suite.batches)
    done = total - sum(batch.weight for batch in todo)
    shown = 0
    with ConformanceProgress(messages, total, done, journal.tests) as progress:
        for examined in run(todo):
            journal.add(examined.batch.number, examined.lines)
            progress.add(examined.batch.weight, len(examined.lines), len(examined.found))
            for difference in examined.found[: SHOWN - shown]:
                shown += 1
                _print_difference(console, difference)


def _print_difference(console: Console, difference: Difference) -> None:
    console.print(f"{difference.name} block {difference.index}: {difference.client} {difference.kind}", markup=False)


def _opened(directory: Path, identity: RunIdentity, *, resume: bool) -> Journal:
    path, results = directory / JOURNAL, directory / RESULTS
    if resume:
        if not path.exists():
            raise UsageError(f"{directory}: no run to go on with")
        return Journal.resume(path, identity)
    if path.exists() and not results.exists():
        raise UsageError(f"{directory} has a run that did not end: go on with --resume, or name another --directory")
    results.unlink(missing_ok=True)
    return Journal.create(path, identity)


@contextmanager
def _interruptible(directory: Path) -> Iterator[None]:
    """At SIGINT and SIGTERM workers and adapters are stopped, and the journal stays."""

    def end(number: int, _: object) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    # Handlers of our own, as a shell that starts us in the background has SIGINT ignored.
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"verifier: what is done is in {directory / JOURNAL}: go on with --resume", err=True)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
