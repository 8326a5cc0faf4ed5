"""The executor's database in memory: for chains that are executed once and forgotten, such as those of tests."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from .database import TABLES, Reader, Writer

Result = TypeVar("Result")
Tables = dict[str, dict[bytes, bytes]]
NOWHERE = Path("memory")


class MemoryReader(Reader):
    """The tables as they are; nothing writes while it is used."""

    def __init__(self, tables: Tables) -> None:
        self._memory = tables
        self._state = tables["state"]

    def get(self, table: str, key: bytes) -> bytes | None:
        """As Reader.get."""
        return self._memory[table].get(key)

    def state(self, hash_: bytes) -> bytes | None:
        """As Reader.state; memory is not checked for damage."""
        return self._state.get(hash_)


class MemoryWriter(Writer):
    """A transaction under way."""

    def __init__(self, tables: Tables) -> None:
        self._memory = tables
        self._changes: dict[tuple[str, bytes], bytes | None] = {}

    def get(self, table: str, key: bytes) -> bytes | None:
        """As Reader.get."""
        if (table, key) in self._changes:
            return self._changes[table, key]
        return self._memory[table].get(key)

    def put(self, table: str, key: bytes, value: bytes) -> None:
        """As Writer.put."""
        self._changes[table, key] = value

    def delete(self, table: str, key: bytes) -> None:
        """As Writer.delete."""
        self._changes[table, key] = None

    def commit(self) -> None:
        """Makes it so."""
        for (table, key), value in self._changes.items():
            if value is None:
                self._memory[table].pop(key, None)
            else:
                self._memory[table][key] = value


class MemoryDatabase:
    """What `Database` is, without a directory. For one thread; gone with the object."""

    directory = NOWHERE

    def __init__(self) -> None:
        self._tables: Tables = {name: {} for name in TABLES}

    @contextmanager
    def reading(self) -> Iterator[Reader]:
        """As Database.reading."""
        yield MemoryReader(self._tables)

    def write(self, change: Callable[[Writer], Result]) -> Result:
        """As Database.write."""
        writer = MemoryWriter(self._tables)
        result = change(writer)
        writer.commit()
        return result

    def close(self) -> None:
        """Forgets everything."""
        for table in self._tables.values():
            table.clear()
