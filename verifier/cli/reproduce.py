"""`verifier dispute reproduce`: the transaction of a dispute as a state test that other tools take."""

import asyncio
from pathlib import Path

import click

from verifier.app import selected_adapters
from verifier.cli.output import standard_output
from verifier.cli.replay import until_signalled
from verifier.domain.vote import VoteKind
from verifier.errors import InputError, UsageError
from verifier.executors.stateless.pool import AdapterPool
from verifier.services.dispute_report import report_of_bundle
from verifier.services.dispute_sections import sides_of
from verifier.services.evidence import Evidence, read_bundle
from verifier.services.reproduction import reproduce as make


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--adapter", "name", help="Whose computation is expected; default: one that found the block valid.")
@click.option("--transaction", type=click.IntRange(min=0), help="Its index; default: the one that the bundle names.")
@click.option(
    "--remotes", "remotes_file", type=click.Path(path_type=Path), help="TOML of adapters elsewhere (docs/remote.md)."
)
def reproduce(bundle: Path, file: Path, name: str | None, transaction: int | None, remotes_file: Path | None) -> int:
    """Write the one transaction in which clients part as a GeneralStateTest: state, environment, what is expected.

    `evm statetest FILE` of go-ethereum takes it, and the runners of other clients do.

    Exit status: 0 written, 2 the bundle cannot be used, or no state test can be made of this block.
    """
    evidence = read_bundle(bundle)
    index = _index(evidence, transaction)
    return asyncio.run(until_signalled(_reproduce(evidence, index, name or _right(bundle), remotes_file, file)))


async def _reproduce(evidence: Evidence, index: int, name: str, remotes_file: Path | None, file: Path) -> int:
    manifests, remotes = selected_adapters(name, remotes_file)
    async with AdapterPool(manifests, remotes) as pool:
        await pool.wait_ready()
        made = await make(pool.executors[0], pool.tracers[0], evidence.request, index)
    _write(file, made.encoded())
    console = standard_output()
    console.print(f"{file}: {made.name}, as {name} computes it", markup=False)
    for note in made.notes:
        console.print(f"  note: {note}", markup=False)
    return 0


def _write(file: Path, content: bytes) -> None:
    try:
        file.write_bytes(content)
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from None


def _index(evidence: Evidence, transaction: int | None) -> int:
    if transaction is not None:
        return transaction
    localization = evidence.localization
    if localization is None or localization.transaction is None:
        raise UsageError("the bundle does not say which transaction it is: name it with --transaction")
    return localization.transaction


def _right(bundle: Path) -> str:
    for side in sides_of(report_of_bundle(bundle)):
        if side.kind is VoteKind.VALID and side.adapters:
            return side.adapters[0]
    raise UsageError("nobody found the block valid: name whose computation is expected with --adapter")
