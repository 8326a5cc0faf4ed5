"""`verifier adapters release`: an adapter out of quarantine, by an operator's word."""

import time
from pathlib import Path

import click

from verifier.cli.ledger import config_option, ledger_option, open_ledger
from verifier.cli.output import standard_output
from verifier.services.operator_word import release as release_adapter


@click.command()
@config_option
@ledger_option
@click.argument("name")
@click.option("--why", required=True, help="Kept for ever.")
def release(config: Path | None, path: Path | None, name: str, why: str) -> int:
    """Let NAME out of quarantine: its votes count again from the sidecar's next start on.

    For a stopped sidecar: after the adapter was repaired, or it was shown to be right. Why it was there is in the log,
    and in `verifier dispute show`.
    """
    with open_ledger(config, path, read_only=False) as opened:
        held = release_adapter(opened, name, why, time.time())
    standard_output().print(
        f"{name} is out of quarantine from the next start on; it was there for: {held.why}", markup=False
    )
    return 0
