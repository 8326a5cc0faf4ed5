"""`verifier replay`: judges recorded or imported blocks."""

import asyncio
import json
import signal
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from rich.console import Console

from verifier.app import selected_adapters
from verifier.cli.output import print_report, progress, report_json, standard_output
from verifier.cli.rerun import replay_bundle
from verifier.domain.quorum import QuorumPolicyError, Verdict, quorum_policy
from verifier.domain.result import Mode
from verifier.errors import InputError, UsageError
from verifier.executors.stateless.manifest import Manifest
from verifier.executors.stateless.pool import AdapterPool
from verifier.executors.stateless.remotes import AnyRemote, voting_lineages
from verifier.services.evidence import is_bundle
from verifier.services.replay import DEADLINE, WINDOW, ReplayOptions
from verifier.services.replay import replay as replay_sources
from verifier.services.sources import InputFailure, find_paths, open_sources, scratch_directory
from witness.chain_config import parse_chain_config
from witness.errors import WitnessError
from witness.json_document import load_json

# Options that judge blocks, and have no meaning for an evidence bundle.
OF_BLOCKS = ("quorum", "reject", "window", "chain_config", "trusted_roots", "accept_claims", "mode")
EXIT_ALL_ATTEST, EXIT_REJECT, EXIT_INPUT_ERROR, EXIT_HOLD = 0, 1, 2, 3


@click.command()
@click.argument("paths", metavar="PATH…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--adapters", "names", help="Adapters to ask, separated by commas; default: all.")
@click.option(
    "--remotes", "remotes_file", type=click.Path(path_type=Path), help="TOML of adapters elsewhere (docs/remote.md)."
)
@click.option("--available", is_flag=True, help="Leave out, with a note, adapters that cannot be started: m shrinks.")
@click.option("--quorum", type=click.IntRange(min=1), help="n: lineages that must agree; default: more than half.")
@click.option("--reject", type=click.IntRange(min=1), help="INVALID lineages that reject; default: m - n + 1.")
@click.option(
    "--deadline", type=click.FloatRange(min=0.001), default=DEADLINE, help="Seconds a block.", show_default=True
)
@click.option(
    "--window", type=click.IntRange(1, 256), default=WINDOW, help="Blocks under way at once.", show_default=True
)
@click.option("--chain-config", type=click.Path(path_type=Path), help="Geth-genesis JSON to use for every block.")
@click.option("--trusted-roots", type=click.Path(path_type=Path), help='JSON {"block hash": "pre-state root"}.')
@click.option("--accept-claims", is_flag=True, help="Trust a file's claimed pre-state root if it has no parent header.")
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    default=Mode.PROOF.value,
    help="proof: recompute every root. prestate: take values as they are given, compare what changed.",
    show_default=True,
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a block.")
def replay(
    paths: tuple[Path, ...],
    names: str | None,
    remotes_file: Path | None,
    available: bool,
    quorum: int | None,
    reject: int | None,
    deadline: float,
    window: int,
    chain_config: Path | None,
    trusted_roots: Path | None,
    accept_claims: bool,
    mode: str,
    as_json: bool,
) -> int:
    """Have blocks executed by the adapters from their witnesses, and decide n of m.

    PATH is a witness file, a directory of them, or a document that `verifier witness import` reads.

    Exit status: 0 all ATTEST, 1 any REJECT, 2 usage or input error, 3 any HOLD.

    PATH may also be one evidence bundle of a dispute. Its block is then executed by the adapters named in it (or in
    --adapters), in its mode and from its trusted root: does each compute what it computed then?

    Exit status: 0 each does, 1 one does not, 2 usage or input error, 3 none differs, but not all could be asked.
    """
    if any(is_bundle(path) for path in paths):
        refuse_with_bundle(paths)
        work = replay_bundle(paths[0], names, remotes_file, deadline, as_json=as_json)
        return asyncio.run(until_signalled(work))
    manifests, remotes = selected_adapters(names, remotes_file)
    if available:
        manifests = [manifest for manifest in manifests if is_available(manifest)]
    try:
        policy = quorum_policy(voting_lineages(manifests, remotes), quorum, reject)
    except QuorumPolicyError as error:
        raise UsageError(str(error)) from None
    config = read_chain_config(chain_config) if chain_config else b""
    roots = read_trusted_roots(trusted_roots) if trusted_roots else {}
    options = ReplayOptions(policy, deadline, window, roots, config, accept_claims, Mode(mode))
    files = find_paths(paths)
    return asyncio.run(until_signalled(_replay(files, manifests, remotes, options, as_json=as_json)))


