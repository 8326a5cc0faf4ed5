"""What is kept of disputes: its tables, and statements, disputes, quarantines and rollbacks as their rows and back."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from verifier.domain.block import BlockReference
from verifier.domain.dispute import Conclusion, Dispute
from verifier.domain.result import Mode
from verifier.domain.rollback import Rollback, RollbackStep
from verifier.domain.statement import Statement
from verifier.domain.vote import VoteKind

from .column import HASH_LENGTH, fitting, storable
from .dispute_ledger import Quarantine, Release
from .errors import LedgerDamagedError

T = TypeVar("T")

# None of them goes with its block: finality leaves the block behind, not what was said of it. A dispute has its own
# copy of its statements, so that it is one row, and whole however long it is kept. Its key is the block's hash: a name
# with eight digits of it can be made to fit two blocks. A quarantine that ended stays, as a row that is not in force.
DISPUTE_TABLES = """
CREATE TABLE statements (
  id INTEGER PRIMARY KEY, block_hash BLOB NOT NULL, number INTEGER NOT NULL, adapter TEXT NOT NULL,
  lineage TEXT NOT NULL, mode TEXT NOT NULL, kind TEXT NOT NULL, digest BLOB NOT NULL, summary TEXT NOT NULL,
  at REAL NOT NULL, rule TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX words_of_adapters ON statements (block_hash, adapter, mode, kind, digest);
CREATE INDEX statements_by_time ON statements (at);
CREATE TABLE disputes (
  block_hash BLOB PRIMARY KEY, number INTEGER NOT NULL, id TEXT NOT NULL, opened_at REAL NOT NULL,
  deadline REAL NOT NULL, why TEXT NOT NULL, statements TEXT NOT NULL, silent TEXT NOT NULL, evidence TEXT NOT NULL,
  conclusion TEXT, concluded_at REAL, reason TEXT NOT NULL
) STRICT;
CREATE TABLE quarantines (
  id INTEGER PRIMARY KEY, adapter TEXT NOT NULL, why TEXT NOT NULL, since REAL NOT NULL, dispute TEXT NOT NULL,
  released_at REAL, released_why TEXT
) STRICT;
CREATE UNIQUE INDEX quarantines_in_force ON quarantines (adapter) WHERE released_at IS NULL;
CREATE TABLE rollbacks (
  block_hash BLOB PRIMARY KEY, number INTEGER NOT NULL, dispute TEXT NOT NULL, target_hash BLOB, target_number INTEGER,
  step TEXT NOT NULL, at REAL NOT NULL, moved TEXT NOT NULL, note TEXT NOT NULL
) STRICT
"""

PUT_STATEMENT = """
INSERT INTO statements (block_hash, number, adapter, lineage, mode, kind, digest, summary, at, rule)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (block_hash, adapter, mode, kind, digest) DO NOTHING
"""
STATEMENTS = """
SELECT block_hash, number, adapter, lineage, mode, kind, digest, summary, at, rule FROM statements
WHERE block_hash = ? ORDER BY id
"""
EXPIRE_STATEMENTS = """
DELETE FROM statements WHERE at < ?
AND NOT EXISTS (SELECT 1 FROM disputes WHERE disputes.block_hash = statements.block_hash AND conclusion IS NULL)
"""
PUT_DISPUTE = """
INSERT INTO disputes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (block_hash) DO UPDATE SET
  id = excluded.id, opened_at = excluded.opened_at, deadline = excluded.deadline, why = excluded.why,
  statements = excluded.statements,
  silent = excluded.silent, evidence = excluded.evidence, conclusion = excluded.conclusion,
  concluded_at = excluded.concluded_at, reason = excluded.reason
"""
DISPUTES = """
SELECT block_hash, number, id, opened_at, deadline, why, statements, silent, evidence, conclusion, concluded_at, reason
FROM disputes ORDER BY opened_at, rowid
"""
PUT_QUARANTINE = """
INSERT INTO quarantines (adapter, why, since, dispute) VALUES (?, ?, ?, ?)
ON CONFLICT (adapter) WHERE released_at IS NULL DO NOTHING
"""
QUARANTINES = "SELECT adapter, why, since, dispute FROM quarantines WHERE released_at IS NULL ORDER BY id"
RELEASE = "UPDATE quarantines SET released_at = ?, released_why = ? WHERE adapter = ? AND released_at IS NULL"
RELEASES = """
SELECT adapter, why, since, dispute, released_at, released_why FROM quarantines
WHERE released_at IS NOT NULL ORDER BY released_at, id
"""
PUT_ROLLBACK = """
INSERT INTO rollbacks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (block_hash) DO UPDATE SET
  dispute = excluded.dispute, target_hash = excluded.target_hash, target_number = excluded.target_number,
  step = excluded.step, at = excluded.at, moved = excluded.moved, note = excluded.note
"""
ROLLBACKS = """
SELECT block_hash, number, dispute, target_hash, target_number, step, at, moved, note FROM rollbacks
WHERE step != 'done' ORDER BY rowid
"""


def statement_row(statement: Statement) -> tuple[Any, ...]:
    """A statement as a row of `statements`."""
    return (
        statement.block.hash,
        fitting(statement.block.number),
        storable(statement.adapter),
        storable(statement.lineage),
        statement.mode.value,
        statement.kind.value,
        statement.digest,
        storable(statement.summary),
        statement.at,
        storable(statement.rule),
    )


def read_statement(chain_id: int, row: Sequence[Any]) -> Statement:
    """The statement in a row of `statements`. Raises LedgerDamagedError."""

    def read() -> Statement:
        hash_, number, adapter, lineage, mode, kind, digest, summary, at, rule = row
        return Statement(
            _block(chain_id, number, hash_),
            _text(adapter),
            _text(lineage),
            Mode(mode),
            _stated(kind),
            _hash(digest),
            _text(summary),
            _time(at),
            _text(rule),
        )

    return _whole("statement", read)


def dispute_row(dispute: Dispute) -> tuple[Any, ...]:
    """A dispute, with its statements, as a row of `disputes`."""
    said = [
        {
            "adapter": each.adapter,
            "lineage": each.lineage,
            "mode": each.mode.value,
            "kind": each.kind.value,
            "digest": each.digest.hex(),
            "summary": each.summary,
            "at": each.at,
            "rule": each.rule,
        }
        for each in dispute.statements
    ]
    return (
        dispute.block.hash,
        fitting(dispute.block.number),
        dispute.id,
        dispute.opened_at,
        dispute.deadline,
        storable(dispute.why),
        json.dumps(said),
        json.dumps(sorted(dispute.silent)),
        storable(dispute.evidence),
        None if dispute.conclusion is None else dispute.conclusion.value,
        dispute.concluded_at,
        storable(dispute.reason),
    )


def read_dispute(chain_id: int, row: Sequence[Any]) -> Dispute:
    """The dispute in a row of `disputes`. Raises LedgerDamagedError."""

    def read() -> Dispute:
        hash_, number, id_, opened_at, deadline, why, said, silent, evidence, conclusion, concluded_at, reason = row
        block = _block(chain_id, number, hash_)
        if (conclusion is None) != (concluded_at is None):
            raise ValueError("concluded, and not")
        return Dispute(
            _text(id_),
            block,
            _time(opened_at),
            _time(deadline),
            _text(why),
            tuple(_stated_in_dispute(block, each) for each in json.loads(said)),
            frozenset(_text(each) for each in json.loads(silent)),
            _text(evidence),
            None if conclusion is None else Conclusion(conclusion),
            None if concluded_at is None else _time(concluded_at),
            _text(reason),
        )

    return _whole("dispute", read)


def quarantine_row(quarantine: Quarantine) -> tuple[Any, ...]:
    """A quarantine in force, as the first columns of a row of `quarantines`."""
    return storable(quarantine.adapter), storable(quarantine.why), quarantine.since, storable(quarantine.dispute)


def read_quarantine(row: Sequence[Any]) -> Quarantine:
    """The quarantine in those columns. Raises LedgerDamagedError."""

    def read() -> Quarantine:
        adapter, why, since, dispute = row
        return Quarantine(_text(adapter), _text(why), _time(since), _text(dispute))

    return _whole("quarantine", read)


def read_release(row: Sequence[Any]) -> Release:
    """A quarantine that ended, in a row of `quarantines` without its id. Raises LedgerDamagedError."""
    return _whole("release", lambda: Release(read_quarantine(row[:4]), _text(row[5]), _time(row[4])))


def rollback_row(rollback: Rollback) -> tuple[Any, ...]:
    """A rollback as a row of `rollbacks`."""
    target = rollback.target
    return (
        rollback.block.hash,
        fitting(rollback.block.number),
        storable(rollback.dispute),
        None if target is None else target.hash,
        None if target is None else fitting(target.number),
        rollback.step.value,
        rollback.at,
        storable(rollback.moved),
        storable(rollback.note),
    )


def read_rollback(chain_id: int, row: Sequence[Any]) -> Rollback:
    """The rollback in a row of `rollbacks`. Raises LedgerDamagedError."""

    def read() -> Rollback:
        hash_, number, dispute, target_hash, target_number, step, at, moved, note = row
        absent = target_hash is None and target_number is None
        return Rollback(
            _text(dispute),
            _block(chain_id, number, hash_),
            None if absent else _block(chain_id, target_number, target_hash),
            RollbackStep(step),
            _time(at),
            _text(moved),
            _text(note),
        )

    return _whole("rollback", read)


def _stated_in_dispute(block: BlockReference, document: Mapping[str, Any]) -> Statement:
    return Statement(
        block,
        _text(document["adapter"]),
        _text(document["lineage"]),
        Mode(document["mode"]),
        _stated(document["kind"]),
        _hash(bytes.fromhex(document["digest"])),
        _text(document["summary"]),
        _time(document["at"]),
        _text(document["rule"]),
    )


def _whole(what: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise LedgerDamagedError(f"a {what} cannot be read: {error}") from None


def _block(chain_id: int, number: Any, hash_: Any) -> BlockReference:
    if not isinstance(number, int) or number < 0:
        raise ValueError(f"no block number: {number!r:.80}")
    return BlockReference(chain_id, number, _hash(hash_))


def _hash(value: Any) -> bytes:
    if not isinstance(value, bytes) or len(value) != HASH_LENGTH:
        raise ValueError(f"no hash: {value!r:.80}")
    return value


def _stated(value: Any) -> VoteKind:
    kind = VoteKind(value)
    if kind is VoteKind.ABSTAIN:
        raise ValueError("an abstention is no statement")
    return kind


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"no text: {value!r:.80}")
    return value


def _time(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or math.isnan(value):
        raise ValueError(f"no time: {value!r:.80}")
    return float(value)
