"""`verifier dispute`: who disagreed about which block, about what, and how to see it again."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from verifier.cli.configuring import CONFIG_VARIABLE, effective
from verifier.cli.dispute_page import page
from verifier.cli.output import standard_output
from verifier.cli.reproduce import reproduce
from verifier.domain.dispute import Conclusion, Dispute
from verifier.domain.localization import Localization, Side
from verifier.errors import InputError
from verifier.ledger.dispute_ledger import DisputeLedger
from verifier.ledger.sqlite import SqliteLedger, read_identity
from verifier.services.dispute_report import DisputeReport, find_dispute, report_of, report_of_bundle
from verifier.services.dispute_sections import Section, headline, moment, sections, sides_of, standing
from verifier.services.evidence import Versions, is_bundle
from verifier.services.evidence.document import encode, one_line

COLOURS = {"open": "bold yellow", Conclusion.VALID: "green", Conclusion.INVALID: "bold red"}
EVIDENCE_DIRECTORY = "evidence"  # beside the ledger, where nothing else is said

config_option = click.option(
    "--config", type=click.Path(path_type=Path, dir_okay=False), help=f"The sidecar's; also ${CONFIG_VARIABLE}."
)
ledger_option = click.option(
    "--ledger", "path", type=click.Path(path_type=Path, dir_okay=False), help="The ledger's file, instead of --config."
)


@click.group()
def dispute() -> None:
    """Blocks that clients disagree about. May be run beside a running sidecar."""


@dispute.command(name="list")
@config_option
@ledger_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a dispute.")
def list_(config: Path | None, path: Path | None, as_json: bool) -> int:
    """List all disputes that are kept, the oldest first.

    Exit status: 0 listed, 2 the ledger cannot be read.
    """
    console = standard_output()
    with opened_ledger(config, path) as ledger:
        disputes = ledger.disputes()
    for each in disputes:
        if as_json:
            click.echo(json.dumps(_summary(each), separators=(",", ":")))
        else:
            console.print(f"{_pill(each.conclusion or 'open')} {moment(each.opened_at)} {each.id}  {_line(each)}")
    if not disputes and not as_json:
        console.print("no disputes")
    return 0


@dispute.command()
@config_option
@ledger_option
@click.argument("name", metavar="ID")
@click.option(
    "--evidence", "directory", type=click.Path(path_type=Path, file_okay=False), help="Where evidence bundles are."
)
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write one self-contained page there.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def show(
    config: Path | None, path: Path | None, name: str, directory: Path | None, html: Path | None, as_json: bool
) -> int:
    """Show all that is known of a dispute, so that it can be filed as a client's bug.

    ID is that of `dispute list`, a block's number, its hash or first digits of it; or an evidence bundle, which needs
    no ledger.

    Exit status: 0 shown, 2 there is no such dispute, or it cannot be read.
    """
    report = _report(config, path, name, directory)
    if html is not None:
        _write_page(html, page(report, moment(time.time())))
    if as_json:
        click.echo(json.dumps(_document(report), separators=(",", ":")))
    elif html is None:
        _print(standard_output(), report)
    else:
        standard_output().print(f"{html}: dispute {report.dispute.id}", markup=False)
    return 0


dispute.add_command(reproduce)


@contextmanager
def opened_ledger(config: Path | None, path: Path | None) -> Iterator[DisputeLedger]:
    """The ledger to read from. Raises LedgerError, ConfigurationError."""
    file = path or effective(config, {}).values.storage.ledger
    with SqliteLedger(file, *read_identity(file), read_only=True) as ledger:
        yield ledger


def _report(config: Path | None, path: Path | None, name: str, directory: Path | None) -> DisputeReport:
    if is_bundle(Path(name)):
        return report_of_bundle(Path(name))
    with opened_ledger(config, path) as ledger:
        found = find_dispute(ledger.disputes(), name)
        return report_of(ledger, found, directory or evidence_directory(config, path))


def evidence_directory(config: Path | None, path: Path | None) -> Path:
    """Where a sidecar with this configuration, or this ledger, keeps its evidence bundles."""
    if path is not None and config is None:
        return path.parent / EVIDENCE_DIRECTORY
    return effective(config, {}).values.disputes.evidence


def _write_page(path: Path, content: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_text(content, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


def _pill(name: str) -> str:
    return f"[{COLOURS.get(name, 'bold red')}]{name:<10}[/]"


def _line(each: Dispute) -> str:
    text = one_line(each.reason or each.why)
    evidence = f" (evidence {each.evidence})" if each.evidence else ""
    return escape(f"{text}{evidence}")


def _print(console: Console, report: DisputeReport) -> None:
    console.print(f"{_pill(standing(report))} [bold]dispute {escape(report.dispute.id)}[/]")
    console.print(one_line(headline(report)), markup=False)
    for section in sections(report):
        console.print(f"\n[bold]{escape(section.title)}[/]")
        if section.text:
            console.print(f"  {one_line(section.text)}", markup=False)
        for line, differs in _lines(section):
            console.print(f"  {line}", markup=False, style="bold red" if differs else None)
        for command in section.commands:
            console.print(f"  {one_line(command)}", markup=False)


def _lines(section: Section) -> Iterator[tuple[str, bool]]:
    """The table's lines, columns aligned but for the last."""
    rows = [[one_line(cell) for cell in row.cells] for row in section.rows]
    table = [[*section.columns], *rows] if section.columns else rows
    marks = [False] * (len(table) - len(rows)) + [row.differs for row in section.rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=False)]
    for cells, differs in zip(table, marks, strict=True):
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=False))
        yield "  ".join(padded).rstrip(), differs


def _summary(each: Dispute) -> dict[str, Any]:
    document: dict[str, Any] = encode(each, Dispute)
    document["conclusion"] = each.conclusion or "open"
    document["block"] = _block(each)
    return document


def _block(each: Dispute) -> dict[str, Any]:
    return {"chain_id": each.block.chain_id, "number": each.block.number, "hash": f"0x{each.block.hash.hex()}"}


def _document(report: DisputeReport) -> dict[str, Any]:
    evidence = report.evidence
    localization = evidence.localization if evidence is not None else None
    return {
        **_summary(report.dispute),
        "headline": headline(report),
        "fork": report.fork or None,
        "sides": encode(sides_of(report), tuple[Side, ...]),
        "localization": encode(localization, Localization | None),
        "versions": encode(evidence.versions, Versions) if evidence is not None else None,
        "mode": evidence.request.mode if evidence is not None else None,
        "pre_state_root": f"0x{evidence.request.pre_state_root.hex()}" if evidence is not None else None,
        "bundle": str(report.path) if report.path is not None else None,
        "trouble": report.trouble or None,
        "quarantined": [{"adapter": each.adapter, "why": each.why} for each in report.quarantines],
        "misbehaved": sorted({each.first.adapter for each in report.misbehaviours}),
        "reproduce": _commands(sections(report)),
    }


def _commands(told: Sequence[Section]) -> list[str]:
    return [command for section in told for command in section.commands]