def refuse_with_bundle(paths: Sequence[Path]) -> None:
    """Raises UsageError for what does not go with a bundle, which says itself how its block is executed."""
    if len(paths) > 1:
        raise UsageError("an evidence bundle is replayed by itself: name nothing else beside it")
    context = click.get_current_context()
    for name in OF_BLOCKS:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"--{name.replace('_', '-')} does not go with an evidence bundle, which says it itself")


async def until_signalled(work: Coroutine[Any, Any, int]) -> int:
    """The work's exit status; at SIGINT or SIGTERM its adapters are stopped first, and it is 128 + the signal's number.

    Handlers of our own, as a shell that starts us in the background has SIGINT ignored.
    """
    task, received = asyncio.ensure_future(work), list[signal.Signals]()

    def end(number: signal.Signals) -> None:
        received.append(number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not received:
            raise
        click.echo(f"verifier: ended by {received[0].name}", err=True)
        return 128 + received[0]


async def _replay(
    files: Sequence[Path],
    manifests: Sequence[Manifest],
    remotes: Sequence[AnyRemote],
    options: ReplayOptions,
    *,
    as_json: bool,
) -> int:
    console, messages = standard_output(), Console(stderr=True, highlight=False, soft_wrap=True)
    counts = dict.fromkeys(Verdict, 0)
    failures = disagreements = 0
    with scratch_directory() as scratch, progress(messages) as bar:
        task = bar.add_task("starting adapters", total=None)
        async with AdapterPool(manifests, remotes) as pool:
            await pool.wait_ready()
            bar.update(task, description="judging", total=len(files))
            sources = open_sources(files, scratch, options.chain_config or None)
            async for report in replay_sources(pool.executors, sources, options):
                bar.advance(task)
                if isinstance(report, InputFailure):
                    failures += 1
                    messages.print(f"verifier: {report.reason}", markup=False)
                    continue
                counts[report.decision.verdict] += 1
                disagreements += report.decision.disagreement
                if as_json:
                    click.echo(report_json(report))
                else:
                    print_report(console, report)
    if not as_json:
        policy = options.policy
        console.print(
            f"{sum(counts.values())} blocks: {', '.join(f'{count} {verdict}' for verdict, count in counts.items())}, "
            f"{disagreements} disagreements, {failures} unreadable; "
            f"quorum {policy.required} of {len(policy.lineages)} lineages, {policy.rejecting} reject"
        )
    if counts[Verdict.REJECT]:
        return EXIT_REJECT
    if failures:
        return EXIT_INPUT_ERROR
    return EXIT_HOLD if counts[Verdict.HOLD] else EXIT_ALL_ATTEST


def is_available(manifest: Manifest) -> bool:
    """Whether it can be started; says on standard error why not."""
    reason = manifest.unavailable_because()
    if reason is not None:
        click.echo(f"left out: {manifest.name}: {': '.join(reason)}", err=True)
    return reason is None


def read_chain_config(path: Path) -> bytes:
    """The chain config in a file: geth-genesis `config` JSON, or a whole genesis. Raises InputError."""
    try:
        encoded = path.read_bytes()
        document = parse_chain_config_of_genesis(encoded)
        parse_chain_config(document)
    except (OSError, WitnessError) as error:
        raise InputError(f"{path}: {error}") from None
    return document


def parse_chain_config_of_genesis(encoded: bytes) -> bytes:
    """The `config` object if `encoded` is a genesis with one, else `encoded` itself."""
    try:
        document = load_json(encoded)
    except ValueError:
        return encoded
    config = document.get("config") if isinstance(document, dict) else None
    return json.dumps(config).encode() if isinstance(config, dict) else encoded


def read_trusted_roots(path: Path) -> dict[bytes, bytes]:
    """Block hash → trusted pre-state root, both 32 bytes, from JSON with hex strings. Raises InputError."""
    try:
        document = load_json(path.read_bytes())
        roots = {_hash(key): _hash(value) for key, value in document.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: {error}") from None
    return roots


def _hash(text: str) -> bytes:
    value = bytes.fromhex(text.removeprefix("0x"))
    if len(value) != 32:
        raise ValueError(f"{text} is not a hash of 32 bytes")
    return value
