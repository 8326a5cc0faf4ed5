"""A witness file on its way to an adapter that does not share our disk: digest, parts, and limits."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from verifier.errors import AdapterError
from verifier.rpc.v1 import executor_pb2 as pb

MAX_PART = 1024 * 1024  # bytes; the contract's
MAX_UPLOAD = 256 * 1024 * 1024  # bytes; what every adapter takes. Real witnesses have 1 to 10 MiB
REMEMBERED = 256  # digests of files; a replay has a few under way, and asks for each once a remote


class UploadForgottenError(AdapterError):
    """The adapter does not hold the upload that it was asked about: it is to be sent again."""


class UploadRefusedError(AdapterError):
    """The witness cannot be uploaded, or the adapter does not take it."""


@dataclass(frozen=True, slots=True)
class WitnessDigest:
    """SHA-256 of a file, 32 bytes, and its length in bytes."""

    digest: bytes
    length: int


class WitnessDigests:
    """Digests of witness files, each computed once."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Path, int, int, int], asyncio.Task[WitnessDigest]] = OrderedDict()

    async def of(self, path: Path) -> WitnessDigest:
        """The file's digest. Raises UploadRefusedError if it cannot be read, or is larger than MAX_UPLOAD."""
        try:
            status = path.stat()  # noqa: ASYNC240 - at once; what takes time is in a thread
        except OSError as error:
            raise UploadRefusedError(f"the witness cannot be read: {error.strerror}") from None
        if status.st_size > MAX_UPLOAD:
            raise UploadRefusedError(
                f"the witness has {status.st_size} bytes, at most {MAX_UPLOAD} can be sent to a remote adapter"
            )
        # A published file never changes, but a temporary one may come to have the name of another.
        key = (path, status.st_ino, status.st_mtime_ns, status.st_size)
        task = self._known.get(key)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = self._known[key] = asyncio.create_task(asyncio.to_thread(_digest, path))
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        try:
            return await asyncio.shield(task)
        except OSError as error:
            raise UploadRefusedError(f"the witness cannot be read: {error.strerror}") from None


def _digest(path: Path) -> WitnessDigest:
    with path.open("rb") as file:
        return WitnessDigest(hashlib.file_digest(file, "sha256").digest(), file.tell())


async def upload_parts(file: BinaryIO, witness: WitnessDigest) -> AsyncIterator[pb.UploadPart]:
    """The messages of one upload. A file that cannot be read on ends them early: the adapter then refuses the rest."""
    first = True
    while True:
        try:
            content = file.read(MAX_PART)
        except OSError:
            return
        if first:
            yield pb.UploadPart(digest=witness.digest, length=witness.length, content=content)
        elif content:
            yield pb.UploadPart(content=content)
        if len(content) < MAX_PART:
            return
        first = False
