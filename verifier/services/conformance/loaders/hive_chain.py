"""A chain as hive and execution-apis keep it: `genesis.json` and `chain.rlp` in one directory, every block valid."""

from pathlib import Path

from verifier.domain.conformance import CaseName

from ..case import Case, CaseBlock
from .blockchain_test import block_hash
from .genesis import load_genesis
from .networks import newest_network
from .rlp_chain import load_blocks

GENESIS, CHAIN = "genesis.json", "chain.rlp"
KIND = "hive_chain"


def is_hive_chain(directory: Path) -> bool:
    """Whether a directory holds both files."""
    return (directory / GENESIS).is_file() and (directory / CHAIN).is_file()


def load_hive_chain(directory: Path, path: str) -> Case:
    """The chain as one test. path: the directory's, below the suite's root. Raises FixtureError."""
    genesis = load_genesis(directory / GENESIS)
    blocks = tuple(CaseBlock(encoded) for encoded in load_blocks(directory / CHAIN))
    last = block_hash(blocks[-1].encoded) if blocks else None
    return Case(CaseName(path, CHAIN, newest_network(genesis.config), KIND), blocks, genesis, last)
