"""State tests made of the sample chain's transactions, run by go-ethereum's own `evm statetest`."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.installation import require_evm
from tests.verifier.services.test_derivation import recorded
from verifier.app import configured_adapters
from verifier.domain.block import BlockReference
from verifier.domain.dispute import Dispute
from verifier.executors.stateless.base import ExecutionRequest
from verifier.executors.stateless.manifest import Manifest
from verifier.executors.stateless.pool import AdapterPool
from verifier.services.evidence import Evidence, Versions, write_bundle
from verifier.services.reproduction import Reproduction, reproduce
from verifier.services.reproduction.transaction import block_transactions
from witness.file import check_binding, parent_state_root, write_witness_file

BLOCKS = (1, 3, 9, 11, 13, 14, 20, 23, 24, 29, 32, 35)  # every fork, and what is particular (fixtures/chain/README.md)


def require_adapter() -> Manifest:
    """The geth adapter; skips where it is not built."""
    (manifest,) = configured_adapters(["geth"])
    if manifest.unavailable_because():
        pytest.skip("the geth adapter is not built")
    return manifest


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Reproduction]:
    """A state test of every transaction, what geth computes being expected."""
    require_evm()
    return asyncio.run(_make(require_adapter(), tmp_path_factory.mktemp("witnesses")))


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


def test_the_command_makes_one_out_of_a_bundle(tmp_path: Path) -> None:
    """By itself, as somebody does who has nothing but a bundle, this program and geth."""
    evm, _ = require_evm(), require_adapter()
    content = recorded(20)
    header = check_binding(content)
    root = parent_state_root(content, header)
    assert root is not None
    witness = write_witness_file(content, tmp_path, sync=False)
    dispute = Dispute("20-test", BlockReference(content.chain_id, 20, header.hash), 1.0, 2.0, "a test")
    request = ExecutionRequest(witness, header.hash, root, 60.0)
    bundle = tmp_path / write_bundle(tmp_path, Evidence(dispute, request, (), Versions("0")))
    file = tmp_path / "test.json"
    command = [sys.executable, "-m", "verifier.cli.main", "dispute", "reproduce", bundle, file]
    options = ["--adapter", "geth", "--transaction", "1"]
    made = subprocess.run([*map(str, command), *options], capture_output=True, text=True, timeout=120, check=True)
    assert made.stdout == f"{file}: block_20_transaction_1, as geth computes it\n"
    ran = subprocess.run([evm, "statetest", file], capture_output=True, text=True, timeout=120, check=True)
    assert [each["pass"] for each in json.loads(ran.stdout)] == [True]
