"""`verifier adapters`: what adapters there are, building, checking, and running them for others to use."""

import asyncio
import json
import signal
from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table

from verifier.app import configured_adapters
from verifier.cli.check import check
from verifier.cli.golden import golden
from verifier.cli.output import standard_output
from verifier.cli.release import release
from verifier.errors import AdapterBuildError, AdapterUnavailableError
from verifier.executors.stateless.build import build as build_adapter
from verifier.executors.stateless.containment import enforced
from verifier.executors.stateless.inspection import Inspection, inspect
from verifier.executors.stateless.manifest import Manifest
from verifier.executors.stateless.pool import AdapterPool, SupervisedAdapter

EXIT_NOT_ALL = 1
COLOURS = {"ready": "green", "crashed": "bold red"}


@click.group()
def adapters() -> None:
    """The adapters: small processes, each around one execution client."""


adapters.add_command(check)
adapters.add_command(golden)
adapters.add_command(release)


@adapters.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object an adapter.")
def list_adapters(as_json: bool) -> int:
    """Show every adapter with version, lineage, forks and state."""
    inspections = asyncio.run(_inspect_all(configured_adapters()))
    console = standard_output()
    if as_json:
        for each in inspections:
            click.echo(json.dumps(_document(each), separators=(",", ":")))
    elif console.is_terminal:
        table = Table("adapter", "client", "lineage", "forks", "state", box=None)
        for each in inspections:
            state = f"[{COLOURS.get(each.state, 'yellow')}]{each.state}[/] {each.reason}".strip()
            table.add_row(each.manifest.name, _client(each), each.manifest.lineage, _forks(each), state)
        console.print(table)
    else:
        for each in inspections:
            state = f"{each.state}: {each.reason}" if each.reason else each.state
            facts = f"lineage={each.manifest.lineage} forks={_forks(each)} state={state}"
            console.print(f"{each.manifest.name} {_client(each)} {facts}", markup=False)
    if not as_json:
        limits = "; ".join(f"{name}: {how}" for name, how in enforced().items())
        console.print(f"contained: {limits}", markup=False)
    return 0


@adapters.command("build")
@click.argument("names", nargs=-1)
@click.option("--available", is_flag=True, help="Leave out, with a note, what has no toolchain here.")
def build_adapters(names: tuple[str, ...], available: bool) -> int:
    """Build adapters by their own build systems; those that are current are left alone."""
    status = 0
    for manifest in configured_adapters(names):
        try:
            built = build_adapter(manifest)
        except AdapterUnavailableError as error:
            click.echo(f"unavailable: {error}", err=True)
            status = status if available else EXIT_NOT_ALL
        except AdapterBuildError as error:
            click.echo(f"failed: {error}", err=True)
            status = EXIT_NOT_ALL
        else:
            click.echo(f"{manifest.name}: {'built' if built else 'current'}")
    return status


@adapters.command("start")
@click.argument("names", nargs=-1)
def start_adapters(names: tuple[str, ...]) -> int:
    """Start adapters and keep them running until interrupted; prints each one's socket and every change of state."""
    return asyncio.run(_serve(configured_adapters(names)))


async def _serve(manifests: Sequence[Manifest]) -> int:
    console = standard_output()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AdapterPool(manifests) as pool:
        for manifest in manifests:
            unavailable = manifest.unavailable_because()
            if unavailable:
                console.print(f"{manifest.name} {': '.join(unavailable)}", markup=False)
        watching = [asyncio.create_task(_watch(console, adapter)) for adapter in pool.supervised]
        await stop.wait()
        for task in watching:
            task.cancel()
    return 0


async def _watch(console: Console, adapter: SupervisedAdapter) -> None:
    while True:
        process = adapter.process
        reason = f" {process.reason}" if process.reason else ""
        console.print(
            f"{adapter.name} {process.state} pid={process.pid} address=unix:{adapter.socket}{reason}", markup=False
        )
        await process.wait_change()


async def _inspect_all(manifests: Sequence[Manifest]) -> list[Inspection]:
    return list(await asyncio.gather(*(inspect(manifest) for manifest in manifests)))


def _client(each: Inspection) -> str:
    return f"{each.description.client_name} {each.description.client_version}" if each.description else "-"


def _forks(each: Inspection) -> str:
    forks = each.description.forks if each.description else each.manifest.forks
    return f"{forks[0]}…{forks[-1]}" if forks else "-"


def _document(each: Inspection) -> dict[str, object]:
    known = each.description
    return {
        "name": each.manifest.name,
        "lineage": each.manifest.lineage,
        "description": each.manifest.description,
        "client": known.client_name if known else None,
        "version": known.client_version if known else None,
        "adapter_version": known.adapter_version if known else None,
        "forks": list(known.forks if known else each.manifest.forks),
        "unchecked_rules": list(known.unchecked_rules) if known else [],
        "max_concurrent_requests": known.max_concurrent_requests if known else None,
        "state": each.state,
        "reason": each.reason or None,
    }
