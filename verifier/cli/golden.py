"""`verifier adapters golden`: what each client answered, kept beside its adapter; written, or compared with today's."""

import asyncio

import click

from verifier.app import bundled_chain, configured_adapters
from verifier.cli.replay import until_signalled
from verifier.errors import AdapterUnavailableError
from verifier.executors.stateless.manifest import Manifest
from verifier.services.contract.bundle import record_bundle
from verifier.services.contract.golden import golden_differences, kept_lines, record_golden, write_golden
from verifier.services.contract.subject import started
from verifier.services.sources import scratch_directory

EXIT_EQUAL, EXIT_DIFFERENT = 0, 1


@click.command()
@click.argument("names", nargs=-1)
@click.option("--check", is_flag=True, help="Compare with what is kept, and write nothing.")
def golden(names: tuple[str, ...], check: bool) -> int:
    """Ask adapters about blocks of the bundled chain, and keep what they answer in their folders, golden/answers.jsonl.

    A change of a client's version shows there what it changed; the comparison is tested on these files where no client
    is installed.

    Exit status: 0 written, or equal; 1 different.
    """
    return asyncio.run(until_signalled(_golden(configured_adapters(names), check=check)))


async def _golden(manifests: list[Manifest], *, check: bool) -> int:
    status = EXIT_EQUAL
    with scratch_directory() as scratch:
        bundle = record_bundle(bundled_chain(), scratch / "blocks")
        for manifest in manifests:
            unavailable = manifest.unavailable_because()
            if unavailable is not None:
                raise AdapterUnavailableError(f"{manifest.name}: {': '.join(unavailable)}")
            async with started(manifest, bundle, scratch) as subject:
                lines = await record_golden(subject)
            if not check:
                write_golden(manifest, lines)
                click.echo(f"{manifest.name}: {len(lines)} answers written")
                continue
            different = golden_differences(kept_lines(manifest), lines)
            click.echo(f"{manifest.name}: {len(lines)} answers, {len(different)} different")
            for name in different:
                click.echo(f"  {name}")
                status = EXIT_DIFFERENT
    return status
