"""The ledger in one SQLite file: one writer, any number of readers.

What is stored survives the end of this process at once (WAL). A power failure may take back the last changes that
*let* something out (SQLite `synchronous = NORMAL`): those blocks are then judged again. Changes that close something
(DISPUTED, INVALID), anchors, a person's word, disputes, quarantines and rollbacks are forced to the disk before the
call returns (`FULL`), with everything before them: a block can never be verified again after a power failure that was
disputed before it, nor an adapter count again that was in quarantine.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from verifier.domain.dispute import Dispute
from verifier.domain.quorum import Decision
from verifier.domain.rollback import Rollback
from verifier.domain.statement import Statement
from verifier.domain.status import BlockStatus, TrackedBlock
from verifier.domain.vote import Vote

from . import dispute_tables as tables
from .column import storable
from .dispute_ledger import Quarantine, Release
from .schema import (
    BLOCKS,
    DECISIONS,
    DROP_OLD_DECISIONS,
    KEPT_DECISIONS,
    PUT_BLOCK,
    PUT_DECISION,
    block_row,
    decision_row,
    read_block,
    read_decision,
)
from .sqlite_file import LedgerFile, read_identity

__all__ = ["SqliteLedger", "read_identity"]

T = TypeVar("T")
WITH_DISPUTES = 2  # the version that brought their tables
CLOSING = (BlockStatus.DISPUTED, BlockStatus.INVALID)


class SqliteLedger(LedgerFile):
    """See `base.Ledger` and `dispute_ledger`; made as `LedgerFile` says. All methods raise LedgerError."""

    def blocks(self) -> Iterable[TrackedBlock]:
        """As Ledger.blocks."""
        return tuple(self._read(BLOCKS, (), lambda row: read_block(self._chain_id, row)))

    def put(self, *blocks: TrackedBlock) -> None:
        """As Ledger.put."""
        rows = [block_row(each) for each in blocks]
        self._write(
            lambda: self._connection.executemany(PUT_BLOCK, rows),
            sync=any(each.status in CLOSING or each.anchor for each in blocks),
        )

    def record(self, block_hash: bytes, decision: Decision, votes: Sequence[Vote], at: float) -> None:
        """As Ledger.record."""
        row = decision_row(block_hash, decision, votes, at)

        def change() -> None:
            self._connection.execute(PUT_DECISION, row)
            self._connection.execute(DROP_OLD_DECISIONS, {"block": block_hash, "kept": KEPT_DECISIONS})

        self._write(change)

    def remove(self, block_hashes: Iterable[bytes]) -> None:
        """As Ledger.remove. A person's words stay, and so does what was said of the blocks, and disputes over them."""
        hashes = [(each,) for each in block_hashes]

        def change() -> None:
            self._connection.executemany("DELETE FROM decisions WHERE block_hash = ?", hashes)
            self._connection.executemany("DELETE FROM blocks WHERE hash = ?", hashes)

        self._write(change)

    def decisions(self, block_hash: bytes) -> list[tuple[Decision, tuple[Vote, ...], float]]:
        """What was recorded of a block, in that order: decision, votes, seconds since the epoch."""
        return self._read(DECISIONS, (block_hash,), read_decision)

    def add_word(self, block_hash: bytes, text: str, at: float) -> None:
        """Keeps what a person said of a block, and when (seconds since the epoch). Never removed."""
        self._write(
            lambda: self._connection.execute("INSERT INTO words VALUES (?, ?, ?)", (at, block_hash, storable(text))),
            sync=True,
        )

    def words(self) -> list[tuple[float, bytes, str]]:
        """Everything that a person said: seconds since the epoch, block hash, text; in that order."""
        query = "SELECT at, block_hash, text FROM words ORDER BY rowid"
        return self._guarded(lambda: self._connection.execute(query).fetchall())

    def statements(self, block_hash: bytes) -> Sequence[Statement]:
        """As StatementLedger.statements."""
        return self._of_disputes(
            tables.STATEMENTS, (block_hash,), lambda row: tables.read_statement(self._chain_id, row)
        )

    def state(self, *statements: Statement) -> None:
        """As StatementLedger.state."""
        rows = [tables.statement_row(each) for each in statements]
        self._write(lambda: self._connection.executemany(tables.PUT_STATEMENT, rows))

    def expire(self, before: float) -> None:
        """As StatementLedger.expire."""
        self._write(lambda: self._connection.execute(tables.EXPIRE_STATEMENTS, (before,)))

    def disputes(self) -> Sequence[Dispute]:
        """As DisputeLedger.disputes."""
        return self._of_disputes(tables.DISPUTES, (), lambda row: tables.read_dispute(self._chain_id, row))

    def put_dispute(self, dispute: Dispute) -> None:
        """As DisputeLedger.put_dispute."""
        row = tables.dispute_row(dispute)
        self._write(lambda: self._connection.execute(tables.PUT_DISPUTE, row), sync=True)

    def quarantines(self) -> Sequence[Quarantine]:
        """As DisputeLedger.quarantines."""
        return self._of_disputes(tables.QUARANTINES, (), tables.read_quarantine)

    def quarantine(self, quarantine: Quarantine) -> None:
        """As DisputeLedger.quarantine."""
        row = tables.quarantine_row(quarantine)
        self._write(lambda: self._connection.execute(tables.PUT_QUARANTINE, row), sync=True)

    def release(self, adapter: str, why: str, at: float) -> bool:
        """As DisputeLedger.release."""
        released = False

        def change() -> None:
            nonlocal released
            row = (at, storable(why), storable(adapter))
            released = self._connection.execute(tables.RELEASE, row).rowcount > 0

        self._write(change, sync=True)
        return released

    def releases(self) -> Sequence[Release]:
        """As DisputeLedger.releases."""
        return self._of_disputes(tables.RELEASES, (), tables.read_release)

    def put_rollback(self, rollback: Rollback) -> None:
        """As DisputeLedger.put_rollback."""
        row = tables.rollback_row(rollback)
        self._write(lambda: self._connection.execute(tables.PUT_ROLLBACK, row), sync=True)

    def rollbacks(self) -> Sequence[Rollback]:
        """As DisputeLedger.rollbacks."""
        return self._of_disputes(tables.ROLLBACKS, (), lambda row: tables.read_rollback(self._chain_id, row))

    def _of_disputes(self, query: str, arguments: Sequence[Any], read: Callable[[Sequence[Any]], T]) -> list[T]:
        """As `_read`; nothing in a file of an older version, which only a reader leaves as it is."""
        return self._read(query, arguments, read) if self._version >= WITH_DISPUTES else []

    def _read(self, query: str, arguments: Sequence[Any], read: Callable[[Sequence[Any]], T]) -> list[T]:
        rows = self._guarded(lambda: self._connection.execute(query, arguments).fetchall())
        return self._guarded(lambda: [read(row) for row in rows])
