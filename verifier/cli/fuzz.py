"""`verifier fuzz`: generated blocks through every client, and what differs kept, made as small as it gets."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from verifier.app import configured_adapters
from verifier.app.conformance import recorder_named
from verifier.app.fuzzing import FILLER, FuzzOptions, Limits, identity_of, inspected, run_campaign, seed_of
from verifier.cli.output import standard_output
from verifier.errors import UsageError
from verifier.services.conformance.loaders.errors import FixtureError
from verifier.services.conformance.loaders.networks import forks_of
from verifier.services.fuzzing.amsterdam import AMSTERDAM
from verifier.services.fuzzing.campaign import Campaign, Progress
from verifier.services.fuzzing.findings import Finding
from verifier.services.fuzzing.state import JOURNAL, State, seed_in
from witness.file import publish

EXIT_NOTHING_NEW, EXIT_DIFFERENCES = 0, 1
FORKS = ("shanghai", "cancun", "prague", "osaka")
"""Those whose blocks the embedded executor can build, and most clients know."""
LATER_FORKS = ("bpo1", "bpo2", AMSTERDAM)
"""Those that have to be asked for. Blocks of the last are filled in by geth, and few clients know it."""
SUMMARY = "summary.json"
TOLD_EVERY = 10.0  # seconds between lines of progress: enough to see that it goes on


@click.command()
@click.option("--seed", help="Any text; the same gives the same blocks. Default: a new one, which is printed.")
@click.option("--seconds", type=click.FloatRange(min=0.1), help="How long, at most.")
@click.option("--blocks", type=click.IntRange(min=1), help="How many blocks in all, at most.")
@click.option("--fork", "forks", multiple=True, help="Only blocks of this fork; may be given several times.")
@click.option("--adapters", "names", help="Adapters to ask, separated by commas; default: all.")
@click.option("--available", is_flag=True, help="Leave out, with a note, adapters that cannot be started.")
@click.option("--recorder", default="geth", show_default=True, help="embedded, or an adapter that has one.")
@click.option(
    "--fixtures",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="Fixtures to start from besides what is bundled; may be given several times.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out/fuzz"),
    show_default=True,
    help="For the journal and what is found.",
)
@click.option("--resume", is_flag=True, help="Go on with the campaign whose journal is there.")
def fuzz(
    seed: str | None,
    seconds: float | None,
    blocks: int | None,
    forks: tuple[str, ...],
    names: str | None,
    available: bool,
    recorder: str,
    fixtures: tuple[Path, ...],
    out: Path,
    resume: bool,
) -> int:
    """Make new blocks, have every client execute them, and keep what they differ about (docs/fuzzing.md).

    Exit status: 0 nothing that is not known, 1 differences, 2 usage or input error.
    """
    if seconds is None and blocks is None:
        raise UsageError("say when it is to end: --seconds or --blocks")
    chosen = tuple(_fork(name) for name in forks) or FORKS
    recorder_named(recorder)
    wanted = [name.strip() for name in names.split(",") if name.strip()] if names else []
    clients = inspected(configured_adapters(wanted), available=available)
    for each in clients.absent:
        click.echo(f"left out: {each}", err=True)
    seed = seed_in(out) if resume and seed is None else seed_of(seed, lambda: os.urandom(16))
    if AMSTERDAM in chosen and FILLER not in clients.versions:
        raise UsageError(f"blocks of Amsterdam are filled in by {FILLER}, which is not among the adapters")
    options = FuzzOptions(seed, chosen, clients.manifests, recorder, fixtures, out, resume)
    identity = identity_of(options, clients.versions)
    click.echo(f"seed {options.seed}", err=True)
    opened = State.resume(out, identity) if resume else State.create(out, identity)
    with opened as state, _interruptible(out):
        resumed = len(state.entries)
        campaign = asyncio.run(
            run_campaign(options, clients.manifests, state, Limits(seconds, blocks), _tell_found, _Teller())
        )
    summary = _summary(options.seed, campaign, resumed)
    publish([json.dumps(summary, indent=1).encode() + b"\n"], out / SUMMARY, sync=False)
    _print(summary, out)
    return EXIT_DIFFERENCES if campaign.findings.counts else EXIT_NOTHING_NEW


@contextmanager
def _interruptible(out: Path) -> Iterator[None]:
    """At SIGINT and SIGTERM adapters are stopped, and the journal stays."""

    def end(number: int, _: object) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    # Handlers of our own, as a shell that starts us in the background has SIGINT ignored.
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"verifier: what is done is in {out / JOURNAL}: go on with --resume", err=True)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _fork(name: str) -> str:
    try:
        fork, after = forks_of(name)
    except FixtureError:
        raise UsageError(f"{name!r} is no fork") from None
    if after is not None or fork not in (*FORKS, *LATER_FORKS):
        raise UsageError(f"blocks of {name} cannot be built, only of {', '.join((*FORKS, *LATER_FORKS))}")
    return fork


class _Teller:
    """A line to standard error now and then."""

    def __init__(self) -> None:
        self._told = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._told >= TOLD_EVERY:
            self._told = now
            rate = progress.blocks / progress.seconds if progress.seconds else 0.0
            click.echo(f"{progress.blocks} blocks, {rate:.1f}/s, {len(progress.coverage.features)} features", err=True)


def _tell_found(finding: Finding) -> None:
    size = f"{finding.sizes[0]} to {finding.sizes[1]} bytes" if finding.minimised else "not minimised"
    click.echo(f"block {finding.number} ({finding.fork}): {finding.key} [{size}] {finding.folder}", err=True)


def _summary(seed: str, campaign: Campaign, resumed: int) -> dict[str, Any]:
    progress = campaign.progress
    return {
        "seed": seed,
        "blocks": resumed + progress.blocks,
        "resumed": resumed,
        "seconds": round(progress.seconds, 1),
        "blocks_per_second": round(progress.blocks / progress.seconds, 2) if progress.seconds else 0.0,
        "gas_per_block": progress.gas // max(1, progress.blocks),
        "not_built": progress.unbuilt,
        "coverage": progress.coverage.report(),
        "differences": campaign.findings.document(),
    }


def _print(summary: dict[str, Any], out: Path) -> None:
    console = standard_output()
    coverage = summary["coverage"]
    rate, gas = summary["blocks_per_second"], summary["gas_per_block"]
    console.print(f"{summary['blocks']} blocks ({rate}/s in this run, {gas} gas each), seed {summary['seed']}")
    console.print(f"forks: {_counts(coverage['forks'])}; transaction types: {_counts(coverage['transaction_types'])}")
    opcodes, precompiles = coverage["opcodes"], coverage["precompiles"]
    missing = f" (not: {' '.join(opcodes['missing'])})" if opcodes["missing"] else ""
    console.print(f"opcodes: {opcodes['reached']} of {opcodes['defined']}{missing}; pairs: {coverage['opcode_pairs']}")
    missing = f" (not: {' '.join(precompiles['missing'])})" if precompiles["missing"] else ""
    console.print(f"precompiles: {len(precompiles['called'])}{missing}, {precompiles['outcomes']} outcomes")
    console.print(
        f"exceptional halts: {coverage['exceptional_halts']}; header faults: {coverage['header_faults']};"
        f" reasons not to include a transaction: {coverage['reasons_not_to_include']}"
    )
    for each in summary["differences"]:
        known = "known: " if each["known"] else ""
        console.print(f"{each['blocks']} blocks: {known}{each['difference']}", markup=False)
        for example in each["examples"]:
            console.print(f"  {out / 'findings' / example['folder']}", markup=False)
    if not summary["differences"]:
        console.print("no differences")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"
