"""One real block as often as wanted: each time with another `extraData`, which no execution depends on."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from witness.errors import WitnessFormatError
from witness.formats.engine_payload import engine_parameters
from witness.header import FIELDS, block_header_rlp, keccak256
from witness.model import BlockWitness
from witness.rlp_encoding import encode_list, encode_string
from witness.rlp_item import list_items

EXTRA_DATA = [name for name, _ in FIELDS].index("extra_data")
EXTRA_DATA_LENGTH = 32  # bytes: the most that a header may have (yellow paper, 4.4.4)
MARK = b"load "


@dataclass(frozen=True, slots=True)
class Repetition:
    """One of the blocks. request: the newPayload call as JSON-RPC; hash: 32 bytes; block: RLP."""

    request: bytes
    hash: bytes
    block: bytes


@dataclass
class RepeatedBlock:
    """The blocks are siblings, all valid on the same parent. Raises WitnessFormatError for a block of which the file
    does not hold all that newPayload takes: before Paris, or with requests.
    """

    content: BlockWitness
    version: int = 0
    _parameters: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.version, self._parameters = engine_parameters(self.content.block)

    @property
    def parent(self) -> bytes:
        """RLP of the parent's header."""
        return bytes(self.content.witness.headers[-1])

    def repetition(self, number: int) -> Repetition:
        """The block for this number: another for another."""
        extra = MARK + number.to_bytes(EXTRA_DATA_LENGTH - len(MARK), "big")
        block = bytes(self.content.block)
        header = bytes(block_header_rlp(block))
        fields = [header[at:stop] for _, at, _, stop in list_items(header)]
        fields[EXTRA_DATA] = encode_string(extra)
        changed = encode_list(b"".join(fields))
        body = b"".join(block[at:stop] for _, at, _, stop in list_items(block)[1:])
        hash_ = keccak256(changed)
        payload = {**self._parameters[0], "extraData": f"0x{extra.hex()}", "blockHash": f"0x{hash_.hex()}"}
        method = f"engine_newPayloadV{self.version}"
        call = {"jsonrpc": "2.0", "id": number, "method": method, "params": [payload, *self._parameters[1:]]}
        return Repetition(json.dumps(call).encode(), hash_, encode_list(changed + body))


def largest_payload(contents: Iterable[BlockWitness]) -> RepeatedBlock | None:
    """Of the blocks that can be repeated the one with most bytes, None if there is none."""
    found = []
    for content in contents:
        try:
            found.append(RepeatedBlock(content))
        except WitnessFormatError:
            continue
    return max(found, key=lambda each: len(each.content.block), default=None)
