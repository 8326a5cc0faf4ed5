"""The embedded executor as it is configured: whether there is one, whether it counts, and what refuses to start."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.services.builders import header_rlp
from verifier.app import bundled_chain
from verifier.app.embedded import make_follower, start_follower
from verifier.app.execution import block_source
from verifier.app.identity import ChainIdentity
from verifier.app.voters import find_voters
from verifier.configuration.reading import EffectiveConfiguration, read_configuration
from verifier.errors import ConfigurationError
from verifier.executors.stateful.embedded.initial_state import genesis_hash
from verifier.executors.stateful.embedded_source import EmbeddedSource
from verifier.executors.stateful.errors import ForeignDatabaseError
from verifier.executors.stateful.follower import DEPTH
from verifier.services.conformance.loaders.genesis import load_genesis
from witness.header import decode_header
from witness.model import Header

GENESIS = bundled_chain() / "genesis.json"
CONFIG = b'{"chainId":7330001}'


def configured(folder: Path, **flags: str) -> EffectiveConfiguration:
    given = {
        "execution_jwt_secret_file": str(folder / "execution.jwt"),
        "engine_jwt_secret_file": str(folder / "consensus.jwt"),
        "execution_lineage": "geth",
        "adapters_live": "eels",
        "adapters_late": "",
        "storage_embedded": str(folder / "embedded"),
        **flags,
    }
    return read_configuration(None, {}, {"--" + name.replace("_", "-"): text for name, text in given.items()})


class Client:
    """Stands in for the execution client: at the block of a number."""

    def __init__(self, number: int) -> None:
        self._number = number

    async def header_at(self, tag: str) -> Header:
        assert tag == "latest"
        return decode_header(header_rlp(self._number, bytes(32)))


@pytest.mark.parametrize(
    ("witness", "genesis", "there", "counts"),
    [
        ("embedded", True, True, True),
        ("auto", True, True, False),
        ("auto", False, False, False),
        ("debug", True, False, False),
        ("engine", True, False, False),
    ],
)
def test_where_it_is_used_and_where_it_counts(
    tmp_path: Path, witness: str, genesis: bool, there: bool, counts: bool
) -> None:
    flags = {"execution_witness": witness, "execution_rpc_url": "http://127.0.0.1:1"}
    effective = configured(tmp_path, **flags, **({"chain_genesis": str(GENESIS)} if genesis else {}))
    client: Any = Client(0)

    async def scenario() -> None:
        follower = make_follower(effective.values, client, CONFIG)
        assert (follower is not None) is there
        source = block_source(effective.values.execution, client, CONFIG, follower)
        assert isinstance(source, EmbeddedSource) is there
        if follower is not None:
            await follower.close()
        assert not (tmp_path / "embedded").exists()

    asyncio.run(scenario())
    voters = find_voters(effective)
    assert voters.embedded is counts
    assert voters.policy.lineages == {"geth", "eels"} | ({"pyevm"} if counts else set())


def test_an_adapter_of_its_lineage_and_it_are_one_of_m(tmp_path: Path) -> None:
    flags = {"execution_witness": "embedded", "chain_genesis": str(GENESIS), "adapters_live": "eels,pyevm"}
    policy = find_voters(configured(tmp_path, **flags)).policy
    assert (len(policy.lineages), policy.required) == (3, 2)
    with pytest.raises(ConfigurationError, match="is the embedded executor's name"):
        find_voters(configured(tmp_path, **flags, execution_name="embedded"))


def start(effective: EffectiveConfiguration, number: int, block_zero: bytes) -> None:
    async def scenario() -> None:
        client: Any = Client(number)
        follower = make_follower(effective.values, client, CONFIG)
        assert follower is not None
        try:
            await start_follower(effective, follower, client, ChainIdentity(7330001, block_zero, CONFIG))
        finally:
            await follower.close()

    asyncio.run(scenario())


def test_what_cannot_be_followed_is_refused_at_the_start(tmp_path: Path) -> None:
    effective = configured(tmp_path, execution_witness="embedded", chain_genesis=str(GENESIS))
    block_zero = genesis_hash(load_genesis(GENESIS))
    start(effective, DEPTH, block_zero)
    with pytest.raises(ConfigurationError, match=f"is at block 0 and cannot reach block {DEPTH + 1}"):
        start(effective, DEPTH + 1, block_zero)
    with pytest.raises(ConfigurationError, match=f"the execution client's 0x{'01' * 32}"):
        start(effective, 1, b"\x01" * 32)
    other = json.loads(GENESIS.read_text())
    other["extraData"] = "0x01"
    (tmp_path / "genesis.json").write_text(json.dumps(other))
    with pytest.raises(ForeignDatabaseError):
        start(configured(tmp_path, execution_witness="embedded", chain_genesis=str(tmp_path / "genesis.json")), 1, b"")
