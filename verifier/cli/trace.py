"""`verifier trace`: what clients do inside a block, step by step, compared."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import click
from rich.console import Console

from verifier.app import selected_adapters
from verifier.cli.output import progress, standard_output
from verifier.cli.replay import is_available, read_chain_config, until_signalled
from verifier.cli.steps import eip3155_lines, print_block, print_transaction, trace_json
from verifier.domain.divergence import TransactionTrace
from verifier.domain.result import Abstention, Mode, Result
from verifier.errors import UsageError
from verifier.executors.stateless.manifest import Manifest
from verifier.executors.stateless.pool import AdapterPool
from verifier.executors.stateless.remotes import AnyRemote
from verifier.services.sources import InputFailure, find_paths, open_sources, scratch_directory
from verifier.services.tracing import CONTEXT, DEADLINE, TraceOptions, compare_traces, read_trace
from witness.errors import WitnessError
from witness.model import BlockWitness

EXIT_EQUAL, EXIT_DIVERGENCE, EXIT_INPUT_ERROR, EXIT_NOT_COMPARED = 0, 1, 2, 3


@click.command()
@click.argument("paths", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--adapters", "names", help="Adapters to compare, separated by commas; default: all.")
@click.option(
    "--remotes", "remotes_file", type=click.Path(path_type=Path), help="TOML of adapters elsewhere (docs/remote.md)."
)
@click.option("--available", is_flag=True, help="Leave out, with a note, adapters that cannot be started.")
@click.option("--transaction", type=click.IntRange(min=0), help="Only the steps of the transaction of this index.")
@click.option(
    "--steps", "context", type=click.IntRange(0, 1000), default=CONTEXT, show_default=True, help="Steps to show before."
)
@click.option(
    "--deadline", type=click.FloatRange(min=0.001), default=DEADLINE, help="Seconds a block.", show_default=True
)
@click.option("--chain-config", type=click.Path(path_type=Path), help="Geth-genesis JSON to use for every block.")
@click.option("--accept-claims", is_flag=True, help="Trust a file's claimed pre-state root if it has no parent header.")
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    default=Mode.PROOF.value,
    help="What the block is executed on.",
    show_default=True,
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a block.")
@click.option("--jsonl", is_flag=True, help="EIP-3155 lines of one adapter's steps instead of a comparison.")
def trace(
    paths: tuple[Path, ...],
    names: str | None,
    remotes_file: Path | None,
    available: bool,
    transaction: int | None,
    context: int,
    deadline: float,
    chain_config: Path | None,
    accept_claims: bool,
    mode: str,
    as_json: bool,
    jsonl: bool,
) -> int:
    """Have blocks executed by the adapters step by step, all at once, and show the first step in which they differ.

    FILE is what `verifier replay` takes. --jsonl prints EIP-3155 lines, without the fields that adapters do not tell
    (returnData, refund, output).

    Exit status: 0 all blocks equal, 1 a divergence, 2 usage or input error, 3 a block that fewer than two adapters
    could execute (with --jsonl: that the adapter could not).
    """
    manifests, remotes = selected_adapters(names, remotes_file)
    if available:
        manifests = [manifest for manifest in manifests if is_available(manifest)]
    if jsonl and (as_json or len(manifests) + len(remotes) != 1):
        raise UsageError("--jsonl prints the steps of one adapter: name it with --adapters, and leave --json out")
    options = TraceOptions(
        first=transaction or 0,
        count=0 if transaction is None else 1,
        context=context,
        deadline=deadline,
        chain_config=read_chain_config(chain_config) if chain_config else b"",
        accept_claims=accept_claims,
        mode=Mode(mode),
    )
    files = find_paths(paths)
    return asyncio.run(until_signalled(_trace(files, manifests, remotes, options, as_json=as_json, jsonl=jsonl)))


async def _trace(
    files: Sequence[Path],
    manifests: Sequence[Manifest],
    remotes: Sequence[AnyRemote],
    options: TraceOptions,
    *,
    as_json: bool,
    jsonl: bool,
) -> int:
    messages = Console(stderr=True, highlight=False, soft_wrap=True)
    seen = set[int]()
    with scratch_directory() as scratch, progress(messages) as bar:
        task = bar.add_task("starting adapters", total=None)
        async with AdapterPool(manifests, remotes) as pool:
            await pool.wait_ready()
            bar.update(task, description="tracing", total=len(files))
            for source in open_sources(files, scratch, options.chain_config or None):
                try:
                    if isinstance(source, InputFailure):
                        messages.print(f"verifier: {source.reason}", markup=False)
                        seen.add(EXIT_INPUT_ERROR)
                    elif jsonl:
                        seen.add(await _print_lines(pool, source.path, source.content, options, messages))
                    else:
                        seen.add(await _print_comparison(pool, source.path, source.content, options, as_json=as_json))
                except WitnessError as error:
                    messages.print(f"verifier: {error}", markup=False)
                    seen.add(EXIT_INPUT_ERROR)
                if not isinstance(source, InputFailure) and source.temporary:
                    source.path.unlink(missing_ok=True)
                bar.advance(task)
    return next((status for status in (EXIT_DIVERGENCE, EXIT_INPUT_ERROR, EXIT_NOT_COMPARED) if status in seen), 0)


async def _print_comparison(
    pool: AdapterPool, path: Path, content: BlockWitness, options: TraceOptions, *, as_json: bool
) -> int:
    console = standard_output()
    transactions: list[TransactionTrace] = []
    status = EXIT_NOT_COMPARED
    async with aclosing(compare_traces(pool.tracers, path, content, options)) as comparison:
        async for each in comparison:
            if isinstance(each, TransactionTrace):
                if as_json:
                    transactions.append(each)
                else:
                    print_transaction(console, content.number, each)
            else:
                status = {True: EXIT_EQUAL, False: EXIT_DIVERGENCE, None: EXIT_NOT_COMPARED}[each.equal]
                if as_json:
                    click.echo(trace_json(each, transactions))
                else:
                    print_block(console, each)
    return status


async def _print_lines(
    pool: AdapterPool, path: Path, content: BlockWitness, options: TraceOptions, messages: Console
) -> int:
    status = EXIT_EQUAL
    async with aclosing(read_trace(pool.tracers[0], path, content, options)) as items:
        async for each in items:
            if not isinstance(each, Result):
                lines = eip3155_lines(each)
                if lines:
                    click.echo("\n".join(lines))
            elif isinstance(each.outcome, Abstention):
                reason = f"{each.outcome.reason}: {each.outcome.detail}"
                messages.print(f"verifier: {each.adapter} on block {content.number}: {reason}", markup=False)
                status = EXIT_NOT_COMPARED
    return status
