"""The bundled blocks, recorded once, and examinations of adapters that break the contract."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from adapters.pyevm.description import SUPPORTED_FORKS
from tests.verifier.services.contract.broken_adapter import CLAIMED_FORK
from verifier.app import bundled_chain
from verifier.executors.stateless.manifest import Manifest
from verifier.services.contract import listening
from verifier.services.contract.bundle import Bundle, record_bundle
from verifier.services.contract.catalogue import select
from verifier.services.contract.examination import examine, report
from verifier.services.contract.obligation import Report
from verifier.services.contract.subject import started

REPOSITORY = Path(__file__).parents[4]
SAMPLE_TIME = 0.7  # seconds; what the broken adapters break shows in the first few cases
RECOVERY_TIME = 20.0  # seconds; an unbroken worker starts in 3 on an idle machine
HOPELESS_TIME = 4.0  # seconds to wait for what the broken adapter will not do


class Examine(Protocol):
    """Examines an adapter that the kit starts, for some obligations. hopeless: it keeps none of them."""

    def __call__(self, manifest: Manifest, groups: Sequence[str], *, hopeless: bool) -> Report: ...


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The bundled chain's blocks."""
    return record_bundle(bundled_chain(), tmp_path_factory.mktemp("bundle"))


def broken_manifest(mode: str, workers: int) -> Manifest:
    """The manifest of the broken adapter in one of its modes."""
    manifest = Manifest(
        name=mode,
        lineage="pyevm",
        description="broken on purpose",
        forks=SUPPORTED_FORKS,
        folder=Path(__file__).parent,
        start_command=(
            "{python}",
            "-m",
            "tests.verifier.services.contract.broken_adapter",
            mode,
            "--workers",
            str(workers),
        ),
    )
    return replace(manifest, forks=(*SUPPORTED_FORKS, CLAIMED_FORK)) if mode == "claims-a-fork" else manifest


@pytest.fixture
def examined(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Examine:
    """The kit against adapters that it starts."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))

    def run(manifest: Manifest, groups: Sequence[str], *, hopeless: bool) -> Report:
        if hopeless:
            monkeypatch.setattr(listening, "ARGUMENTS_TIMEOUT", HOPELESS_TIME)

        async def examination() -> Report:
            async with started(manifest, bundle, tmp_path) as subject:
                subject.sample_time = SAMPLE_TIME
                subject.recovery_time = HOPELESS_TIME if hopeless else RECOVERY_TIME
                findings = [finding async for finding in examine(subject, select(groups))]
                return report(subject, findings)

        return asyncio.run(examination())

    return run
