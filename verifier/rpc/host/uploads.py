"""Witness files that were sent rather than found on a shared disk: kept in memory, the least recently used go first."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable

from witness.header import HASH_LENGTH

from ..v1 import executor_pb2 as pb

MAX_LENGTH = 256 << 20  # bytes of one file, as adapters/CONTRACT.md says
MAX_PART = 1 << 20  # bytes, likewise
HELD_FILES, HELD_BYTES = 4, 64 << 20  # what is held at least, likewise; beyond both the oldest are forgotten
MOST_FILES = 1024  # held at once, however small: each costs more than its bytes
AT_ONCE = 4  # uploads under way; each takes a thread of the server's and up to MAX_LENGTH


class UploadError(Exception):
    """What arrives is not what its first part announced. `str(error)` is one line."""


class UploadTooLargeError(Exception):
    """More than is taken: one file's bytes, or files at once."""


class Uploads:
    """Files by their SHA-256. Safe for use from several threads."""

    def __init__(self) -> None:
        self._files: OrderedDict[bytes, bytes] = OrderedDict()
        self._total = 0
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(AT_ONCE)

    def get(self, digest: bytes) -> bytes | None:
        """The file, which thereby is the most recently used; None where it is not held."""
        with self._lock:
            content = self._files.get(digest)
            if content is not None:
                self._files.move_to_end(digest)
            return content

    def receive(self, parts: Iterable[pb.UploadPart]) -> None:
        """Takes a file in. Whatever is raised, also by `parts`, leaves nothing behind.

        Raises UploadError or UploadTooLargeError.
        """
        if not self._places.acquire(blocking=False):
            raise UploadTooLargeError(f"{AT_ONCE} uploads are under way, no more are taken at once")
        try:
            digest, content = _assembled(parts)
        finally:
            self._places.release()
        self._hold(digest, content)

    def _hold(self, digest: bytes, content: bytes) -> None:
        with self._lock:
            self._total += len(content) - len(self._files.pop(digest, b""))
            self._files[digest] = content
            while len(self._files) > HELD_FILES and (self._total > HELD_BYTES or len(self._files) > MOST_FILES):
                _, forgotten = self._files.popitem(last=False)
                self._total -= len(forgotten)


def _assembled(parts: Iterable[pb.UploadPart]) -> tuple[bytes, bytes]:
    digest, length, content = b"", 0, bytearray()
    is_first = True
    for part in parts:
        if is_first:
            digest, length, is_first = part.digest, part.length, False
            if len(digest) != HASH_LENGTH:
                raise UploadError(f"the digest has {len(digest)} bytes, {HASH_LENGTH} expected")
            if length > MAX_LENGTH:
                raise UploadTooLargeError(f"a file of {length} bytes, at most {MAX_LENGTH} are taken")
        if len(part.content) > MAX_PART:
            raise UploadError(f"a part of {len(part.content)} bytes, at most {MAX_PART} are taken")
        content += part.content
        if len(content) > length:
            raise UploadError(f"more than the {length} bytes that were announced")
    if is_first:
        raise UploadError("no part of a file")
    if len(content) != length:
        raise UploadError(f"{len(content)} bytes, {length} were announced")
    computed = hashlib.sha256(content).digest()
    if computed != digest:
        raise UploadError(f"the content has SHA-256 {computed.hex()}, {digest.hex()} was announced")
    return digest, bytes(content)
