"""The ledger's tables, and values of the core as their rows and back."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from verifier.domain.block import BlockReference
from verifier.domain.quorum import Decision, Verdict
from verifier.domain.status import BlockStatus, ExecutorStatus, TrackedBlock
from verifier.domain.vote import Difference, Vote, VoteKind

from .column import HASH_LENGTH, fitting, storable
from .dispute_tables import DISPUTE_TABLES
from .errors import LedgerDamagedError

APPLICATION_ID = 0x45564C47  # "EVLG", in the file's header
VERSION = 2  # goes up with every change of a table, and `migrate` with it
KEPT_DIFFERENCES = 20  # of one vote; as many as a vote in prestate mode has at most

# STRICT: a column takes values of its type alone. Decisions and votes go with their block. Those of version 1:
TABLES = """
CREATE TABLE identity (chain_id INTEGER NOT NULL, genesis BLOB NOT NULL) STRICT;
CREATE TABLE blocks (
  hash BLOB PRIMARY KEY, number INTEGER NOT NULL, parent_hash BLOB NOT NULL, state_root BLOB NOT NULL,
  timestamp INTEGER NOT NULL, status TEXT NOT NULL, why TEXT NOT NULL, executor TEXT, anchor INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE decisions (
  id INTEGER PRIMARY KEY, block_hash BLOB NOT NULL, at REAL NOT NULL, verdict TEXT NOT NULL, settled INTEGER NOT NULL,
  disagreement INTEGER NOT NULL, lineages TEXT NOT NULL, votes TEXT NOT NULL
) STRICT;
CREATE INDEX decisions_of_block ON decisions (block_hash);
CREATE TABLE words (at REAL NOT NULL, block_hash BLOB NOT NULL, text TEXT NOT NULL) STRICT;
"""

PUT_BLOCK = """
INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (hash) DO UPDATE SET
  status = excluded.status, why = excluded.why, executor = excluded.executor, anchor = excluded.anchor
"""
BLOCKS = "SELECT hash, number, parent_hash, state_root, timestamp, status, why, executor, anchor FROM blocks"
PUT_DECISION = """
INSERT INTO decisions (block_hash, at, verdict, settled, disagreement, lineages, votes) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
# The oldest go: a held block is judged every few minutes until it is decided, in an outage for days.
KEPT_DECISIONS = 32  # of one block; a judgement has a few
DROP_OLD_DECISIONS = """
DELETE FROM decisions WHERE block_hash = :block AND id <= (
  SELECT id FROM decisions WHERE block_hash = :block ORDER BY id DESC LIMIT 1 OFFSET :kept)
"""
DECISIONS = "SELECT at, verdict, settled, disagreement, lineages, votes FROM decisions WHERE block_hash = ? ORDER BY id"


def identity_row(chain_id: int, genesis: bytes) -> tuple[int, bytes]:
    """Which chain a ledger is of, as the row of `identity`. genesis: 32 bytes, the hash of block 0."""
    return fitting(chain_id), genesis


def block_row(tracked: TrackedBlock) -> tuple[Any, ...]:
    """A block as a row of `blocks`. Numbers that no column holds are stored as the largest that it does."""
    return (
        tracked.block.hash,
        fitting(tracked.block.number),
        tracked.parent_hash,
        tracked.state_root,
        fitting(tracked.timestamp),
        tracked.status.value,
        storable(tracked.why),
        None if tracked.executor is None else tracked.executor.value,
        int(tracked.anchor),
    )


def read_block(chain_id: int, row: Sequence[Any]) -> TrackedBlock:
    """The block in a row of `blocks`. Raises LedgerDamagedError."""
    hash_, number, parent_hash, state_root, timestamp, status, why, executor, anchor = row
    hashes = (hash_, parent_hash, state_root)
    numbers = (number, timestamp, anchor)
    if (
        not all(isinstance(each, bytes) and len(each) == HASH_LENGTH for each in hashes)
        or not all(isinstance(each, int) and each >= 0 for each in numbers)
        or not isinstance(why, str)
    ):
        raise LedgerDamagedError(f"a row is not what a block looks like: {row!r:.200}")
    try:
        return TrackedBlock(
            BlockReference(chain_id, number, hash_),
            parent_hash,
            state_root,
            timestamp,
            BlockStatus(status),
            why,
            None if executor is None else ExecutorStatus(executor),
            bool(anchor),
        )
    except ValueError as error:
        raise LedgerDamagedError(f"block 0x{hash_.hex()}: {error}") from None


def decision_row(block_hash: bytes, decision: Decision, votes: Sequence[Vote], at: float) -> tuple[Any, ...]:
    """A decision with its votes as a row of `decisions`."""
    lineages = {name: sorted(getattr(decision, name)) for name in ("valid", "invalid", "abstaining")}
    cast = [
        {
            "adapter": vote.adapter,
            "lineage": vote.lineage,
            "kind": vote.kind.value,
            "reason": vote.reason,
            "elapsed_ms": vote.elapsed_ms,
            "differences": [[each.field, each.header, each.computed] for each in vote.differences[:KEPT_DIFFERENCES]],
        }
        for vote in votes
    ]
    flags = (int(decision.settled), int(decision.disagreement))
    # JSON in ASCII: what adapters say may hold anything, half a surrogate pair too.
    return (block_hash, at, decision.verdict.value, *flags, json.dumps(lineages), json.dumps(cast))


def read_decision(row: Sequence[Any]) -> tuple[Decision, tuple[Vote, ...], float]:
    """Decision, votes and time (seconds since the epoch) out of a row of `decisions`. Raises LedgerDamagedError."""
    at, verdict, settled, disagreement, lineages, votes = row
    try:
        groups = {name: frozenset(each) for name, each in json.loads(lineages).items()}
        decision = Decision(Verdict(verdict), bool(settled), disagreement=bool(disagreement), **groups)
        return decision, tuple(_read_vote(each) for each in json.loads(votes)), at
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise LedgerDamagedError(f"a decision cannot be read: {error}") from None


def _read_vote(document: dict[str, Any]) -> Vote:
    return Vote(
        document["adapter"],
        document["lineage"],
        VoteKind(document["kind"]),
        document["reason"],
        tuple(Difference(*each) for each in document["differences"]),
        document["elapsed_ms"],
    )


def create(connection: sqlite3.Connection, chain_id: int, genesis: bytes) -> None:
    """Makes an empty file a ledger of this chain, in the transaction under way. Raises sqlite3.Error."""
    for statement in (TABLES + DISPUTE_TABLES).split(";"):
        connection.execute(statement)
    connection.execute("INSERT INTO identity VALUES (?, ?)", identity_row(chain_id, genesis))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Makes a ledger of an older version one of this, in the transaction under way. Raises sqlite3.Error."""
    if version < 2:  # what is kept of disputes came with 2
        for statement in DISPUTE_TABLES.split(";"):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")
