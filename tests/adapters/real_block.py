"""Real blocks from beside the checkout, and how to change them; tests that need them are skipped where they are not."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import rlp

from witness.file import parent_state_root
from witness.formats import load
from witness.formats.json_field import parse_json
from witness.header import decode_block_header, keccak256
from witness.model import BlockWitness

DATA = Path(__file__).parents[3] / "shared" / "data"
MAINNET = DATA / "mainnet"
INCOMPLETE = DATA / "incomplete"
NUMBER = 8  # the place of the number in a header

needs_real_data = pytest.mark.skipif(not MAINNET.is_dir(), reason="the real blocks (../shared/data) are not there")


@lru_cache(maxsize=4)
def load_block(path: Path) -> BlockWitness:
    """The one block in an importable file."""
    (content,) = load(path)
    return content


def trusted_root(content: BlockWitness) -> bytes:
    """The pre-state root: the parent header's, or, without one, what the source claims."""
    root = parent_state_root(content, decode_block_header(content.block))
    if root is not None:
        return root
    assert content.claims is not None
    return bytes.fromhex(parse_json(content.claims)["parentStateRoot"].removeprefix("0x"))


def decoded_block(content: BlockWitness) -> list[Any]:
    """The block as nested lists of bytes."""
    return [list(item) for item in rlp.decode(bytes(content.block))]


def rebuilt(content: BlockWitness, block: list[Any]) -> BlockWitness:
    """The same witness with another block, under that block's hash and number."""
    encoded = rlp.encode(block)
    number = int.from_bytes(block[0][NUMBER], "big")
    return replace(content, block=encoded, hash=keccak256(rlp.encode(block[0])), number=number)
