"""One SQLite file as a ledger: who may write to it, whose it is, its version, one transaction, and its errors."""

import fcntl
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from .errors import (
    ForeignLedgerError,
    LedgerDamagedError,
    LedgerError,
    LedgerFullError,
    LedgerInUseError,
    LedgerVersionError,
)
from .schema import APPLICATION_ID, VERSION, create, identity_row, migrate

T = TypeVar("T")
LOCK_SUFFIX = ".lock"
# Seconds for a reader's moment of exclusion to end (a checkpoint, the recovery of a WAL). Writers never meet: see
# `_lock`.
BUSY_TIMEOUT = 5.0


class LedgerFile:
    """A ledger's file, and what is written to it in transactions. For one thread, that which opens it.

    path: the file, created if absent; its directory too. chain_id, genesis: of the chain; a file of another one is
    refused. genesis: 32 bytes, the hash of block 0. read_only: takes no lock, changes nothing, needs the file. A file
    of an older version becomes one of this when it is opened for writing, as a whole or not at all.
    Raises LedgerError and what is below it; so do all methods.
    """

    def __init__(self, path: Path, chain_id: int, genesis: bytes, *, read_only: bool = False) -> None:
        self.path = path
        self._chain_id = chain_id
        self._version = VERSION  # of the tables in the file
        self._lock: int | None = None
        if read_only:
            if not path.is_file():
                raise LedgerError(f"{path}: there is no ledger")
        else:
            self._lock = _lock(path)
        try:
            self._connection = self._guarded(lambda: _connect(path, read_only=read_only))
            try:
                self._guarded(lambda: self._open(genesis, read_only=read_only))
            except BaseException:
                self._connection.close()
                raise
        except BaseException:
            self._unlock()
            raise

    def _open(self, genesis: bytes, *, read_only: bool) -> None:
        connection = self._connection
        version, application = (_pragma(connection, name) for name in ("user_version", "application_id"))
        empty = not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if empty and not application and not read_only:
            version = VERSION
            connection.execute("PRAGMA journal_mode = WAL")
            self._write(lambda: create(connection, self._chain_id, genesis), sync=True)
        elif application != APPLICATION_ID:
            raise ForeignLedgerError(f"{self.path}: not a ledger of this program")
        elif version > VERSION:
            raise LedgerVersionError(
                f"{self.path}: written by a newer version (schema {version}, this one knows {VERSION}); upgrade again,"
                " or start with another file"
            )
        elif version < 1:
            raise LedgerDamagedError(f"{self.path}: of no version (schema {version})")
        damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise LedgerDamagedError(f"{self.path}: {' '.join(damage.split())}")
        stored = connection.execute("SELECT chain_id, genesis FROM identity").fetchall()
        if stored != [identity_row(self._chain_id, genesis)]:
            found = ", ".join(f"chain {chain} (genesis 0x{bytes(hash_).hex()[:8]}…)" for chain, hash_ in stored)
            raise ForeignLedgerError(
                f"{self.path}: a ledger of {found or 'no chain'}, not of chain {self._chain_id}"
                f" (genesis 0x{genesis.hex()[:8]}…)"
            )
        if version < VERSION and not read_only:
            self._write(lambda: migrate(connection, version), sync=True)
            version = VERSION
        self._version = version

    def close(self) -> None:
        """Lets another writer in. May be called again."""
        try:
            self._connection.close()
        finally:
            self._unlock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, change: Callable[[], object], *, sync: bool = False) -> None:
        """One transaction, as a whole or not at all. sync: on the disk when this returns."""

        def transaction() -> None:
            connection = self._connection
            connection.execute(f"PRAGMA synchronous = {'FULL' if sync else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                change()
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk makes SQLite roll back by itself
                    connection.execute("ROLLBACK")
                raise

        self._guarded(transaction)

    def _guarded(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except sqlite3.Error as error:
            raise _translated(self.path, error) from error
        except UnicodeDecodeError as error:  # Python's own, on text that SQLite gives as it is
            raise LedgerDamagedError(f"{self.path}: text that is none: {error.reason}") from error
        except LedgerDamagedError as error:
            raise LedgerDamagedError(f"{self.path}: {str(error).removeprefix(f'{self.path}: ')}") from None

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)  # releases the lock; the file stays, for removing it would race with the next writer
            self._lock = None


def read_identity(path: Path) -> tuple[int, bytes]:
    """Which chain a ledger is of: chain id, and the hash of block 0. Takes no lock. Raises LedgerError."""
    if not path.is_file():
        raise LedgerError(f"{path}: there is no ledger")
    try:
        connection = _connect(path, read_only=True)
        try:
            if _pragma(connection, "application_id") != APPLICATION_ID:
                raise ForeignLedgerError(f"{path}: not a ledger of this program")
            rows = connection.execute("SELECT chain_id, genesis FROM identity").fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise _translated(path, error) from error
    if len(rows) != 1 or not isinstance(rows[0][0], int) or not isinstance(rows[0][1], bytes):
        raise LedgerDamagedError(f"{path}: does not say of which chain it is")
    return rows[0][0], rows[0][1]


def _lock(path: Path) -> int:
    """The right to write, until the descriptor is closed. SQLite's own locks are held only while it writes."""
    lock = path.with_name(path.name + LOCK_SUFFIX)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerError(f"{lock}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise LedgerInUseError(f"{path}: another process is using it (process {holder or 'unknown'})") from None
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError:
        pass  # the disk is full: the lock holds, its file just names nobody
    return descriptor


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    mode = "ro" if read_only else "rwc"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=BUSY_TIMEOUT, isolation_level=None
    )
    connection.execute("PRAGMA trusted_schema = OFF")  # a file from elsewhere runs nothing
    return connection


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _translated(path: Path, error: sqlite3.Error) -> LedgerError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    said = " ".join(str(error).split())
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or isinstance(error, sqlite3.IntegrityError):
        return LedgerDamagedError(f"{path}: {said}; keep it for inspection and start with another file")
    if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        return LedgerFullError(f"{path}: cannot be written: {said}")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LedgerInUseError(f"{path}: another process has it locked")
    return LedgerError(f"{path}: {said}")
