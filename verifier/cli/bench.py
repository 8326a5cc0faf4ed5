"""`verifier bench`: what a verdict costs on this machine, against the clients' own times."""

import asyncio
import json
import shlex
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from tempfile import mkdtemp
from typing import TypeVar

import click

from verifier.app import configured_adapters
from verifier.beacon.latency import attestation_gate_times
from verifier.cli.output import standard_output
from verifier.configuration.sections import AdaptersSection
from verifier.domain.gate import GateMode
from verifier.engine.latency import gate_times
from verifier.errors import InputError, VerifierError
from verifier.executors.stateless.manifest import Manifest
from verifier.load.repeated_block import RepeatedBlock, largest_payload
from verifier.load.run import CLIENTS, PAYLOADS, LoadFigures, load_figures
from verifier.services.benchmark.adapters import adapter_times
from verifier.services.benchmark.conformance import RUN, STEPS, suite_times
from verifier.services.benchmark.localization import localization_times
from verifier.services.benchmark.measurement import machine_load
from verifier.services.benchmark.orchestration import orchestration_times
from verifier.services.benchmark.publishing import publish_times
from verifier.services.benchmark.resources import resources
from verifier.services.benchmark.throughput import throughput
from verifier.services.derivation import with_sections
from verifier.services.sources import Source, find_paths, open_sources, scratch_directory
from witness.file import map_witness_file, write_witness_file

T = TypeVar("T")
RUNS = 20
PARTS = (
    "publish",
    "adapters",
    "resources",
    "orchestration",
    "throughput",
    "localization",
    "gates",
    "load",
    "conformance",
)


