"""How commands print: rich on a terminal, plain lines when piped, and JSON lines where asked for."""

import json
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from verifier.domain.quorum import Verdict
from verifier.domain.vote import Vote, VoteKind
from verifier.services.replay import BlockReport

COLOURS = {
    Verdict.ATTEST: "green",
    Verdict.REJECT: "bold red",
    Verdict.HOLD: "yellow",
    VoteKind.VALID: "green",
    VoteKind.INVALID: "bold red",
    VoteKind.ABSTAIN: "yellow",
}


def standard_output() -> Console:
    """Standard output; never wraps or colours when it is no terminal."""
    return Console(highlight=False, soft_wrap=True)


def progress(console: Console) -> Progress:
    """A progress bar on standard error, shown on a terminal only."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def report_document(report: BlockReport) -> dict[str, Any]:
    """The JSON object of one block's verdict, as documented in the README."""
    return {
        "block": {
            "chain_id": report.block.chain_id,
            "number": report.block.number,
            "hash": f"0x{report.block.hash.hex()}",
        },
        "fork": report.fork,
        "mode": report.mode,
        "verdict": report.decision.verdict,
        "disagreement": report.decision.disagreement,
        "settled_ms": round(report.settled_ms, 3),
        "notes": list(report.notes),
        "votes": [
            {
                "adapter": vote.adapter,
                "lineage": vote.lineage,
                "vote": vote.kind,
                "reason": vote.reason,
                "differences": [
                    {"field": each.field, "header": each.header, "computed": each.computed} for each in vote.differences
                ],
                "elapsed_ms": round(vote.elapsed_ms, 3),
            }
            for vote in sorted(report.votes, key=lambda each: each.adapter)
        ],
    }


def report_json(report: BlockReport) -> str:
    """`report_document` as one line."""
    return json.dumps(report_document(report), separators=(",", ":"))


def print_report(console: Console, report: BlockReport) -> None:
    """One line a block with every vote, then one for each thing that needs an explanation."""
    decision = report.decision
    votes = sorted(report.votes, key=lambda each: each.adapter)
    verdict = f"[{COLOURS[decision.verdict]}]{decision.verdict:<6}[/]"
    columns = "  ".join(f"{vote.adapter} {_vote(vote)}" for vote in votes)
    console.print(
        f"{report.block.chain_id:>8} {report.block.number:>9} 0x{report.block.hash.hex()[:8]} "
        f"{report.fork:<17} {verdict} {columns}"
    )
    if decision.disagreement:
        console.print(f"{'':9}[bold red]DISAGREEMENT[/] between clients on block {report.block}")
    for vote in votes:
        if vote.reason is not None:
            console.print(f"{'':9}{vote.adapter}: ", end="")
            console.print(vote.reason, markup=False)
        for difference in vote.differences:
            line = (
                f"{'':11}{difference.field}: header {_short(difference.header)}, computed {_short(difference.computed)}"
            )
            console.print(line, markup=False)
    for note in report.notes:
        console.print(f"{'':9}note: {note}", markup=False)


def _vote(vote: Vote) -> str:
    time = f"{vote.elapsed_ms:>7.1f} ms" if vote.kind is not VoteKind.ABSTAIN else f"{'':>10}"
    return f"[{COLOURS[vote.kind]}]{vote.kind:<7}[/] {time}"


def _short(value: str) -> str:
    return value if len(value) <= 66 else f"{value[:34]}…{value[-8:]}"
