"""The manifest of an evidence bundle: which files it has, how long they are, and their SHA-256. Its own is the name."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from witness.file import MAX_LENGTH

from .document import DocumentError, canonical, decode, encode, parse
from .errors import EvidenceDamagedError, EvidenceVersionError

FORMAT, VERSION = "execution-verifier evidence", 1
MANIFEST = "manifest.json"
DISPUTE, STATEMENTS, RESULTS = "dispute.json", "statements.json", "results.json"
EXECUTION, VERSIONS, LOCALIZATION = "execution.json", "versions.json", "localization.json"
CONFIGURATION, WITNESS = "configuration.toml", "block.witness"
TRACES, TRACE_SUFFIX = "traces", ".jsonl"
REQUIRED = frozenset({DISPUTE, STATEMENTS, RESULTS, EXECUTION, VERSIONS, CONFIGURATION, WITNESS})
ALLOWED = REQUIRED | {LOCALIZATION}

MAX_MANIFEST = 1 << 20  # bytes
MAX_FILE = 1 << 26  # bytes of any file but the witness: a receipt takes 200, and a block has some thousand
MAX_FILES = 256  # more adapters than anybody runs
NAME_LENGTH = 16  # hexadecimal digits of the manifest's digest: 64 bits
NAME = re.compile(rf"[0-9a-f]{{{NAME_LENGTH}}}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file. path: below the bundle, with "/". bytes: its length. sha256: 64 hexadecimal digits."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files but the manifest itself, in order of their paths."""

    files: tuple[FileEntry, ...]

    def encoded(self) -> bytes:
        """The only bytes that stand for it."""
        members = encode(self, Manifest)
        return canonical({**members, "format": FORMAT, "version": VERSION})


def manifest_digest(encoded: bytes) -> str:
    """SHA-256 of manifest.json, 64 hexadecimal digits; the first NAME_LENGTH are the bundle's name."""
    return hashlib.sha256(encoded).hexdigest()


def trace_path(adapter: str) -> str:
    """Where an adapter's trace is; characters that a file name could not have, or that mean something, as "%XX"."""
    return f"{TRACES}/{quote(adapter, safe='', errors='replace')}{TRACE_SUFFIX}"


def traced_adapter(path: str) -> str | None:
    """The adapter whose trace is at `path`, None if it is no trace's path."""
    if not path.startswith(f"{TRACES}/") or not path.endswith(TRACE_SUFFIX):
        return None
    adapter = unquote(path.removeprefix(f"{TRACES}/").removesuffix(TRACE_SUFFIX), errors="replace")
    return adapter if adapter and trace_path(adapter) == path and len(path) < 256 else None


def read_manifest(encoded: bytes) -> Manifest:
    """The manifest. Raises EvidenceVersionError, EvidenceDamagedError."""
    try:
        members = parse(encoded)
        if not isinstance(members, dict) or members.pop("format", None) != FORMAT:
            raise EvidenceDamagedError(f"{MANIFEST}: is not of an evidence bundle")
        version = members.pop("version", None)
        if isinstance(version, bool) or version != VERSION:
            raise EvidenceVersionError(f"{MANIFEST}: version {ascii(version)[:20]} is not known, only {VERSION}")
        manifest: Manifest = decode(members, Manifest)
    except DocumentError as error:
        raise EvidenceDamagedError(f"{MANIFEST}: {error}") from None
    if len(manifest.files) > MAX_FILES:
        raise EvidenceDamagedError(f"{MANIFEST}: {len(manifest.files)} files, a bundle has at most {MAX_FILES}")
    for entry in manifest.files:
        _check(entry)
    paths = [entry.path for entry in manifest.files]
    if paths != sorted(set(paths)):
        raise EvidenceDamagedError(f"{MANIFEST}: its files are not in ascending order")
    absent = REQUIRED - set(paths)
    if absent:
        raise EvidenceDamagedError(f"{MANIFEST}: {min(absent)} is not listed")
    if manifest.encoded() != encoded:
        raise EvidenceDamagedError(f"{MANIFEST}: is not in its canonical form")
    return manifest


def make_manifest(files: Mapping[str, tuple[int, str]]) -> Manifest:
    """The manifest of files, path → (length, SHA-256)."""
    return Manifest(tuple(FileEntry(path, *files[path]) for path in sorted(files)))


def largest(path: str) -> int:
    """How many bytes a file may have."""
    return MAX_LENGTH if path == WITNESS else MAX_FILE


def _check(entry: FileEntry) -> None:
    # Only paths that a bundle has: so none leads out of it.
    if entry.path not in ALLOWED and traced_adapter(entry.path) is None:
        raise EvidenceDamagedError(f"{MANIFEST}: {entry.path[:200]} is no file of a bundle")
    if not 0 <= entry.bytes <= largest(entry.path):
        raise EvidenceDamagedError(f"{MANIFEST}: {entry.path} has {entry.bytes} bytes, at most {largest(entry.path)}")
    if not _DIGEST.fullmatch(entry.sha256):
        raise EvidenceDamagedError(f"{MANIFEST}: the SHA-256 of {entry.path} is not 64 hexadecimal digits")
