"""`verifier ledger`: what a sidecar has kept, and an operator's word on a block."""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from verifier.cli.configuring import CONFIG_VARIABLE, effective
from verifier.cli.output import standard_output
from verifier.domain.quorum import Decision
from verifier.domain.status import BlockStatus, TrackedBlock
from verifier.domain.vote import Vote
from verifier.ledger.sqlite import SqliteLedger, read_identity
from verifier.services.operator_word import find_block
from verifier.services.operator_word import reject as reject_block
from verifier.services.operator_word import trust as trust_block

COLOURS = {
    BlockStatus.VERIFIED: "green",
    BlockStatus.DISPUTED: "bold red",
    BlockStatus.INVALID: "bold red",
}
RECENT = 50  # blocks that `show` lists: an epoch and a half, as the status page

config_option = click.option(
    "--config", type=click.Path(path_type=Path, dir_okay=False), help=f"The sidecar's; also ${CONFIG_VARIABLE}."
)
ledger_option = click.option(
    "--ledger", "path", type=click.Path(path_type=Path, dir_okay=False), help="The ledger's file, instead of --config."
)


@click.group()
def ledger() -> None:
    """What a sidecar has kept: blocks, votes, decisions, and what operators said."""


@ledger.command()
@config_option
@ledger_option
@click.argument("block", required=False)
@click.option("--all", "everything", is_flag=True, help=f"All blocks, not the last {RECENT}.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def show(config: Path | None, path: Path | None, block: str | None, everything: bool, as_json: bool) -> int:
    """Show the last blocks, or all that is kept of BLOCK (its hash, first digits of it, or number).

    May be run beside a running sidecar.
    """
    with open_ledger(config, path, read_only=True) as opened:
        if block is None:
            _show_blocks(opened, None if everything else RECENT, as_json=as_json)
        else:
            _show_block(opened, find_block(opened, block), as_json=as_json)
    return 0


@ledger.command()
@config_option
@ledger_option
@click.argument("block")
@click.option("--why", required=True, help="Kept with the block for ever.")
def trust(config: Path | None, path: Path | None, block: str, why: str) -> int:
    """Trust BLOCK without its having been judged: it becomes an anchor, and what follows is judged from it.

    For a stopped sidecar: after a finalized block could not be verified, say, and you have compared it elsewhere. An
    INVALID block cannot be trusted.
    """
    with open_ledger(config, path, read_only=False) as opened:
        trusted = trust_block(opened, block, why, time.time())
    standard_output().print(f"block {trusted.block} is trusted from the next start on: {trusted.why}", markup=False)
    return 0


@ledger.command()
@config_option
@ledger_option
@click.argument("block")
@click.option("--why", required=True, help="Kept with the block for ever.")
def reject(config: Path | None, path: Path | None, block: str, why: str) -> int:
    """Make BLOCK INVALID, and all that stand on it: for good, whatever any client says of them.

    For a stopped sidecar: when a dispute is settled against a block. The next start goes back to its last valid
    ancestor, with the execution client too, and the consensus client is told INVALID and that ancestor.
    """
    with open_ledger(config, path, read_only=False) as opened:
        rejected = reject_block(opened, block, why, time.time())
    text = f"block {rejected.block} is INVALID for good, and the next start goes back from it: {rejected.why}"
    standard_output().print(text, markup=False)
    return 0


def open_ledger(config: Path | None, path: Path | None, *, read_only: bool) -> SqliteLedger:
    """The ledger at `path`, else that of the configuration. Raises LedgerError, ConfigurationError."""
    file = path or effective(config, {}).values.storage.ledger
    return SqliteLedger(file, *read_identity(file), read_only=read_only)


def _show_blocks(opened: SqliteLedger, most: int | None, *, as_json: bool) -> None:
    console = standard_output()
    blocks = sorted(opened.blocks(), key=lambda each: (each.block.number, each.block.hash))
    for each in blocks[-most:] if most is not None else blocks:
        if as_json:
            console.print(json.dumps(_document(each), separators=(",", ":")), markup=False)
        else:
            status = f"[{COLOURS.get(each.status, 'yellow')}]{each.status:<9}[/]"
            anchor = "anchor " if each.anchor else ""
            console.print(f"{each.block.number:>9} 0x{each.block.hash.hex()} {status} {anchor}{escape(each.why)}")
    if not as_json:
        for at, block_hash, text in opened.words():
            console.print(f"{_time(at)} 0x{block_hash.hex()[:8]}… {text}", markup=False)


def _show_block(opened: SqliteLedger, tracked: TrackedBlock, *, as_json: bool) -> None:
    console = standard_output()
    decisions = opened.decisions(tracked.block.hash)
    words = [(at, text) for at, block_hash, text in opened.words() if block_hash == tracked.block.hash]
    if as_json:
        document = _document(tracked) | {
            "decisions": [_decision(decision, votes, at) for decision, votes, at in decisions],
            "words": [{"at": at, "text": text} for at, text in words],
        }
        console.print(json.dumps(document, separators=(",", ":")), markup=False)
        return
    for name, value in _document(tracked).items():
        console.print(f"{name}: {value}", markup=False)
    for decision, votes, at in decisions:
        console.print(f"{_time(at)} {decision.verdict}", markup=False)
        for vote in votes:
            reason = f": {vote.reason}" if vote.reason else ""
            console.print(f"  {vote.adapter} ({vote.lineage}) {vote.kind}{reason}", markup=False)
    for at, text in words:
        console.print(f"{_time(at)} {text}", markup=False)


def _document(tracked: TrackedBlock) -> dict[str, Any]:
    return {
        "number": tracked.block.number,
        "hash": f"0x{tracked.block.hash.hex()}",
        "parent": f"0x{tracked.parent_hash.hex()}",
        "state_root": f"0x{tracked.state_root.hex()}",
        "timestamp": tracked.timestamp,
        "status": tracked.status,
        "why": tracked.why,
        "executor": tracked.executor,
        "anchor": tracked.anchor,
    }


def _decision(decision: Decision, votes: Sequence[Vote], at: float) -> dict[str, Any]:
    return {
        "at": at,
        "verdict": decision.verdict,
        "disagreement": decision.disagreement,
        "votes": [
            {"adapter": each.adapter, "lineage": each.lineage, "vote": each.kind, "reason": each.reason}
            for each in votes
        ],
    }


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
