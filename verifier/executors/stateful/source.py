"""The seam to whoever has blocks by their hash and can tell what executing one reads, with the fake that tests use."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from witness.header import block_header_rlp, decode_block_header, decode_header
from witness.model import BlockWitness, Header

from .errors import NoWitnessError


@dataclass(frozen=True, slots=True)
class Recorded:
    """What executing a block reads. origin: who recorded it, one word for `WitnessPublished.source`.

    accepted: the execution client itself did, and executes the block as valid. Another's record says nothing of that.
    """

    content: BlockWitness
    origin: str
    accepted: bool


class BlockSource(Protocol):
    """Whoever has the blocks behind the gates, and can tell what they read. All raise ExecutionClientError."""

    async def header(self, block_hash: bytes) -> Header | None:
        """The header with this hash (32 bytes), None if it does not have it. Its hash is checked."""

    async def block(self, block_hash: bytes) -> bytes | None:
        """RLP of the block with this hash, None if it does not have it. Its hash binds all of it, body too."""

    async def witness(self, block: bytes) -> Recorded:
        """What executing this block (RLP) reads. Raises NoWitnessError."""


@dataclass
class FakeSource:
    """A source that has the blocks in `contents`, by hash. `absent`: hashes of those whose witness it does not give.

    accepted: as Recorded.
    """

    contents: dict[bytes, BlockWitness] = field(default_factory=dict)
    absent: set[bytes] = field(default_factory=set)
    asked: list[bytes] = field(default_factory=list)
    fail: Callable[[], None] = lambda: None
    accepted: bool = True

    async def header(self, block_hash: bytes) -> Header | None:
        """As BlockSource.header; the headers in the witnesses count too."""
        self.fail()
        for content in self.contents.values():
            for encoded in (block_header_rlp(content.block), *content.witness.headers):
                header = decode_header(encoded)
                if header.hash == block_hash:
                    return header
        return None

    async def block(self, block_hash: bytes) -> bytes | None:
        """As BlockSource.block."""
        self.fail()
        content = self.contents.get(block_hash)
        return None if content is None else bytes(content.block)

    async def witness(self, block: bytes) -> Recorded:
        """As BlockSource.witness."""
        self.fail()
        header = decode_block_header(block)
        self.asked.append(header.hash)
        if header.hash in self.absent or header.hash not in self.contents:
            raise NoWitnessError(f"no witness of block {header.number}")
        return Recorded(self.contents[header.hash], "fake", self.accepted)
