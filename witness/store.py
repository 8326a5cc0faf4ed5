"""A directory of witness files: published by one process, read by many, kept as long as configured.

The directory itself is the index: a file's name carries block number and hash, and a file appears and disappears whole.
An index file could only disagree with it after a crash. The newest files may live in memory (tmpfs) with a second tier
on disk behind: what retention drops from the first is then moved there.
"""

import fcntl
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from .errors import WitnessFileError, WitnessStoreError
from .file import SUFFIX, TEMPORARY_PREFIX, file_name, map_witness_file, publish, write_witness_file
from .model import BlockWitness

LOCK_NAME = ".writer-lock"
FILE_NAME = re.compile(rf"(0|[1-9][0-9]{{0,19}})-([0-9a-f]{{64}}){re.escape(SUFFIX)}")


@dataclass(frozen=True, slots=True)
class Retention:
    """How long files are kept; None: no limit. The file published last always stays.

    count: files. age: seconds since publication. size: bytes of all files together.
    """

    count: int | None = None
    age: float | None = None
    size: int | None = None


KEEP_ALL = Retention()


@dataclass(frozen=True, slots=True)
class StoredWitness:
    """A witness file in a store. size: bytes; published: seconds since the epoch."""

    number: int
    hash: bytes
    path: Path
    size: int
    published: float


class _Tier:
    """One directory, as its writer sees it."""

    def __init__(self, directory: Path, retention: Retention, *, sync: bool) -> None:
        self.directory = directory
        self.retention = retention
        self.sync = sync
        self.files: dict[bytes, StoredWitness] = {}
        self._latest: bytes | None = None
        self._lock: int | None = None

    def lock(self) -> None:
        """Makes this the directory's only writer, and removes what a dead one left. Raises WitnessStoreError."""
        if self._lock is not None:
            return
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise WitnessStoreError(f"{self.directory}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise WitnessStoreError(
                f"{self.directory}: another writer is using it (process {holder or 'unknown'})"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._lock = descriptor
        for path in self.directory.glob(f"{TEMPORARY_PREFIX}*"):
            path.unlink(missing_ok=True)
        self.files = {stored.hash: stored for stored in _scan(self.directory)}

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)  # releases the lock; the file stays, for removing it would race with the next writer
            self._lock = None

    def added(self, path: Path, number: int, hash_: bytes, published: float) -> None:
        os.utime(path, (published, published))
        self._latest = hash_
        self.files[hash_] = StoredWitness(number, hash_, path, path.stat().st_size, published)

    def remove(self, stored: StoredWitness) -> None:
        stored.path.unlink(missing_ok=True)
        del self.files[stored.hash]

    def surplus(self, now: float) -> Iterator[StoredWitness]:
        """The files that the retention drops, in order of publication; the caller removes each."""
        ordered = sorted(self.files.values(), key=lambda stored: (stored.published, stored.number, stored.hash))
        count, size = len(ordered), sum(stored.size for stored in ordered)
        limits = self.retention
        # Not always the last in order: the clock may have been set back.
        latest = self._latest if self._latest in self.files or not ordered else ordered[-1].hash
        for stored in ordered:
            if stored.hash == latest:
                continue
            if not (
                (limits.count is not None and count > limits.count)
                or (limits.size is not None and size > limits.size)
                or (limits.age is not None and now - stored.published > limits.age)
            ):
                return
            count, size = count - 1, size - stored.size
            yield stored


