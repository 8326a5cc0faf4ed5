"""`verifier conformance`: whole test suites through every client."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import click
from rich.console import Console

from verifier.app import configured_adapters
from verifier.app.conformance import EMBEDDED, ConformanceRun, inspected, machine, recorder_named
from verifier.cli.conformance_progress import ConformanceProgress
from verifier.cli.output import standard_output
from verifier.domain.result import Mode
from verifier.errors import InputError, UsageError
from verifier.services.conformance.batch import Suite, plan
from verifier.services.conformance.examination import DEADLINE
from verifier.services.conformance.journal import Journal, RunIdentity, write_lines, write_results
from verifier.services.conformance.known import KnownDifferences, packaged_differences
from verifier.services.conformance.report.facts import RunFacts
from verifier.services.conformance.report.writing import write_reports
from verifier.services.conformance.selection import Selection

log = logging.getLogger(__name__)

EXIT_AS_EXPECTED, EXIT_DIFFERENCES = 0, 1
JOURNAL, RESULTS, TIMINGS = "journal.jsonl", "results.jsonl", "timings.jsonl"
DEFAULT_RECORDER = "geth"
FILE = click.Path(path_type=Path, dir_okay=False)


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
@click.option(
    "--recorder",
    "recorder_name",
    help="embedded, or an adapter that has one. Default: geth; in prestate mode embedded.",
)
@click.option(
    "--deadline", type=click.FloatRange(min=0.001), default=DEADLINE, show_default=True, help="Seconds a block."
)
@click.option("--json", "json_file", type=FILE, help="Results as JSON lines, the last one a summary.")
@click.option("--html", type=FILE, help="A page that needs nothing else.")
@click.option("--junit", type=FILE, help="JUnit XML, for CI servers.")
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
    recorder_name: str | None,
    deadline: float,
    json_file: Path | None,
    html: Path | None,
    junit: Path | None,
    keep: Path | None,
    directory: Path,
    resume: bool,
) -> int:
    """Have every block of test suites executed by all clients, and compare them with the fixtures and each other.

    PATH is a file or directory of tests of any kind, or a URL of one (docs/conformance.md).

    Exit status: 0 all as expected, 1 a difference that is not known, or a known one that is gone, 2 usage or input
    error.
    """
    selection = Selection(expression, forks)
    for file in (json_file, html, junit):
        _check_writable(file)
    for place in (directory, keep):
        _check_directory(place)
    default = EMBEDDED if mode == Mode.PRESTATE else DEFAULT_RECORDER
    recorder = recorder_name or default
    recorder_named(recorder, Mode(mode))
    suite = plan(paths)
    wanted = [name.strip() for name in names.split(",") if name.strip()] if names else []
    clients = inspected(configured_adapters(wanted), available=available)
    for each in clients.absent:
        click.echo(f"left out: {each}", err=True)
    chosen = " ".join([*([f"--filter {expression}"] if expression else []), *(f"--fork {fork}" for fork in forks)])
    identity = RunIdentity(suite.digest, chosen, clients.versions, recorder, mode)
    run = ConformanceRun(
        manifests=clients.manifests,
        recorder=recorder,
        takes=selection.takes,
        mode=Mode(mode),
        deadline=deadline,
        keep=keep,
        workers=workers,
        address=address,
    )
    with _interruptible(directory), _opened(directory, identity, resume=resume) as journal:
        resumed, started = journal.tests, datetime.now(UTC)
        known = packaged_differences()
        _work(suite, run, journal, known)
        write_results(journal, directory / RESULTS, directory / TIMINGS)
        facts = RunFacts(
            suites=paths,
            participants=clients.participants(recorder),
            mode=mode,
            started=started,
            ended=datetime.now(UTC),
            machine=machine(),
            version=version("execution-verifier"),
            workers=workers,
            selection=chosen,
            resumed=resumed,
            kept=str(keep) if keep is not None else "",
            recorder=recorder if recorder != default else "",
            deadline=deadline if deadline != DEADLINE else None,
        )
        console = standard_output()
        summary = write_reports(journal.cases(), facts, known=known, console=console, html=html, junit=junit)
    if json_file is not None:
        write_lines(json_file, directory / RESULTS, summary.document)
    return EXIT_AS_EXPECTED if summary.passed else EXIT_DIFFERENCES


def _check_directory(directory: Path | None) -> None:
    """Raises InputError where it is not there and cannot be made. Nothing is made yet."""
    if directory is not None:
        there = next(each for each in (directory, *directory.absolute().parents) if os.access(each, os.F_OK))
        if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
            raise InputError(f"{directory}: cannot be written to: {there} is no directory to write to")


def _check_writable(file: Path | None) -> None:
    """Raises InputError before hours of work, not after."""
    if file is not None and not (file.parent.is_dir() and os.access(file.parent, os.W_OK)):
        raise InputError(f"{file}: cannot be written: {file.parent} is no directory to write to")


def _work(suite: Suite, run: ConformanceRun, journal: Journal, known: KnownDifferences) -> None:
    todo = [batch for batch in suite.batches if batch.number not in journal.done]
    messages = Console(stderr=True, highlight=False, soft_wrap=True)
    total = sum(batch.weight for batch in suite.batches)
    done = total - sum(batch.weight for batch in todo)
    with ConformanceProgress(messages, total, done, journal.tests) as progress:
        for examined in run(todo):
            journal.add(examined.batch.number, examined.lines)
            new = [each for each in map(known.explain, examined.found) if not each.known]
            progress.add(examined.batch.weight, len(examined.lines), new)
            log.info(
                "batch=%d path=%s tests=%d event=done",
                examined.batch.number,
                examined.batch.path,
                len(examined.lines),
            )


def _opened(directory: Path, identity: RunIdentity, *, resume: bool) -> Journal:
    path, results = directory / JOURNAL, directory / RESULTS
    try:
        if resume:
            if not path.exists():
                raise UsageError(f"{directory}: no run to go on with")
            return Journal.resume(path, identity)
        if path.exists() and not results.exists():
            raise UsageError(
                f"{directory} has a run that did not end: go on with --resume, or name another --directory"
            )
        results.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}") from None
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
