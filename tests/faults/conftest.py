"""The clients, started once for all tests of this folder, and the blocks that trip the mutated ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.catalogue import CATALOGUE
from tests.faults.clients import FaultyClients
from tests.faults.tripping_blocks import Transactions, deposit, make_blocks


@pytest.fixture(scope="session")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyClients]:
    """All real adapters, and a mutated geth and EthereumJS."""
    with FaultyClients(tmp_path_factory.mktemp("faults")) as running:
        yield running


@pytest.fixture(scope="session")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> dict[Transactions, Path]:
    """The catalogue's blocks, and one with a deposit: paths of their witness files."""
    return make_blocks([*(bug.block for bug in CATALOGUE), deposit], tmp_path_factory.mktemp("blocks"))
