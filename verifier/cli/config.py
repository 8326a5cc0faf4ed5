"""`verifier config`: what is configured, and where each value comes from."""

import json
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from verifier.cli.configuring import configurable, effective
from verifier.cli.output import standard_output
from verifier.configuration.report import document, entries


@click.group()
def config() -> None:
    """What is configured."""


@config.command()
@configurable
@click.option("--json", "as_json", is_flag=True, help='One JSON object: section → key → {"value", "from"}.')
def show(config: Path | None, as_json: bool, **flags: Any) -> int:
    """Show the effective configuration and where each value comes from; never a secret.

    Exit status: 0 shown, 2 something is configured that cannot be.
    """
    values = effective(config, flags)
    console = standard_output()
    if as_json:
        console.print(json.dumps(document(values), separators=(",", ":")), markup=False)
        return 0
    lines = [(f"{key.section}.{key.name}", _text(value), origin) for key, value, origin in entries(values)]
    if console.is_terminal:
        table = Table("key", "value", "from", box=None)
        for name, text, origin in lines:
            table.add_row(name, text, origin, style="dim" if origin == "default" else "")
        console.print(table)
    else:
        for name, text, origin in lines:
            console.print(f"{name} = {text}  # {origin}", markup=False)
    return 0


def _text(value: Any) -> str:
    return "(not set)" if value is None else json.dumps(value, ensure_ascii=False)
