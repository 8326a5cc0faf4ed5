"""Texts put aside in a temporary file and read back in their order: a page's tests, however many, beside the memory."""

import tempfile
from collections.abc import Iterator
from types import TracebackType

IN_MEMORY = 1 << 24  # bytes; only what is larger goes to the disk


class Spool:
    """A context; what is in it is gone with it. A key is a tuple of texts, and takes about 300 bytes of memory."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 (closed by __exit__)
        self._index: list[tuple[tuple[str, ...], int, int]] = []
        self.length = 0

    def __enter__(self) -> "Spool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, key: tuple[str, ...], text: str) -> None:
        """Puts one text aside, behind all that were added before it."""
        encoded = text.encode()
        self._index.append((key, self.length, len(encoded)))
        self._file.write(encoded)
        self.length += len(encoded)

    def __len__(self) -> int:
        return len(self._index)

    def __iter__(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """All, sorted by key; those with the same key as they were added. Nothing may be added meanwhile."""
        self._index.sort()
        for key, start, length in self._index:
            self._file.seek(start)
            yield key, self._file.read(length).decode()
