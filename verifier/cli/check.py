"""`verifier adapters check`: the contract kit, against any adapter, ours or a stranger's."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from verifier.app import bundled_chain, configured_adapters
from verifier.cli.output import progress, standard_output
from verifier.cli.replay import until_signalled
from verifier.errors import AdapterError, AdapterUnavailableError, UsageError
from verifier.executors.stateless.address import Address, TlsFiles
from verifier.executors.stateless.manifest import Manifest
from verifier.services.contract.bundle import Bundle, record_bundle
from verifier.services.contract.catalogue import Entry, select
from verifier.services.contract.examination import examine, report
from verifier.services.contract.obligation import Finding, Report, Standing
from verifier.services.contract.subject import SAMPLE_TIME, Subject, connected, started
from verifier.services.sources import scratch_directory

EXIT_KEPT, EXIT_UNMET, EXIT_INPUT_ERROR = 0, 1, 2
COLOURS = {Standing.MET: "green", Standing.UNMET: "bold red", Standing.NOT_APPLICABLE: "dim"}


@click.command()
@click.argument("adapters", metavar="NAME|ADDRESS…", nargs=-1)
@click.option("--only", multiple=True, metavar="ID", help="Only this obligation, or group (missing); repeatable.")
@click.option("--list", "listed", is_flag=True, help="Show the obligations, and check nothing.")
@click.option(
    "--sample-time",
    type=click.FloatRange(min=0),
    default=SAMPLE_TIME,
    show_default=True,
    help="Seconds for each check that drops or damages one thing after the other.",
)
@click.option("--tls-ca", type=click.Path(path_type=Path), help="PEM: the CA of the adapter at ADDRESS.")
@click.option("--tls-certificate", type=click.Path(path_type=Path), help="PEM: what we show to it.")
@click.option("--tls-key", type=click.Path(path_type=Path), help="PEM: the key of that.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object an obligation.")
def check(
    adapters: tuple[str, ...],
    only: tuple[str, ...],
    listed: bool,
    sample_time: float,
    tls_ca: Path | None,
    tls_certificate: Path | None,
    tls_key: Path | None,
    as_json: bool,
) -> int:
    """Prove by behaviour what an adapter owes by adapters/CONTRACT.md.

    NAME is one of `verifier adapters list`: its process is started, and ended in every way. ADDRESS is unix:/path or
    host:port of an adapter that runs already; plain TCP only to this machine, mutual TLS to any.

    Exit status: 0 every obligation met or not applicable, 1 some not met, 2 usage or input error.
    """
    entries = select(only)
    if listed:
        _print_list(entries, as_json=as_json)
        return EXIT_KEPT
    if not adapters:
        raise UsageError("name an adapter (`verifier adapters list` shows them), or an address")
    tls = TlsFiles.of(tls_ca, tls_certificate, tls_key)
    targets = [_target(each, tls) for each in dict.fromkeys(adapters)]
    return asyncio.run(until_signalled(_check(targets, entries, sample_time, as_json=as_json)))


Target = Manifest | Address


def _target(text: str, tls: TlsFiles | None) -> Target:
    if Address.is_one(text):
        return Address.parse(text, tls)
    (manifest,) = configured_adapters([text])
    unavailable = manifest.unavailable_because()
    if unavailable is not None:
        raise AdapterUnavailableError(f"{manifest.name}: {': '.join(unavailable)}")
    return manifest


async def _check(targets: Sequence[Target], entries: Sequence[Entry], sample_time: float, *, as_json: bool) -> int:
    messages = Console(stderr=True, highlight=False, soft_wrap=True)
    status = EXIT_KEPT
    with scratch_directory() as scratch:
        bundle = record_bundle(bundled_chain(), scratch / "blocks")
        for target in targets:
            try:
                found = await _examine(target, bundle, scratch, entries, sample_time, messages)
            except AdapterError as error:
                messages.print(f"verifier: {error}", markup=False)
                status = EXIT_INPUT_ERROR
                continue
            _print_report(found, as_json=as_json)
            if not found.kept and status == EXIT_KEPT:
                status = EXIT_UNMET
    return status


async def _examine(
    target: Target, bundle: Bundle, scratch: Path, entries: Sequence[Entry], sample_time: float, messages: Console
) -> Report:
    opened: AbstractAsyncContextManager[Subject]
    opened = started(target, bundle, scratch) if isinstance(target, Manifest) else connected(target, bundle, scratch)
    findings: list[Finding] = []
    with progress(messages) as bar:
        name = target.name if isinstance(target, Manifest) else str(target)
        task = bar.add_task(f"{name}: starting", total=len(entries))
        async with opened as subject:
            subject.sample_time = sample_time
            bar.update(task, description=f"{name}: {entries[0].obligation.id}")
            async for finding in examine(subject, entries):
                findings.append(finding)
                following = entries[min(len(findings), len(entries) - 1)].obligation.id
                bar.update(task, advance=1, description=f"{name}: {following}")
                if finding.standing is Standing.UNMET and messages.is_terminal:
                    messages.print(f"{name}: {finding.obligation.id} is not met", markup=False)
            return report(subject, findings)


def _print_report(found: Report, *, as_json: bool) -> None:
    console = standard_output()
    if as_json:
        for finding in found.findings:
            click.echo(json.dumps(_document(found, finding), separators=(",", ":")))
        return
    if console.is_terminal:
        table = Table("obligation", "standing", "seconds", "what was found", box=None, title=f"{found.adapter}")
        for finding in found.findings:
            colour = COLOURS[finding.standing]
            table.add_row(
                finding.obligation.id, f"[{colour}]{finding.standing}[/]", f"{finding.elapsed:.1f}", _text(finding)
            )
        console.print(table)
    else:
        for finding in found.findings:
            line = f"{found.adapter} {finding.obligation.id}: {finding.standing}"
            detail = f": {finding.detail}" if finding.detail else ""
            clause = f" [{finding.obligation.clause}]" if finding.standing is Standing.UNMET else ""
            console.print(f"{line}{detail}{clause}", markup=False)
    counts = ", ".join(f"{len(found.with_standing(standing))} {standing}" for standing in Standing)
    console.print(f"{found.adapter} ({found.client}): {counts}; {found.elapsed:.0f} s", markup=False)


def _text(finding: Finding) -> str:
    if finding.standing is Standing.UNMET:
        return escape(f"{finding.detail}\n{finding.obligation.clause}: {finding.obligation.statement}")
    return escape(finding.detail)


def _document(found: Report, finding: Finding) -> dict[str, object]:
    return {
        "adapter": found.adapter,
        "client": found.client,
        "obligation": finding.obligation.id,
        "clause": finding.obligation.clause,
        "statement": finding.obligation.statement,
        "standing": finding.standing,
        "detail": finding.detail,
        "seconds": round(finding.elapsed, 3),
    }


def _print_list(entries: Sequence[Entry], *, as_json: bool) -> None:
    console = standard_output()
    for entry in entries:
        obligation = entry.obligation
        if as_json:
            document = {"obligation": obligation.id, "clause": obligation.clause, "statement": obligation.statement}
            click.echo(json.dumps(document, separators=(",", ":")))
        else:
            console.print(f"{obligation.id}: {obligation.statement} [{obligation.clause}]", markup=False)
