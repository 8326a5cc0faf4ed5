"""Generated blocks find a bug that a client has, within a few of them, and leave little of what shows it."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.catalogue import Client
from tests.faults.clients import ROOT
from tests.faults.mutated_eels import MUTATION_FILE
from tests.verifier.services.fuzzing.examples import IDENTITY
from verifier.app import configured_adapters
from verifier.app.conformance import recorder_named
from verifier.services.conformance.case import Case
from verifier.services.conformance.known import KnownDifferences
from verifier.services.conformance.suite import load_cases
from verifier.services.conformance.workbench import Workbench, WorkbenchSettings
from verifier.services.fuzzing.bytecode import disassemble
from verifier.services.fuzzing.campaign import Campaign, Limits
from verifier.services.fuzzing.construction import classes_of_word
from verifier.services.fuzzing.findings import SMALLER
from verifier.services.fuzzing.generation import Generator
from verifier.services.fuzzing.material import bundled_material
from verifier.services.fuzzing.state import FINDINGS, State

MOST_BLOCKS = 120
FORKS = ("prague",)
SSTORE = 0x55


@pytest.mark.parametrize("mutation", ["lost_storage_update", "warm_inactive_precompile"])
def test_a_mutated_client_is_found_out(tmp_path: Path, mutation: str) -> None:
    chosen = tmp_path / "mutation"
    chosen.write_text(mutation)
    manifests = []
    for manifest in configured_adapters([Client.GETH, "revm", Client.EELS]):
        if manifest.unavailable_because():
            pytest.skip(f"needs {manifest.name}: {manifest.unavailable_because()}")
        if manifest.name == Client.EELS:
            environment = (f"PYTHONPATH={ROOT}", f"{MUTATION_FILE}={chosen}")
            command = ("env", *environment, "{python}", "-m", "tests.faults.mutated_eels")
            manifest = replace(manifest, start_command=command)
        manifests.append(manifest)
    with State.create(tmp_path / "out", IDENTITY) as state:
        campaign = asyncio.run(
            _campaign(
                WorkbenchSettings(
                    manifests=tuple(manifests),
                    open_recorder=recorder_named("geth"),
                    takes=lambda _: True,
                    of_exception=classes_of_word,
                ),
                state,
            )
        )
    assert campaign.findings.counts
    assert {client for each in campaign.findings.all for client in each.clients} == {Client.EELS}
    smallest = min(campaign.findings.all, key=lambda each: each.sizes[1])
    assert smallest.minimised
    (case,) = load_cases(tmp_path / "out" / FINDINGS / smallest.folder / SMALLER)
    assert isinstance(case, Case)
    assert case.genesis is not None
    codes = [account.code for address, account in case.genesis.accounts.items() if address[:2] == b"\xc0\xde"]
    instructions = [each for code in codes for each in disassemble(code)]
    assert len(instructions) < 30
    if mutation == "lost_storage_update":
        assert any(each.code == SSTORE for each in instructions) or not instructions


async def _campaign(settings: WorkbenchSettings, state: State) -> Campaign:
    """Until the first difference, or the last block."""
    generator = Generator("faults", FORKS, bundled_material())
    async with Workbench(settings) as bench:
        blocks = 0
        while True:
            campaign = Campaign("faults", generator, bench, state, KnownDifferences())
            blocks = min(blocks + 15, MOST_BLOCKS)
            await campaign.run(Limits(blocks=blocks))
            if campaign.findings.counts or blocks == MOST_BLOCKS:
                return campaign
