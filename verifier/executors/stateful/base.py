"""The seam to the stateful executor: import a block, roll back, tell the head."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from witness.model import BlockWitness


@dataclass(frozen=True, slots=True)
class BlockReference:
    """A block by number and hash (32 bytes)."""

    number: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.number} 0x{self.hash.hex()}"


@dataclass(frozen=True, slots=True)
class ComputedReceipt:
    """What one transaction left. logs_hash: keccak-256 of the RLP list of `[address, topics, data]`.

    succeeded: EIP-658 status from Byzantium on; before it None, and post_state is the 32-byte state root.
    cumulative_gas_used: gas of the block up to and including this transaction.
    """

    succeeded: bool | None
    post_state: bytes | None
    cumulative_gas_used: int
    logs_hash: bytes


@dataclass(frozen=True, slots=True)
class ComputedResults:
    """What the executor computed for a valid block. Roots and hashes 32 bytes, bloom 256, gas in gas units.

    None where the fork lacks the field.
    """

    state_root: bytes
    receipts_root: bytes
    logs_bloom: bytes
    gas_used: int
    transactions_root: bytes
    blob_gas_used: int | None
    withdrawals_root: bytes | None
    requests_hash: bytes | None
    receipts: tuple[ComputedReceipt, ...]


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What became of one block.

    Exactly one of `results` (valid) and `invalid` (the broken rule, one line) is set, except for a block that the
    chain has already: there `known` is true and nothing was executed or published.
    witness: the published content; path: where it was published, None where the sink keeps no files.
    """

    block: BlockReference
    fork: str
    results: ComputedResults | None = None
    invalid: str | None = None
    known: bool = False
    witness: BlockWitness | None = None
    path: Path | None = None


class WitnessSink(Protocol):
    """Where witnesses are published. `witness.store.WitnessStore` is one."""

    def publish(self, content: BlockWitness) -> Path | None:
        """Makes the witness available, completely or not at all, replacing an earlier one of the same block."""


class StatefulExecutor(Protocol):
    """Executes blocks with full state and records their witnesses."""

    def import_block(self, encoded: bytes) -> ImportOutcome:
        """Executes the block whose RLP is `encoded` on its parent and publishes its witness.

        A valid block that is higher than the head becomes the head; an invalid one changes nothing in the chain.
        Raises UndecodableBlockError, UnknownBlockError (its parent), RollbackDepthError (its parent is too deep),
        UnsupportedForkError, ExecutorError; after any of them the chain is as before.
        """

    def rollback(self, to: bytes) -> BlockReference:
        """Makes the block with hash `to` the head again. Raises UnknownBlockError, RollbackDepthError."""

    def head(self) -> BlockReference:
        """The block on which the chain's current state stands."""
