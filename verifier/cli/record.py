"""`verifier record`: executes blocks with the embedded executor and publishes their witness files."""

from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from verifier.services.recording import RecordEvent, RecordOptions, RecordSummary, Status
from verifier.services.recording import record as record_blocks

EXIT_RECORDED, EXIT_DISAGREEMENT = 0, 1
STYLES = {
    Status.RECORDED: "green",
    Status.INVALID: "bold red",
    Status.SKIPPED: "dim",
    Status.REFUSED: "red",
    Status.UNSUPPORTED: "yellow",
    Status.NOTE: "dim",
}


@click.command()
@click.option(
    "--genesis",
    type=click.Path(path_type=Path),
    help="Genesis JSON, as geth or hive write it; instead of a test's own.",
)
@click.option(
    "--blocks",
    required=True,
    type=click.Path(path_type=Path),
    help="Blocks as RLP end to end, or BlockchainTest JSON (.json, .json.gz, or a directory of them).",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Directory for the witness files.")
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="Directory of the executor's database; default: OUT/.state for a block file, a temporary one for tests.",
)
@click.option("--test", help="Only tests whose name contains this.")
@click.option("--no-sync", is_flag=True, help="Do not force files to the disk: faster, and lost in a power failure.")
def record(genesis: Path | None, blocks: Path, out: Path, state: Path | None, test: str | None, no_sync: bool) -> int:
    """Execute blocks with full state and write a witness file for each, also for invalid ones.

    A second run on the same OUT goes on where the first ended. Each test is a chain of its own, in a directory of its
    own below OUT unless it is the only one.

    Exit status: 0 recorded, 1 a fixture disagrees with the executor on a block, 2 usage or input error.
    """
    console = Console(highlight=False, soft_wrap=True)
    options = RecordOptions(out, genesis, state, test, sync=not no_sync)
    summary = RecordSummary()
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed} blocks"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    try:
        with bar:
            task = bar.add_task("recording", total=None)
            for event in record_blocks(blocks, options):
                summary.add(event)
                bar.update(task, advance=event.status is not Status.NOTE, description=escape(event.test[-60:]))
                if _worth_a_line(event, terminal=console.is_terminal):
                    console.print(_line(event), markup=False, style=_style(event) if console.is_terminal else None)
    finally:
        # Also where an error ends it: what is recorded by then stays, and the next run goes on from there.
        console.print(f"{summary} in {out}", markup=False)
    return EXIT_DISAGREEMENT if summary.disagreements else EXIT_RECORDED


def _worth_a_line(event: RecordEvent, *, terminal: bool) -> bool:
    # On a terminal the bar counts what went as it should.
    return not terminal or event.status not in (Status.RECORDED, Status.SKIPPED) or bool(event.disagreement)


def _style(event: RecordEvent) -> str:
    return "bold white on red" if event.disagreement else STYLES[event.status]


def _line(event: RecordEvent) -> str:
    name = f"block {event.block.number} 0x{event.block.hash.hex()}" if event.block is not None else ""
    if not name and event.status is not Status.NOTE:
        name = f"block at position {event.position}"
    parts = [event.status.value, name, event.test and f"[{event.test}]", str(event.path) if event.path else ""]
    line = " ".join(part for part in parts if part)
    if event.reason:
        line += f": {event.reason}"
    if event.disagreement:
        line = f"DISAGREEMENT: {line} - but {event.disagreement}"
    return line
