"""`verifier demo`: the sidecar at work between clients of this machine, by itself."""

import asyncio
import shutil
from pathlib import Path

import click
from rich.console import Console

from verifier.cli.output import COLOURS, standard_output
from verifier.cli.replay import until_signalled
from verifier.demo.expectation import Shown
from verifier.demo.program import Act
from verifier.demo.report import MARKS
from verifier.demo.run import Beginning, Options, Watcher, run
from verifier.demo.telling import act_of, consequences
from verifier.domain.quorum import Verdict
from verifier.domain.vote import VoteKind

EXIT_AS_IT_SHOULD_BE, EXIT_NOT = 0, 1
SECONDS = 120.0
OUT = Path("out/demo")


@click.command()
@click.option("--geth", type=click.Path(path_type=Path), help="The geth to run; default: that on PATH, else none.")
@click.option("--embedded", is_flag=True, help="Run the embedded execution client, also where geth is.")
@click.option("--seconds", type=click.FloatRange(min=1), default=SECONDS, help="From start to end.", show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path, resolve_path=True), default=OUT, help="For the report.", show_default=True
)
def demo(geth: Path | None, embedded: bool, seconds: float, out: Path) -> int:
    """Show the sidecar between a consensus client, a validator client and an execution client, all on this machine.

    A private chain grows, its blocks are judged by the clients that are here, and a validator attests to them. Then one
    client is made to lie about a block; later the execution client itself errs, and builds on what is invalid; later
    the majority lies. Each time the dispute is shown to its end. OUT gets report.md and report.json, and below work/
    the evidence.

    Exit status: 0 everything was as it should be, 1 it was not, 2 it could not run.
    """
    return asyncio.run(until_signalled(_show(_geth(geth, embedded=embedded), seconds, out)))


def _geth(given: Path | None, *, embedded: bool) -> Path | None:
    if embedded:
        return None
    if given is not None:
        return given
    found = shutil.which("geth")
    return None if found is None else Path(found)


async def _show(geth: Path | None, seconds: float, out: Path) -> int:
    console = standard_output()

    error = ""

    def begun(beginning: Beginning) -> None:
        nonlocal error
        error = beginning.error
        console.print(f"status page {beginning.page}", markup=False)
        console.print(f"who counts: {beginning.who}", markup=False)
        for act, why in beginning.left_out.items():
            console.print(f"left out: {act}: {why}", markup=False)

    def said(what: str) -> None:
        console.print(f"{'':10}{what}", markup=False)

    watcher = Watcher(begun, lambda shown: _print(console, shown, error), said)
    report = await run(Options(out, geth, seconds), watcher)
    page, _ = report.write(out)
    for each in report.expectations:
        console.print("[green]as it should be[/]" if each.held else "[bold red]NOT SO[/]         ", end=" ")
        console.print(each.what if each.held else f"{each.what}: {each.detail}", markup=False)
    console.print(f"{page}", markup=False)
    return EXIT_AS_IT_SHOULD_BE if report.as_it_should_be else EXIT_NOT


def _print(console: Console, shown: Shown, error: str) -> None:
    """One line a slot; where somebody was wrong, who, and what followed from it."""
    scene = shown.scene
    if scene.act is not Act.HONEST:
        console.print(f"{'':10}[bold]{scene.act}[/]")
        console.print(f"{'':10}{act_of(shown, error)}", markup=False)
    verdict = f"[{COLOURS[Verdict(shown.verdict)]}]{shown.verdict:<6}[/]" if shown.verdict else f"{'-':<6}"
    votes = " ".join(f"[{COLOURS[VoteKind(kind)]}]{name} {MARKS[kind]}[/]" for name, kind in shown.votes.items())
    attestation = "attested" if shown.counted else "not attested"
    console.print(
        f"slot {scene.slot:>3}  block {shown.number:>3} {shown.block_hash[:10]}  {verdict}  {votes}  "
        f"engine {shown.engine} {shown.engine_ms:.0f} ms  {attestation}"
    )
    if scene.act is Act.HONEST:
        if shown.counted == 0:
            console.print(f"{'':10}attestation gate: {shown.attestation}", markup=False)
        return
    for what, told in consequences(shown):
        console.print(f"{'':10}{what}: {told}", markup=False)
