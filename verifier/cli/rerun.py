"""`verifier replay BUNDLE`: an evidence bundle's block executed again, and whether each adapter says what it said."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from verifier.app import adapters_directory
from verifier.cli.output import COLOURS, progress, standard_output
from verifier.domain.result import Abstention
from verifier.domain.vote import VoteKind
from verifier.executors.stateless.manifest import Manifest, read_manifests
from verifier.executors.stateless.pool import AdapterPool
from verifier.executors.stateless.remotes import AnyRemote, read_remotes, select_all
from verifier.services.evidence import Evidence, client_versions, read_bundle
from verifier.services.evidence.rerun import Comparison, Reproduction, Rerun, recorded_adapters, rerun, with_versions

EXIT_REPRODUCED, EXIT_DIFFERENT, EXIT_NOT_EVERYTHING = 0, 1, 3
STYLES = {
    Reproduction.SAME: "green",
    Reproduction.DIFFERENT: "bold red",
    Reproduction.SILENT: "yellow",
    Reproduction.UNRECORDED: "dim",
}


async def replay_bundle(
    path: Path, names: str | None, remotes_file: Path | None, deadline: float, *, as_json: bool
) -> int:
    """Executes and prints; the exit status. Raises VerifierError."""
    evidence = read_bundle(path)
    manifests, remotes = _chosen(evidence, names, remotes_file)
    unasked = _unasked(evidence, names, manifests, remotes)
    messages = Console(stderr=True, highlight=False, soft_wrap=True)
    with progress(messages) as bar:
        bar.add_task("executing", total=None)
        async with AdapterPool(manifests, remotes) as pool:
            await pool.wait_ready()
            done = await rerun(pool.executors, evidence, deadline, unasked)
            done = with_versions(done, evidence.versions, client_versions(pool))
    if as_json:
        click.echo(json.dumps(_document(path, evidence, done), separators=(",", ":")))
    else:
        _print(path, evidence, done)
    return {True: EXIT_REPRODUCED, False: EXIT_DIFFERENT, None: EXIT_NOT_EVERYTHING}[done.reproduced]


def _chosen(
    evidence: Evidence, names: str | None, remotes_file: Path | None
) -> tuple[Sequence[Manifest], Sequence[AnyRemote]]:
    """Those that are named, else those of the bundle that are here. Raises UsageError for a name that is not."""
    manifests = read_manifests(adapters_directory())
    remotes = read_remotes(remotes_file) if remotes_file else []
    wanted = [name.strip() for name in names.split(",") if name.strip()] if names else []
    if wanted:
        return select_all(manifests, remotes, wanted)
    recorded = recorded_adapters(evidence)
    return [each for each in manifests if each.name in recorded], [each for each in remotes if each.name in recorded]


def _unasked(
    evidence: Evidence, names: str | None, manifests: Sequence[Manifest], remotes: Sequence[AnyRemote]
) -> dict[str, str]:
    here = {each.name for each in (*manifests, *remotes)}
    why = "not among those that are named" if names else "no such adapter here"
    return {name: why for name in recorded_adapters(evidence) if name not in here}


def _print(path: Path, evidence: Evidence, done: Rerun) -> None:
    console, dispute = standard_output(), evidence.dispute
    console.print(f"evidence {path.resolve().name}: dispute {dispute.id}, block {dispute.block}", markup=False)
    ending = f"{dispute.conclusion}: {dispute.reason}" if dispute.conclusion else "not concluded"
    console.print(f"  {ending}; {evidence.request.mode} mode", markup=False)
    if evidence.localization is not None:
        console.print(f"  {evidence.localization.text}", markup=False)
    for each in done.comparisons:
        style, remarks = STYLES[each.reproduction], escape("; ".join(_remarks(each)))
        word = f"{each.reproduction:<10} " if remarks else str(each.reproduction)
        console.print(f"  {escape(each.adapter):<12} {_vote(each)} [{style}]{word}[/]{remarks}")
    for note in done.notes:
        console.print(f"  note: {note}", markup=False)
    sides = " | ".join(", ".join(side) for side in done.sides) or "nobody"
    verdict = {
        True: "[green]reproduced[/]",
        False: "[bold red]NOT REPRODUCED[/]",
        None: "[yellow]not everything tried[/]",
    }
    console.print(f"{verdict[done.reproduced]}; sides now: {escape(sides)}")


def _vote(comparison: Comparison) -> str:
    if comparison.vote is None:
        return f"{'-':<7}"
    return f"[{COLOURS[comparison.vote.kind]}]{comparison.vote.kind:<7}[/]"


def _remarks(comparison: Comparison) -> list[str]:
    reason = comparison.vote.reason if comparison.vote is not None else None
    return [*([reason] if reason else []), *comparison.notes]


def _document(path: Path, evidence: Evidence, done: Rerun) -> dict[str, Any]:
    dispute = evidence.dispute
    return {
        "evidence": path.resolve().name,
        "dispute": dispute.id,
        "block": {
            "chain_id": dispute.block.chain_id,
            "number": dispute.block.number,
            "hash": f"0x{dispute.block.hash.hex()}",
        },
        "mode": evidence.request.mode,
        "conclusion": dispute.conclusion,
        "reproduced": done.reproduced,
        "sides": [list(side) for side in done.sides],
        "adapters": [
            {
                "adapter": each.adapter,
                "lineage": each.lineage,
                "reproduction": each.reproduction,
                "recorded": [f"0x{digest.hex()}" for digest in each.recorded],
                "digest": f"0x{each.digest.hex()}" if _spoke(each) else None,
                "vote": each.vote.kind if each.vote is not None else VoteKind.ABSTAIN,
                "remarks": _remarks(each),
            }
            for each in done.comparisons
        ],
        "notes": list(done.notes),
    }


def _spoke(comparison: Comparison) -> bool:
    return comparison.now is not None and not isinstance(comparison.now.outcome, Abstention)
