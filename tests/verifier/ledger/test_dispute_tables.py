"""The dispute tables in the file: rows, damage, what is forced to the disk, and files of version 1."""

import contextlib
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.ledger.dispute_examples import block, disputes, quarantines, rollbacks, statement, statements
from tests.verifier.ledger.writer import DECISION, GENESIS, VOTES
from tests.verifier.ledger.writer import block as tracked
from verifier.domain.block import BlockReference
from verifier.domain.dispute import Conclusion, Dispute
from verifier.domain.rollback import Rollback, RollbackStep
from verifier.domain.statement import Statement
from verifier.ledger.dispute_ledger import Quarantine, Release
from verifier.ledger.dispute_tables import (
    dispute_row,
    quarantine_row,
    read_dispute,
    read_quarantine,
    read_release,
    read_rollback,
    read_statement,
    rollback_row,
    statement_row,
)
from verifier.ledger.errors import ForeignLedgerError, LedgerDamagedError, LedgerError, LedgerFullError
from verifier.ledger.schema import VERSION
from verifier.ledger.sqlite import SqliteLedger

DISPUTE = Dispute("1-00000000", block(1), 10.0, 610.0, "revm says INVALID", (statement("revm"),), frozenset({"eels"}))
QUARANTINE = Quarantine("revm", "two words", 10.0)
ROLLBACK = Rollback("1-00000000", block(1), block(2), RollbackStep.MARKED, 1.0)
# As version 1 wrote it, with one row in each table: this text may not change with the code.
VERSION_1 = """
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
INSERT INTO identity VALUES (1, x'1111111111111111111111111111111111111111111111111111111111111111');
INSERT INTO blocks VALUES (
  x'0000000000000000000000000000000100000000000000000000000000000000', 1, zeroblob(32),
  x'0000000000000000000000000000000100000000000000000000000000000000', 1, 'received', '', NULL, 0);
INSERT INTO decisions VALUES (
  1, x'0000000000000000000000000000000100000000000000000000000000000000', 2.0, 'ATTEST', 1, 0,
  '{"valid": ["geth", "revm"], "invalid": [], "abstaining": []}', '[]');
INSERT INTO words VALUES (7.0, zeroblob(32), 'trusted by the operator');
PRAGMA application_id = 1163283527;
PRAGMA user_version = 1;
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def old(path: Path) -> Path:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(VERSION_1)
    connection.close()
    return path


def opened(path: Path, *, read_only: bool = False) -> SqliteLedger:
    return SqliteLedger(path, 1, GENESIS, read_only=read_only)


def executed(path: Path, *changes: str) -> None:
    connection = sqlite3.connect(path)
    for each in changes:
        connection.execute(each)
    connection.commit()
    connection.close()


def queried(path: Path, query: str) -> object:
    connection = sqlite3.connect(path)
    row = connection.execute(query).fetchone()
    connection.close()
    return row[0]


@given(statements, disputes(), quarantines, rollbacks, st.floats(0, 1e10))
def test_rows_are_read_as_they_were_written(
    said: Statement, dispute: Dispute, quarantine: Quarantine, rollback: Rollback, at: float
) -> None:
    assert read_statement(1, statement_row(said)) == said
    assert read_dispute(1, dispute_row(dispute)) == dispute
    assert read_quarantine(quarantine_row(quarantine)) == quarantine
    assert read_release((*quarantine_row(quarantine), at, "why")) == Release(quarantine, "why", at)
    assert read_rollback(1, rollback_row(rollback)) == rollback


ANY = (
    st.none()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=33)
    | st.sampled_from(["[1]", "[{}]", "{}", "[[]]", "null", '[{"adapter": 1}]', "[" * 5000, "9" * 5000])
)
READERS: list[tuple[Callable[[tuple[object, ...]], object], tuple[object, ...]]] = [
    (lambda row: read_statement(1, row), statement_row(statement())),
    (lambda row: read_dispute(1, row), dispute_row(replace(DISPUTE, conclusion=Conclusion.VALID, concluded_at=1.0))),
    (read_quarantine, quarantine_row(QUARANTINE)),
    (read_release, (*quarantine_row(QUARANTINE), 1.0, "why")),
    (lambda row: read_rollback(1, row), rollback_row(ROLLBACK)),
]


@given(st.sampled_from(READERS), st.data())
def test_any_value_in_any_column_is_read_or_refused(
    reader: tuple[Callable[[tuple[object, ...]], object], tuple[object, ...]], data: st.DataObject
) -> None:
    read, row = reader
    place = data.draw(st.integers(0, len(row) - 1))
    with contextlib.suppress(LedgerDamagedError):  # anything but another exception
        read((*row[:place], data.draw(ANY), *row[place + 1 :]))


def test_numbers_that_fit_no_column_and_text_that_is_none(path: Path) -> None:
    huge = BlockReference(1, 1 << 255, b"\x01" * 32)
    with opened(path) as ledger:
        ledger.state(replace(statement(), block=huge, summary="half a pair: \ud800"))
        ledger.put_dispute(replace(DISPUTE, block=huge, why="\ud800"))
        ledger.put_rollback(replace(ROLLBACK, block=huge, target=huge, note="\ud800"))
        ledger.quarantine(replace(QUARANTINE, why="\ud800"))
        ledger.release("revm", "\ud800", 1.0)
        (said,) = ledger.statements(huge.hash)
        assert (said.block.number, said.summary) == ((1 << 63) - 1, "half a pair: ?")
        assert [each.why for each in ledger.disputes()] == ["?"]
        assert [each.target.number for each in ledger.rollbacks() if each.target] == [(1 << 63) - 1]
        assert [each.why for each in ledger.releases()] == ["?"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE statements SET kind = 'ABSTAIN'", "a statement cannot be read: an abstention"),
        ("UPDATE statements SET digest = x'00'", "a statement cannot be read: no hash"),
        ("UPDATE statements SET mode = 'guess'", "a statement cannot be read: 'guess'"),
        ("UPDATE disputes SET conclusion = 'perhaps', concluded_at = 1", "a dispute cannot be read: 'perhaps'"),
        ("UPDATE disputes SET conclusion = 'valid'", "a dispute cannot be read: concluded, and not"),
        ("UPDATE disputes SET statements = '[{}]'", "a dispute cannot be read: 'adapter'"),
        ("UPDATE disputes SET silent = '{'", "a dispute cannot be read: Expecting"),
        ("UPDATE disputes SET number = -1", "a dispute cannot be read: no block number"),
        ("UPDATE rollbacks SET step = 'halfway'", "a rollback cannot be read: 'halfway'"),
        ("UPDATE rollbacks SET target_hash = NULL", "a rollback cannot be read: no hash"),
        ("UPDATE quarantines SET released_at = 1.0", "a release cannot be read: no text"),
        ("DROP TABLE quarantines", "no such table"),
    ],
)
def test_content_that_nobody_wrote(path: Path, change: str, said: str) -> None:
    with opened(path) as ledger:
        ledger.state(statement())
        ledger.put_dispute(DISPUTE)
        ledger.put_rollback(ROLLBACK)
        ledger.quarantine(QUARANTINE)
    executed(path, change)
    with opened(path) as ledger, pytest.raises(LedgerError, match=said) as caught:  # noqa: PT012
        ledger.statements(block(1).hash)
        ledger.disputes()
        ledger.rollbacks()
        ledger.quarantines()
        ledger.releases()
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


FULL, NORMAL = 2, 1  # SQLite's numbers


@pytest.mark.parametrize(
    ("change", "forced"),
    [
        (lambda ledger: ledger.state(statement()), NORMAL),
        (lambda ledger: ledger.expire(1.0), NORMAL),
        (lambda ledger: ledger.put_dispute(DISPUTE), FULL),
        (lambda ledger: ledger.quarantine(QUARANTINE), FULL),
        (lambda ledger: ledger.release("revm", "why", 1.0), FULL),
        (lambda ledger: ledger.put_rollback(ROLLBACK), FULL),
    ],
)
def test_what_closes_is_forced_to_the_disk(path: Path, change: Callable[[SqliteLedger], object], forced: int) -> None:
    with opened(path) as ledger:
        change(ledger)
        assert ledger._connection.execute("PRAGMA synchronous").fetchone() == (forced,)


def test_a_block_that_finality_leaves_behind_takes_no_statement_and_no_dispute_along(path: Path) -> None:
    with opened(path) as ledger:
        ledger.put(tracked(0, 1))
        ledger.state(statement())
        ledger.put_dispute(DISPUTE)
        ledger.put_rollback(ROLLBACK)
        assert tracked(0, 1).block.hash == DISPUTE.block.hash
        ledger.remove([DISPUTE.block.hash])
        assert list(ledger.blocks()) == []
        assert ledger.statements(DISPUTE.block.hash) == [statement()]
        assert ledger.disputes() == [DISPUTE]
        assert ledger.rollbacks() == [ROLLBACK]


def test_a_file_of_version_1_becomes_one_of_this_with_all_that_it_holds(old: Path) -> None:
    for _ in range(2):
        with opened(old) as ledger:
            assert list(ledger.blocks()) == [tracked(1, 0)]
            assert [at for _, _, at in ledger.decisions(tracked(1, 0).block.hash)] == [2.0]
            assert ledger.words() == [(7.0, bytes(32), "trusted by the operator")]
            ledger.put_dispute(DISPUTE)
            ledger.record(tracked(1, 1).block.hash, DECISION, VOTES, 3.0)
            assert ledger.disputes() == [DISPUTE]
    assert queried(old, "PRAGMA user_version") == VERSION
    assert queried(old, "PRAGMA integrity_check") == "ok"


def test_a_migrated_file_has_the_tables_of_a_new_one(old: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.db"
    opened(new).close()
    opened(old).close()
    tables = "SELECT group_concat(told, ';') FROM (SELECT name || ': ' || sql AS told FROM sqlite_schema ORDER BY name)"
    assert queried(old, tables) == queried(new, tables)


def test_a_reader_leaves_a_file_of_version_1_as_it_is(old: Path) -> None:
    with opened(old, read_only=True) as ledger:
        assert list(ledger.blocks()) == [tracked(1, 0)]
        assert (ledger.statements(bytes(32)), ledger.disputes(), ledger.rollbacks()) == ([], [], [])
        assert (ledger.quarantines(), ledger.releases()) == ([], [])
    assert queried(old, "PRAGMA user_version") == 1


def test_the_file_of_another_chain_is_not_migrated(old: Path) -> None:
    with pytest.raises(ForeignLedgerError):
        SqliteLedger(old, 2, GENESIS)
    assert queried(old, "PRAGMA user_version") == 1


def test_a_damaged_file_is_not_migrated(old: Path) -> None:
    executed(old, "PRAGMA user_version = 0")
    with pytest.raises(LedgerDamagedError, match=r"of no version \(schema 0\)"):
        opened(old)
    executed(old, "PRAGMA user_version = 1", "CREATE TABLE rollbacks (x)")
    with pytest.raises(LedgerError, match="rollbacks already exists"):
        opened(old)
    assert queried(old, "PRAGMA user_version") == 1
    assert queried(old, "SELECT count(*) FROM sqlite_schema WHERE name = 'statements'") == 0


MIGRATION = """
import os, signal, sqlite3, sys
from pathlib import Path
from verifier.ledger import schema, sqlite_file

def killed(connection, version):
    schema.migrate(connection, version)
    os.kill(os.getpid(), signal.SIGKILL)

sqlite_file.migrate = killed
sqlite_file.LedgerFile(Path(sys.argv[1]), 1, b"\\x11" * 32)
"""


def test_a_migration_that_is_killed_at_its_end_has_not_begun(old: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", MIGRATION, str(old)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert queried(old, "PRAGMA user_version") == 1
    with opened(old) as ledger:
        assert list(ledger.blocks()) == [tracked(1, 0)]
        assert ledger.disputes() == []


def test_a_full_disk_drops_the_change_and_nothing_else(path: Path) -> None:
    with opened(path) as ledger:
        ledger._connection.execute("PRAGMA max_page_count = 20")  # a small limit without a small disk
        number = 0

        def fill() -> None:
            nonlocal number
            while True:
                ledger.put_dispute(replace(DISPUTE, block=block(number + 1), opened_at=float(number), why="x" * 500))
                number += 1

        with pytest.raises(LedgerFullError, match="full"):
            fill()
        assert [each.opened_at for each in ledger.disputes()] == [float(each) for each in range(number)]
