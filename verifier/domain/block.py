"""Which block is meant."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class BlockReference:
    """A block by chain id, number and hash (32 bytes)."""

    chain_id: int
    number: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.number} (0x{self.hash.hex()[:8]}…)"
