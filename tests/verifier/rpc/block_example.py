"""A block and witness made by hand, small, on a chain of its own; no client executes it, the host only binds it."""

import json
from collections.abc import Sequence
from dataclasses import replace

from verifier.rpc.v1 import executor_pb2 as pb
from witness.file import encode_witness_file
from witness.header import keccak256
from witness.model import BlockWitness, Witness
from witness.rlp_encoding import encode_list, encode_string

CHAIN_ID = 1337
CONFIG = json.dumps({"chainId": CHAIN_ID, "homesteadBlock": 0}).encode()
EMPTY_LIST = b"\xc0"


def quantity(number: int) -> bytes:
    """A big-endian integer without leading zeros."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def header(number: int, parent_hash: bytes, state_root: bytes = b"\x11" * 32, extra: bytes = b"") -> bytes:
    """A header's RLP, Homestead's 15 fields."""
    fields = [
        parent_hash,
        keccak256(EMPTY_LIST),
        bytes(20),
        state_root,
        b"\x22" * 32,
        b"\x33" * 32,
        bytes(256),
        quantity(131_072),
        quantity(number),
        quantity(5_000_000),
        b"",
        quantity(1000 + number),
        extra,
        bytes(32),
        bytes(8),
    ]
    return encode_list(b"".join(encode_string(field) for field in fields))


def chain(length: int) -> list[bytes]:
    """Headers from block 1 on, each the parent of the next."""
    headers: list[bytes] = []
    for number in range(1, length + 1):
        headers.append(header(number, keccak256(headers[-1]) if headers else bytes(32), bytes([number]) * 32))
    return headers


def example(order: str = "answer", *, ancestors: int = 3, tail: bytes = b"") -> BlockWitness:
    """The block after `ancestors` headers; its only code is an order for the fake client."""
    headers = chain(ancestors)
    own = header(ancestors + 1, keccak256(headers[-1]))
    return BlockWitness(
        chain_id=CHAIN_ID,
        number=ancestors + 1,
        hash=keccak256(own),
        block=encode_list(own + EMPTY_LIST + EMPTY_LIST) + tail,
        witness=Witness(state=[b"\x80"], codes=[order.encode()], headers=headers),
        chain_config=CONFIG,
    )


def with_headers(content: BlockWitness, headers: Sequence[bytes]) -> BlockWitness:
    """The same with other headers in the witness."""
    return replace(content, witness=replace(content.witness, headers=list(headers)))


def request(witness: BlockWitness, **changes: object) -> pb.ExecuteRequest:
    """A well-formed request for it."""
    number = len(witness.witness.headers)
    fields: dict[str, object] = {
        "content": encode_witness_file(witness),
        "block_hash": witness.hash,
        "pre_state_root": bytes([number]) * 32,
        "mode": pb.MODE_PROOF,
    }
    if "path" in changes:
        del fields["content"]  # one of the two
    return pb.ExecuteRequest(**{**fields, **changes})  # type: ignore[arg-type]  # named fields
