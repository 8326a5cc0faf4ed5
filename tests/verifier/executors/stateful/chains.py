"""What several tests here need: the sample chain, execution from a witness alone, and where real data is."""

from functools import cache
from pathlib import Path

import pytest

from verifier.executors.stateful.embedded.execution import BlockRun, Execution
from verifier.executors.stateful.genesis import Genesis
from verifier.services.conformance.loaders.genesis import load_genesis
from verifier.services.conformance.loaders.rlp_chain import load_blocks
from witness.chain_config import parse_chain_config
from witness.header import decode_block_header, keccak256
from witness.model import BlockWitness

ROOT = Path(__file__).parents[4]
SAMPLE = ROOT / "fixtures" / "chain"
DATA = ROOT.parent / "shared" / "data"


@cache
def sample_genesis() -> Genesis:
    return load_genesis(SAMPLE / "genesis.json")


@cache
def sample_blocks() -> tuple[bytes, ...]:
    """The blocks of the sample chain; number n is at index n - 1."""
    return tuple(load_blocks(SAMPLE / "chain.rlp"))


def real_data(folder: str) -> Path:
    """A folder of real data; skips the test where it is absent."""
    path = DATA / folder
    if not path.is_dir():
        pytest.skip(f"real data is absent: ../shared/data/{folder}")
    return path


class WitnessReader:
    """Stands in for a database snapshot that holds nothing but a witness."""

    def __init__(self, content: BlockWitness, without: bytes = b"") -> None:
        witness = content.witness
        self._state = {keccak256(item): bytes(item) for item in (*witness.state, *witness.codes)}
        self._headers = {keccak256(item): bytes(item) for item in witness.headers}
        self._state.pop(without, None)

    def get(self, table: str, key: bytes) -> bytes | None:
        return {"headers": self._headers, "state": self._state}.get(table, {}).get(key)

    def state(self, hash_: bytes) -> bytes | None:
        return self._state.get(hash_)


def reexecute(content: BlockWitness, fork: str, without: bytes = b"") -> Execution:
    """The block executed by py-evm on its witness alone, one entry of it left out if `without` names its hash."""
    header = decode_block_header(content.block)
    reader = WitnessReader(content, without)
    config = parse_chain_config(content.chain_config)
    return BlockRun(config, fork, bytes(content.block), header.parent_hash, reader).execute()  # type: ignore[arg-type]
