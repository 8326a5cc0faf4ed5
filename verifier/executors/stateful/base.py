"""The seam to the stateful executor: import a block, roll back, tell the head."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from verifier.domain.block import BlockReference
from verifier.domain.result import Computed
from witness.model import BlockWitness


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What became of one block.

    Exactly one of `results` (valid) and `invalid` (the broken rule, one line) is set, except for a block that the
    chain has already: there `known` is true and nothing was executed or published.
    witness: the published content; path: where it was published, None where the sink keeps no files.
    requests: the execution requests of a valid block, as the Engine API lists them (EIP-7685).
    rules: that an invalid block breaks, in the words of the adapters' contract, in the order in which they were found
    broken; fields: of its header, where their values are not the computed ones.
    """

    block: BlockReference
    fork: str
    results: Computed | None = None
    invalid: str | None = None
    known: bool = False
    witness: BlockWitness | None = None
    path: Path | None = None
    requests: tuple[bytes, ...] = ()
    rules: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()


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
