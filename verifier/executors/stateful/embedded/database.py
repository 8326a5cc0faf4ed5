"""The executor's database: one LMDB environment in a directory, one writer.

Tables
- `meta`: format, chain id, genesis hash, head.
- `state`: trie nodes and codes under their keccak-256. Content-addressed and only ever added to, so that every earlier
  state stays whole: a rollback moves the head and deletes nothing, and a crash can leave nothing half-changed.
- `headers`, `blocks`, `results`: header RLP, block RLP and computed results (JSON) by block hash, for every valid block
  imported, on whichever branch.
- `difficulties`: total difficulty by block hash (EIP-3675 needs the parent's).
- `canonical`: block number (8 bytes, big-endian) → hash, for the head and its ancestors.

Every change is one LMDB transaction: after a crash at any moment the database is as before it or as after it. With
sync=False that holds for a crash of the process, but not for one of the machine.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import lmdb

from verifier.errors import ExecutorError
from witness.header import keccak256

from ..errors import DatabaseDamagedError, DatabaseFullError, DatabaseInUseError, ForeignDatabaseError

FORMAT = "execution-verifier stateful database 1"
TABLES = ("meta", "state", "headers", "blocks", "results", "difficulties", "canonical")
INITIAL_MAP_SIZE = 1 << 28  # bytes of address space, not of disk; doubled whenever it is full
MAXIMUM_MAP_SIZE = 1 << 44
LOCK_NAME = "writer.lock"
DATA_NAME = "data.mdb"
NUMBER_LENGTH = 8

Result = TypeVar("Result")


def number_key(number: int) -> bytes:
    """The key of a block number in the table `canonical`, in numeric order."""
    return number.to_bytes(NUMBER_LENGTH, "big")


class Reader:
    """One consistent snapshot of the database. Valid only while its context lasts."""

    def __init__(self, transaction: Any, tables: dict[str, Any]) -> None:
        self._transaction = transaction
        self._tables = tables

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value under `key`, or None."""
        value: bytes | None = self._transaction.get(key, db=self._tables[table])
        return value

    def state(self, hash_: bytes) -> bytes | None:
        """The node or code with this keccak-256, or None. Raises DatabaseDamagedError if the bytes kept differ."""
        value = self.get("state", hash_)
        if value is not None and keccak256(value) != hash_:
            raise DatabaseDamagedError(f"the database is damaged: entry 0x{hash_.hex()} has other content")
        return value


class StateNodes:
    """The trie nodes of a snapshot, to be asked for by hash. Nothing is recorded."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def get(self, hash_: bytes, /) -> bytes | None:
        """The RLP of a node, or None. Raises DatabaseDamagedError."""
        return self._reader.state(hash_)


class Writer(Reader):
    """A transaction under way. Nothing of it is there before the commit, all of it afterwards."""

    def put(self, table: str, key: bytes, value: bytes) -> None:
        """Sets `key` to `value`."""
        self._transaction.put(key, value, db=self._tables[table])

    def delete(self, table: str, key: bytes) -> None:
        """Removes `key`, if it is there."""
        self._transaction.delete(key, db=self._tables[table])


# LMDB reports a write that came out short, as on a disk that has just filled up, as an input/output error.
NO_ROOM = ("No space left", "File too large", "Disk quota", "Input/output error")


def translated(error: lmdb.Error, directory: Path) -> ExecutorError:
    """The error of ours for one of LMDB's."""
    if isinstance(error, lmdb.DiskError | lmdb.MapFullError) or any(text in str(error) for text in NO_ROOM):
        return DatabaseFullError(f"{directory}: no room to write, or the disk fails ({error})")
    return DatabaseDamagedError(f"{directory}: the database cannot be used ({error})")


