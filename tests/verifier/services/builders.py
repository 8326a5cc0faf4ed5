"""Small witness files, well formed but of made-up blocks: enough wherever no client executes them."""

from pathlib import Path

import rlp

from verifier.domain.result import Computed
from witness.file import write_witness_file
from witness.header import decode_header, keccak256
from witness.model import BlockWitness, Header, Witness

EMPTY_UNCLES_HASH = keccak256(rlp.encode([]))
CONFIG = b'{"chainId":1337,"londonBlock":0,"terminalTotalDifficulty":0}'


def header_rlp(number: int, parent_hash: bytes, state_root: bytes = b"\x05" * 32, extra_data: bytes = b"") -> bytes:
    """A Paris header."""
    encoded: bytes = rlp.encode(
        [
            parent_hash,
            EMPTY_UNCLES_HASH,
            bytes(20),
            state_root,
            b"\x06" * 32,
            b"\x07" * 32,
            bytes(256),
            0,
            number,
            30_000_000,
            21_000,
            1_700_000_000 + number,
            extra_data,
            bytes(32),
            bytes(8),
            7,
        ]
    )
    return encoded


def block_witness(number: int, parent: bytes, extra_data: bytes = b"", **fields: object) -> tuple[BlockWitness, bytes]:
    """A block on top of the header whose RLP is `parent`; returns it and its own header's RLP."""
    encoded = header_rlp(number, keccak256(parent), extra_data=extra_data)
    block = rlp.encode([rlp.decode(encoded), [], []])
    content: dict[str, object] = {
        "chain_id": 1337,
        "number": number,
        "hash": keccak256(encoded),
        "block": block,
        "witness": Witness([b"node"], [], [parent]),
        "chain_config": CONFIG,
        **fields,
    }
    return BlockWitness(**content), encoded  # type: ignore[arg-type]


def write_chain(directory: Path, length: int) -> list[Header]:
    """Witness files of a chain of `length` blocks; returns their headers."""
    parent, headers = header_rlp(0, bytes(32)), []
    for number in range(1, length + 1):
        content, parent = block_witness(number, parent)
        write_witness_file(content, directory, sync=False)
        headers.append(decode_header(parent))
    return headers


def computed_for(header: Header) -> Computed:
    """What a client computes that agrees with a header of these blocks."""
    return Computed(
        header.state_root, header.receipts_root, header.logs_bloom, header.gas_used, header.transactions_root
    )
