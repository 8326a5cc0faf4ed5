"""What a block reads and writes, above the database and never in it.

py-evm writes into the overlay while it executes. Only what it reads from beneath, from the state before the block, is
recorded: that is the witness. The overlay is committed as a whole with a valid block and dropped otherwise.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from eth.db.backends.base import BaseDB

from ..errors import DatabaseDamagedError
from .database import Reader
from .touched import Touched

HASH_LENGTH = 32


class Overlay(BaseDB):
    """A py-evm database over a read-only one.

    nodes, codes: what was read from beneath, by hash. written: what the block added. missing: hashes of nodes and codes
    that the execution needed and the database lacks; if there is any, the execution's outcome means nothing.
    touched: addresses and slots, see `touched`.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._reading_code = False
        self.nodes: dict[bytes, bytes] = {}
        self.codes: dict[bytes, bytes] = {}
        self.written: dict[bytes, bytes] = {}
        self.missing: list[bytes] = []
        self.touched = Touched()

    @contextmanager
    def reading_code(self) -> Iterator[None]:
        """While it lasts, what is read is a code and not a node (a code may have the bytes of a node)."""
        self._reading_code = True
        try:
            yield
        finally:
            self._reading_code = False

    def beneath(self, key: bytes) -> bytes | None:
        """The value under `key` in the state before the block, recorded; None if there is none."""
        reads = self.codes if self._reading_code else self.nodes
        value = reads.get(key)
        if value is None and len(key) == HASH_LENGTH:
            value = self._reader.state(key)
            if value is not None:
                reads[key] = value
        return value

    def __getitem__(self, key: bytes) -> bytes:
        value = self.written.get(key)
        if value is None:
            value = self.beneath(key)
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self.written[key] = value

    def __delitem__(self, key: bytes) -> None:
        self.written.pop(key, None)

    def _exists(self, key: bytes) -> bool:
        # Existence alone is no read: a client that has nothing but the witness never asks for it.
        return key in self.written or self._reader.get("state", key) is not None

    def require_complete(self) -> None:
        """Raises DatabaseDamagedError if the execution needed something that the database lacks."""
        if self.missing:
            raise DatabaseDamagedError(
                f"the database is incomplete: it lacks the state entry 0x{self.missing[0].hex()};"
                " the block was not judged"
            )


class Scratch(BaseDB):
    """A throw-away layer above an overlay's base: writes vanish, reads from beneath are recorded."""

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        self._written: dict[bytes, bytes] = {}

    def __getitem__(self, key: bytes) -> bytes:
        value = self._written.get(key)
        if value is None:
            value = self._overlay.beneath(key)
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._written[key] = value

    def __delitem__(self, key: bytes) -> None:
        self._written.pop(key, None)

    def _exists(self, key: bytes) -> bool:
        try:
            self[key]
        except KeyError:
            return False
        return True
