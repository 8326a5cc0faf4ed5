"""The seam to what is kept, with the fake that tests use."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from verifier.domain.quorum import Decision
from verifier.domain.status import TrackedBlock
from verifier.domain.vote import Vote


class Ledger(Protocol):
    """Keeps blocks and votes. A call that returns has stored: it survives a crash of this process.

    Raises LedgerError (verifier.ledger.errors): the disk is full, the file is damaged, of another chain, or in use.
    """

    def blocks(self) -> Iterable[TrackedBlock]:
        """Every block that is kept, in no order; read once, at the start."""

    def put(self, *blocks: TrackedBlock) -> None:
        """Stores the blocks' new statuses, all of them or none."""

    def record(self, block_hash: bytes, decision: Decision, votes: Sequence[Vote], at: float) -> None:
        """Stores the votes on a block and what they amount to. at: seconds since the epoch. Later ones are added.

        Of one block only some of the last ones need be kept.
        """

    def remove(self, block_hashes: Iterable[bytes]) -> None:
        """Forgets blocks that finality has left behind, with their votes."""


@dataclass
class FakeLedger:
    """A ledger in memory. `fail_with`: raised by every call that stores, while it is set."""

    stored: dict[bytes, TrackedBlock] = field(default_factory=dict)
    votes: dict[bytes, list[tuple[Decision, tuple[Vote, ...], float]]] = field(default_factory=dict)
    fail_with: Exception | None = None

    def blocks(self) -> Iterable[TrackedBlock]:
        """As Ledger.blocks."""
        return tuple(self.stored.values())

    def put(self, *blocks: TrackedBlock) -> None:
        """As Ledger.put."""
        self._fail()
        self.stored |= {each.block.hash: each for each in blocks}

    def record(self, block_hash: bytes, decision: Decision, votes: Sequence[Vote], at: float) -> None:
        """As Ledger.record."""
        self._fail()
        self.votes.setdefault(block_hash, []).append((decision, tuple(votes), at))

    def remove(self, block_hashes: Iterable[bytes]) -> None:
        """As Ledger.remove."""
        self._fail()
        for each in block_hashes:
            self.stored.pop(each, None)
            self.votes.pop(each, None)

    def _fail(self) -> None:
        if self.fail_with is not None:
            raise self.fail_with
