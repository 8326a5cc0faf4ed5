"""State tests made of the sample chain's transactions, run by go-ethereum's own `evm statetest`."""

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from tests.peers.installation import require_evm
from tests.verifier.services.test_derivation import recorded
from verifier.app import configured_adapters
from verifier.executors.stateless.base import ExecutionRequest
from verifier.executors.stateless.manifest import Manifest
from verifier.executors.stateless.pool import AdapterPool
from verifier.services.reproduction import Reproduction, reproduce
from verifier.services.reproduction.transaction import block_transactions
from witness.file import check_binding, parent_state_root, write_witness_file

BLOCKS = (1, 3, 9, 11, 13, 14, 20, 23, 24, 29, 32, 35)  # every fork, and what is particular (fixtures/chain/README.md)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Reproduction]:
    """A state test of every transaction, what geth computes being expected."""
    require_evm()
    (manifest,) = configured_adapters(["geth"])
    if manifest.unavailable_because():
        pytest.skip("the geth adapter is not built")
    return asyncio.run(_make(manifest, tmp_path_factory.mktemp("witnesses")))


async def _make(manifest: Manifest, directory: Path) -> list[Reproduction]:
    made = []
    async with AdapterPool([manifest]) as pool:
        await pool.wait_ready()
        for number in BLOCKS:
            content = recorded(number)
            path = write_witness_file(content, directory, sync=False)
            root = parent_state_root(content, check_binding(content))
            assert root is not None
            request = ExecutionRequest(path, content.hash, root, 60.0)
            for index in range(len(block_transactions(bytes(content.block)))):
                made.append(await reproduce(pool.executors[0], pool.tracers[0], request, index, directory))
    return made


def test_evm_accepts_every_one_and_computes_what_is_expected(made: list[Reproduction], tmp_path: Path) -> None:
    for each in made:
        (tmp_path / f"{each.name}.json").write_bytes(each.encoded())
    ended = subprocess.run(
        [require_evm(), "statetest", tmp_path], capture_output=True, text=True, timeout=120, check=True
    )
    results = {each["name"]: each for each in json.loads(ended.stdout)}
    assert results.keys() == {each.name for each in made}
    failed = {each.name for each in made if not results[each.name]["pass"]}
    noted = {each.name for each in made if each.notes}
    assert failed <= noted, {name: results[name] for name in failed - noted}
    assert len(made) - len(noted) > len(made) / 2
    # Contracts without their code may not matter; whatever else is noted does.
    assert noted - failed <= {each.name for each in made if any("is without its code" in note for note in each.notes)}
