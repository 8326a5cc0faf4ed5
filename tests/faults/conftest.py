"""The clients, started once for all tests of this folder, and the blocks that trip the mutated ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.clients import FaultyClients
from tests.faults.dragon_blocks import make_dragon_blocks
from tests.faults.tripping_blocks import make_blocks


@pytest.fixture(scope="session")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyClients]:
    """All real adapters, and a mutated geth and EthereumJS."""
    clients = FaultyClients(tmp_path_factory.mktemp("faults"))
    if clients.absent:
        pytest.skip(f"needs every adapter, and these are absent: {clients.absent}")
    with clients as running:
        yield running


@pytest.fixture(scope="session")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The catalogue's blocks and a few more: name → witness file."""
    directory = tmp_path_factory.mktemp("blocks")
    return {**make_blocks(directory / "prague"), **make_dragon_blocks(directory / "dragon")}
