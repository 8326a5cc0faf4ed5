"""The golden outputs beside each adapter are what it answers today."""

from pathlib import Path

import pytest

from tests.end_to_end.running import RunningAdapters
from verifier.app import bundled_chain
from verifier.services.contract.bundle import Bundle, record_bundle
from verifier.services.contract.connection import Address
from verifier.services.contract.golden import golden_differences, kept_lines, record_golden
from verifier.services.contract.subject import connected


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The bundled chain, recorded."""
    return record_bundle(bundled_chain(), tmp_path_factory.mktemp("bundle"))


@pytest.mark.parametrize("name", ["eels", "ethereumjs", "ethrex", "geth", "pyevm", "revm"])
def test_golden_outputs_are_current(adapters: RunningAdapters, bundle: Bundle, tmp_path: Path, name: str) -> None:
    if name not in adapters.names:
        pytest.skip(f"{name} is not available: {adapters.absent[name]}")

    async def ask() -> list[str]:
        async with connected(Address(path=adapters.sockets()[name]), bundle, tmp_path) as subject:
            return await record_golden(subject)

    (manifest,) = (each for each in adapters.manifests if each.name == name)
    lines = adapters.run(ask())
    # A difference that is wanted: `verifier adapters golden` writes the files anew.
    assert golden_differences(kept_lines(manifest), lines) == []
