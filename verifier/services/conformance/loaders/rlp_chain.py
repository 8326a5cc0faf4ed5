"""Block files: RLP of blocks, end to end, as clients export and import them."""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from .document import GZIP_MAGIC
from .errors import FixtureError

MAXIMUM_BLOCK_LENGTH = 1 << 28  # bytes
LONG_LIST = 0xF7
SHORT_LIST = 0xC0


def _exactly(file: BinaryIO, length: int, at: int) -> bytes:
    data = file.read(length)
    if len(data) != length:
        raise FixtureError(f"byte {at + len(data)}: the file ends within a block")
    return data


def split_blocks(file: BinaryIO) -> Iterator[bytes]:
    """Each block's RLP, in order, reading no more than one at a time. Raises FixtureError, after the blocks before.

    Only the outer list's length is read; what is inside may be anything.
    """
    at = 0
    while prefix := file.read(1):
        if prefix[0] < SHORT_LIST:
            raise FixtureError(f"byte {at}: a block is an RLP list, which does not start with 0x{prefix.hex()}")
        head = prefix
        length = prefix[0] - SHORT_LIST
        if prefix[0] > LONG_LIST:
            digits = _exactly(file, prefix[0] - LONG_LIST, at + 1)
            head += digits
            length = int.from_bytes(digits, "big")
        if length > MAXIMUM_BLOCK_LENGTH:
            raise FixtureError(f"byte {at}: a block of {length} bytes, at most {MAXIMUM_BLOCK_LENGTH} are read")
        block = head + _exactly(file, length, at + len(head))
        at += len(block)
        yield block


def load_blocks(path: Path) -> Iterator[bytes]:
    """Each block's RLP in a file, which may be compressed by gzip. Raises FixtureError."""
    try:
        with path.open("rb") as raw:
            buffered = io.BufferedReader(cast(io.RawIOBase, raw))
            if buffered.peek(len(GZIP_MAGIC))[: len(GZIP_MAGIC)] == GZIP_MAGIC:
                with gzip.open(buffered) as file:
                    yield from split_blocks(cast(BinaryIO, file))
            else:
                yield from split_blocks(cast(BinaryIO, buffered))
    except FixtureError as error:
        raise FixtureError(f"{path}: {error}") from None
    except (EOFError, zlib.error) as error:
        raise FixtureError(f"{path}: {error}") from None
    except OSError as error:
        raise FixtureError(f"{path}: {error.strerror or error}") from None