def _commands(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Client → command. Raises BadParameter."""
    commands = {}
    for value in values:
        name, _equals, command = value.partition("=")
        try:
            commands[name] = tuple(shlex.split(command))
        except ValueError as error:
            raise click.BadParameter(f"{value}: {error}") from None
        if not (name and commands[name]):
            raise click.BadParameter(f"{value}: not NAME=COMMAND")
    return commands


@click.command()
@click.argument("paths", metavar="[PATH…]", nargs=-1, type=click.Path(path_type=Path))
@click.option("--adapters", "names", help="Adapters to measure, separated by commas; default: all.")
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, help="Measure only this; repeatable.")
@click.option("--runs", type=click.IntRange(min=1), default=RUNS, show_default=True, help="Counted runs a figure.")
@click.option("--payloads", type=click.IntRange(min=10), default=PAYLOADS, show_default=True, help="Of the load.")
@click.option(
    "--clients", type=click.IntRange(min=1), default=CLIENTS, show_default=True, help="Validator clients of it."
)
@click.option(
    "--suite",
    "suites",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    help="Directory of BlockchainTests, for the part conformance; repeatable.",
)
@click.option(
    "--own-runner",
    "own_runners",
    metavar="NAME=COMMAND",
    multiple=True,
    callback=_commands,
    help="A client's own runner, which takes a directory of tests behind its other arguments; repeatable.",
)
@click.option(
    "--tests",
    "steps",
    type=click.IntRange(min=1),
    multiple=True,
    default=STEPS,
    show_default=True,
    help="Of the suites, before all of them; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a figure.")
def bench(
    paths: tuple[Path, ...],
    names: str | None,
    parts: tuple[str, ...],
    runs: int,
    payloads: int,
    clients: int,
    suites: tuple[Path, ...],
    own_runners: dict[str, tuple[str, ...]],
    steps: tuple[int, ...],
    as_json: bool,
) -> int:
    """Measure adapters, publishing, orchestration, replay throughput and localization on the given blocks, and
    conformance runs on the given suites.

    What an adapter takes until it is ready, its memory, and several requests at once are measured on the last block;
    the sidecar under load on the largest that can be a payload.
    Medians over the counted runs, in milliseconds. Needs an otherwise idle machine; its load is printed first and last.
    """
    manifests = [
        manifest
        for manifest in configured_adapters([name.strip() for name in names.split(",")] if names else ())
        if manifest.unavailable_because() is None
    ]
    unknown = set(own_runners) - {manifest.name for manifest in manifests}
    if unknown:
        raise InputError(f"no adapter to measure beside the own runner of {', '.join(sorted(unknown))}")
    console = standard_output()

    def show(figure: dict[str, object]) -> None:
        console.print(json.dumps(figure) if as_json else _line(figure), markup=False)

    of_blocks = [part for part in parts or PARTS if part != "conformance"]
    if suites and (not parts or "conformance" in parts):
        for figure in _suite_figures(suites, [each.name for each in manifests], own_runners, steps):
            show(figure)
        if not (paths and of_blocks):
            return 0
    if not of_blocks:
        raise InputError("nothing to measure: conformance runs need a --suite")
    with scratch_directory() as scratch:
        files = [
            _with_sections(source, scratch)
            for source in open_sources(find_paths(paths), scratch)
            if isinstance(source, Source) and source.content.witness.headers
        ]
        if not files or not manifests:
            raise InputError("nothing to measure: no complete block, or no adapter that can be started")
        for figure in _figures(manifests, files, runs, of_blocks, scratch, (payloads, clients)):
            show(figure)
    return 0


def _suite_figures(
    suites: Sequence[Path], names: Sequence[str], own_runners: dict[str, tuple[str, ...]], steps: Sequence[int]
) -> Iterator[dict[str, object]]:
    yield {"kind": "machine", "load": machine_load()}
    own: dict[tuple[str, int], float] = {}
    for times in suite_times(suites, names, own_runners, steps):
        figure = {"kind": "suite", **asdict(times), "rate": times.rate}
        if times.runner in own_runners:
            own[times.runner, times.tests] = times.rate
        for name in times.clients if times.runner == RUN else ():
            if (name, times.tests) in own:
                figure[f"of {name}'s own"] = times.rate / own[name, times.tests]
        yield figure
    yield {"kind": "machine", "load": machine_load()}


def _with_sections(source: Source, scratch: Path) -> Path:
    """A file of the same block with what prestate mode needs; as it is where that is there, or cannot be derived."""
    if source.content.prestate is not None:
        return source.path
    try:
        content, _ = with_sections(source.content)
    except VerifierError:
        return source.path
    return write_witness_file(content, Path(mkdtemp(dir=scratch)), sync=False)


def _figures(
    manifests: Sequence[Manifest],
    files: Sequence[Path],
    runs: int,
    parts: Sequence[str],
    scratch: Path,
    load: tuple[int, int],
) -> Iterator[dict[str, object]]:
    yield {"kind": "machine", "load": machine_load(), "runs": runs, "blocks": len(files)}
    for path in files if "publish" in parts else ():
        writing = publish_times(path, runs)
        yield {"kind": "publish", **asdict(writing), "ratio": writing.publish / writing.plain}
    for manifest in manifests if "adapters" in parts else ():
        for times in asyncio.run(_collected(adapter_times(manifest, files, runs))):
            if times.own is not None and times.adapter_ms is not None:
                yield {"kind": "adapter", **asdict(times), "ratio": times.adapter_ms / times.own}
            elif times.failure is not None:
                yield {"kind": "failure", "adapter": manifest.name, "reason": times.failure}
    for manifest in manifests if "resources" in parts else ():
        yield {"kind": "resources", **asdict(asyncio.run(resources(manifest, files[-1], runs)))}
    if "orchestration" in parts:
        overheads = []
        for each in asyncio.run(orchestration_times(manifests, files, runs)):
            overheads.append(each.overhead)
            yield {"kind": "orchestration", **asdict(each), "ratio": each.overhead / each.slowest_counted}
        if overheads:
            yield {"kind": "orchestration", "blocks": len(overheads), "median_overhead": median(overheads)}
    if "throughput" in parts:
        total = asyncio.run(throughput(manifests, files))
        yield {"kind": "throughput", **asdict(total), "ratio": total.ratio}
    for path in files if "localization" in parts else ():
        bare = Path(mkdtemp(dir=scratch))
        for found in asyncio.run(_collected(localization_times(manifests, path, bare, runs))):
            yield {"kind": "localization", **asdict(found)}
    for way in asyncio.run(gate_times(files, runs)) if "gates" in parts else ():
        yield {"kind": "engine_gate", **asdict(way)}
    for votes in asyncio.run(attestation_gate_times(runs)) if "gates" in parts else ():
        yield {"kind": "attestation_gate", **asdict(votes)}
    repeated = largest_payload(map(map_witness_file, files)) if "load" in parts else None
    for gate in (GateMode.EVERY_BLOCK, GateMode.MONITOR):
        if repeated is None:
            break
        figures = _loaded(manifests, repeated, Path(mkdtemp(dir=scratch)), gate, *load)
        yield {"kind": "load", **asdict(figures)}
    yield {"kind": "machine", "load": machine_load(), "runs": runs, "blocks": len(files)}


def _loaded(
    manifests: Sequence[Manifest], block: RepeatedBlock, directory: Path, gate: GateMode, payloads: int, clients: int
) -> LoadFigures:
    """The sidecar with those of the adapters that are live by default, else with all of them."""
    names = [manifest.name for manifest in manifests]
    live = [name for name in AdaptersSection().live if name in names] or names
    return asyncio.run(load_figures(block, directory, live, gate, payloads=payloads, clients=clients))


async def _collected(items: AsyncIterator[T]) -> list[T]:
    return [item async for item in items]


def _line(figure: dict[str, object]) -> str:
    words = [f"{figure['kind']:<14}"]
    words += [f"{key}={_value(value)}" for key, value in figure.items() if key != "kind"]
    return " ".join(words)


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, dict):
        return ",".join(f"{key}:{_value(each)}" for key, each in value.items())
    return str(value)
