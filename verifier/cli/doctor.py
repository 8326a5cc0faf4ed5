"""`verifier doctor`: whether everything is there that the sidecar needs, and what to do where it is not."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from verifier.cli.configuring import configurable, effective
from verifier.cli.output import standard_output
from verifier.configuration.reading import EffectiveConfiguration
from verifier.doctor.examination import examine
from verifier.doctor.finding import Finding, Level

EXIT_STATUS = {Level.OK: 0, Level.WARN: 1, Level.FAIL: 2}
COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}


@click.command()
@configurable
@click.option(
    "--validator-beacon-nodes",
    metavar="URL,…",
    help="What the validator client was started with as its beacon nodes: it cannot be seen from here.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a finding.")
def doctor(config: Path | None, validator_beacon_nodes: str | None, as_json: bool, **flags: Any) -> int:
    """Examine what the sidecar needs: secrets, both clients, ports, clocks, storage, adapters, quorum.

    Changes nothing, and may be run beside a running sidecar. One line a finding, with what to do.

    Exit status: 0 all ok, 1 warnings, 2 failures, or something is configured that cannot be.
    """
    nodes = [each.strip() for each in (validator_beacon_nodes or "").split(",") if each.strip()]
    return asyncio.run(_examine(effective(config, flags), nodes, standard_output(), as_json=as_json))


async def _examine(
    configuration: EffectiveConfiguration, nodes: Sequence[str], console: Console, *, as_json: bool
) -> int:
    worst = 0
    async for finding in examine(configuration, nodes):
        worst = max(worst, EXIT_STATUS[finding.level])
        if as_json:
            console.print(json.dumps(asdict(finding), separators=(",", ":")), markup=False)
        else:
            console.print(_line(finding))
    return worst


def _line(finding: Finding) -> str:
    remedy = f" → {escape(finding.remedy)}" if finding.remedy else ""
    level = f"[{COLOURS[finding.level]}]{finding.level:<4}[/]"
    return f"{level} {escape(finding.subject)}: {escape(finding.text)}{remedy}"