class Database:
    """An open database. Use `open_database`; close it when done."""

    def __init__(self, directory: Path, environment: Any, tables: dict[str, Any], lock: int) -> None:
        self.directory = directory
        self._environment = environment
        self._tables = tables
        self._lock: int | None = lock

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """A snapshot to read from. Raises DatabaseDamagedError."""
        try:
            with self._environment.begin() as transaction:
                yield Reader(transaction, self._tables)
        except lmdb.Error as error:
            raise translated(error, self.directory) from error

    def write(self, change: Callable[[Writer], Result]) -> Result:
        """Runs `change` in one transaction and commits it; if it raises, nothing is changed.

        It may be run again from the start when the map had to grow, so it must depend on nothing but the database.
        Raises DatabaseFullError, DatabaseDamagedError, and whatever `change` raises.
        """
        while True:
            try:
                with self._environment.begin(write=True) as transaction:
                    return change(Writer(transaction, self._tables))
            except lmdb.MapFullError as error:
                size = 2 * self._environment.info()["map_size"]
                if size > MAXIMUM_MAP_SIZE:
                    raise translated(error, self.directory) from error
                try:
                    self._environment.set_mapsize(size)
                except lmdb.Error as failure:
                    raise translated(failure, self.directory) from failure
            except lmdb.Error as error:
                raise translated(error, self.directory) from error

    def close(self) -> None:
        """Closes the database and lets others write. May be called again."""
        if self._lock is not None:
            self._environment.close()
            os.close(self._lock)
            self._lock = None


def _take_lock(directory: Path) -> int:
    descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        # Held by the open file, so it ends with the process, however that ends.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise DatabaseInUseError(f"{directory} is in use by another process") from None
    return descriptor


def open_database(directory: Path, *, sync: bool = True, map_size: int = INITIAL_MAP_SIZE) -> Database:
    """Opens or creates the database in `directory`, as its only writer.

    sync: force every commit to the disk. map_size: the address space to start with, bytes.
    Raises DatabaseInUseError, DatabaseDamagedError, DatabaseFullError, ExecutorError (the directory cannot be used).
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = _take_lock(directory)
    except OSError as error:
        raise ExecutorError(f"{directory}: {error.strerror}") from error
    environment = None
    try:
        data = directory / DATA_NAME
        size = data.stat().st_size if data.exists() else 0
        environment = lmdb.open(
            str(directory),
            map_size=max(map_size, size),
            max_dbs=len(TABLES),
            sync=sync,
            metasync=sync,
            lock=False,  # ours is held already, and LMDB's would leave readers' slots behind after a kill
            readahead=False,
        )
        tables = {name: environment.open_db(name.encode()) for name in TABLES}
    except (lmdb.Error, OSError) as error:
        if environment is not None:
            environment.close()
        os.close(lock)
        if isinstance(error, lmdb.Error):
            raise translated(error, directory) from error
        raise ExecutorError(f"{directory}: {error.strerror}") from error
    return Database(directory, environment, tables, lock)


def check_identity(reader: Reader, directory: Path, chain_id: int, genesis_hash: bytes) -> bool:
    """Whether the database holds this chain; False if it holds none yet. Raises ForeignDatabaseError otherwise."""
    encoded = reader.get("meta", b"identity")
    if encoded is None:
        return False
    try:
        identity = json.loads(encoded)
        format_, chain, genesis = identity["format"], identity["chainId"], identity["genesisHash"]
    except (ValueError, KeyError, TypeError) as error:
        raise DatabaseDamagedError(f"{directory}: its identity cannot be read") from error
    if format_ != FORMAT:
        raise ForeignDatabaseError(f"{directory} has format {format_!r}, this version knows {FORMAT!r} only")
    if (chain, genesis) != (chain_id, genesis_hash.hex()):
        raise ForeignDatabaseError(
            f"{directory} belongs to chain {chain} with genesis 0x{genesis}, not to chain {chain_id}"
            f" with genesis 0x{genesis_hash.hex()}"
        )
    return True


def encode_identity(chain_id: int, genesis_hash: bytes) -> bytes:
    """The entry by which `check_identity` knows the chain."""
    identity = {"format": FORMAT, "chainId": chain_id, "genesisHash": genesis_hash.hex()}
    return json.dumps(identity, sort_keys=True).encode()