class WitnessStore:
    """The witness files in a directory, and in a second one behind it.

    Any number of processes may read, without any lock. The first `publish`, `remove` or `prune` makes this object the
    writer until `close`; a second writer, in this or another process of the same host, gets WitnessStoreError. A
    mapping that a reader holds stays good when its file is replaced, moved or removed.

    retention: of `directory`. second: a directory that takes what this retention drops; second_retention: how long it
    keeps it. sync, second_sync: whether a published file is forced to the disk (see `file.publish`). clock: seconds
    since the epoch. Methods raise WitnessStoreError, those that write also OSError.
    """

    def __init__(
        self,
        directory: Path,
        retention: Retention = KEEP_ALL,
        *,
        second: Path | None = None,
        second_retention: Retention = KEEP_ALL,
        sync: bool = True,
        second_sync: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._tiers = [_Tier(directory, retention, sync=sync)]
        if second is not None:
            if second.resolve() == directory.resolve():
                raise WitnessStoreError(f"{directory}: both tiers are the same directory")
            self._tiers.append(_Tier(second, second_retention, sync=second_sync))
        self._clock = clock
        self._writing = threading.Lock()
        self._aside: dict[bytes, Path] = {}
        self._found: dict[bytes, Path] = {}

    def __enter__(self) -> "WitnessStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets another writer in. Mappings stay good."""
        with self._writing:
            for tier in self._tiers:
                tier.unlock()

    def publish(self, content: BlockWitness) -> Path:
        """Makes a witness available, in place of an earlier one of the same block, and applies the retention.

        That of a block that was set aside since this object was made goes there, and is not available: whoever fetched
        it may come late. Raises WitnessFileError too, if the content is too large.
        """
        with self._writing:
            self._become_writer()
            if content.hash in self._aside:
                return write_witness_file(content, self._aside[content.hash])
            first = self._tiers[0]
            path = write_witness_file(content, first.directory, sync=first.sync)
            now = self._clock()
            first.added(path, content.number, content.hash, now)
            self._prune(now)
        return path

    def prune(self, now: float) -> None:
        """Applies the retention as of `now`, seconds since the epoch."""
        with self._writing:
            self._become_writer()
            self._prune(now)

    def remove(self, block_hash: bytes) -> bool:
        """Removes a block's witness from both tiers; whether there was one."""
        with self._writing:
            self._become_writer()
            stored = [tier.files[block_hash] for tier in self._tiers if block_hash in tier.files]
            for tier in self._tiers:
                if block_hash in tier.files:
                    tier.remove(tier.files[block_hash])
        return bool(stored)

    def set_aside(self, block_hash: bytes, directory: Path) -> Path | None:
        """Takes a block's witness out of both tiers into `directory`, forced to the disk; None if there is none here.

        It is no longer among those that are there; no retention applies to it. May be called again after a crash: the
        file is in one of both places all the time, whole. directory: used for nothing else.
        """
        with self._writing:
            self._become_writer()
            self._aside[block_hash] = directory
            stored = [tier.files[block_hash] for tier in self._tiers if block_hash in tier.files]
            found = next((each for each in stored if each.path.exists()), None)
            path = None
            if found is not None:
                directory.mkdir(parents=True, exist_ok=True)
                for left in directory.glob(f"{TEMPORARY_PREFIX}*"):
                    left.unlink(missing_ok=True)  # by a writer that was killed
                path = directory / file_name(found.number, found.hash)
                publish([found.path.read_bytes()], path)
            for tier in self._tiers:
                if block_hash in tier.files:
                    tier.remove(tier.files[block_hash])
        return path

    def path(self, block_hash: bytes) -> Path | None:
        """Where a block's witness file is now, None if there is none. It may be moved or removed at any time."""
        path = self._found.get(block_hash)
        if path is None or not path.exists():
            self._found = {stored.hash: stored.path for stored in self}
            path = self._found.get(block_hash)
        return path

    def open(self, block_hash: bytes) -> BlockWitness | None:
        """The mapped witness of a block, None if there is none. Raises WitnessFileError if its file is damaged."""
        for _ in range(2 * len(self._tiers)):
            path = self.path(block_hash)
            if path is None:
                return None
            try:
                content = map_witness_file(path)
            except WitnessFileError:
                if path.exists():
                    raise
                continue  # moved or removed since it was found
            if (content.number, content.hash) != _parse_name(path.name):
                raise WitnessFileError(f"{path}: holds another block than its name says")
            return content
        return None

    def __iter__(self) -> Iterator[StoredWitness]:
        """What is there now, by number, then hash; a block once, from the first tier if it is in both."""
        stored: dict[bytes, StoredWitness] = {}
        # The first tier first: a file that is moved meanwhile is seen in both, never in neither.
        for tier in self._tiers:
            for each in _scan(tier.directory):
                stored.setdefault(each.hash, each)
        return iter(sorted(stored.values(), key=lambda each: (each.number, each.hash)))

    def _become_writer(self) -> None:
        try:
            for tier in self._tiers:
                tier.lock()
        except WitnessStoreError:
            for tier in self._tiers:
                tier.unlock()
            raise

    def _prune(self, now: float) -> None:
        first, *behind = self._tiers
        for stored in first.surplus(now):
            for tier in behind:
                self._move(stored, tier)
            first.remove(stored)
        for tier in behind:
            for stored in tier.surplus(now):
                tier.remove(stored)

    def _move(self, stored: StoredWitness, tier: _Tier) -> None:
        """Puts a copy into `tier` by the same atomic publish: a crash leaves the file in both tiers, never in none."""
        path = tier.directory / file_name(stored.number, stored.hash)
        try:
            publish([stored.path.read_bytes()], path, sync=tier.sync)
        except FileNotFoundError:
            if not stored.path.exists():
                return  # somebody removed it by hand: nothing to move
            raise
        tier.added(path, stored.number, stored.hash, stored.published)


def _parse_name(name: str) -> tuple[int, bytes] | None:
    match = FILE_NAME.fullmatch(name)
    return (int(match[1]), bytes.fromhex(match[2])) if match else None


def _scan(directory: Path) -> Iterator[StoredWitness]:
    """The witness files in a directory, in no order; nothing where it does not exist."""
    try:
        entries = os.scandir(directory)
    except FileNotFoundError:
        return
    except OSError as error:
        raise WitnessStoreError(f"{directory}: {error.strerror}") from error
    with entries:
        for entry in entries:
            parsed = _parse_name(entry.name)
            if parsed is None:
                continue
            try:
                if not entry.is_file(follow_symlinks=False):
                    continue
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # removed since it was listed
            yield StoredWitness(*parsed, directory / entry.name, status.st_size, status.st_mtime)
