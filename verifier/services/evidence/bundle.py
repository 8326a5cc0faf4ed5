"""Evidence bundles on the disk: complete or not there, named by what is in them, believed when all of it fits."""

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from verifier.domain.dispute import Dispute
from verifier.domain.localization import Localization
from verifier.domain.result import Mode, Result
from verifier.domain.statement import Statement
from verifier.executors.stateless.base import ExecutionRequest
from verifier.services.replay import DEADLINE
from witness.header import HASH_LENGTH

from .document import DocumentError, canonical, decode, encode, parse
from .eip3155 import read_lines, traces_of, write_lines
from .errors import EvidenceDamagedError, EvidenceError, EvidenceWriteError, NoEvidenceError
from .manifest import (
    CONFIGURATION,
    DISPUTE,
    EXECUTION,
    FORMAT,
    LOCALIZATION,
    MANIFEST,
    MAX_MANIFEST,
    NAME_LENGTH,
    RESULTS,
    STATEMENTS,
    TRACES,
    VERSIONS,
    WITNESS,
    FileEntry,
    Manifest,
    largest,
    make_manifest,
    manifest_digest,
    read_manifest,
    trace_path,
    traced_adapter,
)
from .model import Evidence, Versions

TEMPORARY_PREFIX = ".evidence-"
CHUNK = 1 << 20  # bytes read at once
# How a block was executed: what of an ExecutionRequest is kept.
EXECUTION_TYPES: Mapping[str, Any] = {
    "block_hash": bytes,
    "pre_state_root": bytes,
    "chain_config": bytes,
    "parent_header_optional": bool,
    "ancestor_hashes": Mapping[int, bytes],
    "mode": Mode,
}


def write_bundle(directory: Path, evidence: Evidence) -> str:
    """Makes the bundle appear below `directory` and returns its name. Blocks for the disk: not for an event loop.

    The same evidence gives the same bytes and so the same name; a bundle that is there already stays. The witness file
    is linked where it can be, else copied. Raises EvidenceWriteError; then nothing of it is there, or all.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _temporary(directory) as temporary:
            files = {path: _write(temporary / path, content) for path, content in _documents(evidence).items()}
            files[WITNESS] = _take(evidence.witness, temporary / WITNESS)
            encoded = make_manifest(files).encoded()
            _write(temporary / MANIFEST, encoded)
            for each in {path.parent for path in map(temporary.joinpath, files)}:
                _sync(each)
            temporary.chmod(0o755)
            name = manifest_digest(encoded)[:NAME_LENGTH]
            _publish(temporary, directory / name)
            _sync(directory)
    except (OSError, DocumentError) as error:
        raise EvidenceWriteError(f"{directory}: the evidence cannot be written: {_reason(error)}") from None
    return name


def read_bundle(path: Path) -> Evidence:
    """What is in the bundle, after every file's length and SHA-256 has been checked, and its name.

    Raises NoEvidenceError, EvidenceVersionError, EvidenceDamagedError.
    """
    try:
        with _opened(path) as root:
            return _read(path, root)
    except EvidenceError as error:
        raise type(error)(f"{path}: {error}") from None
    except DocumentError as error:
        raise EvidenceDamagedError(f"{path}: {error}") from None
    except OSError as error:
        raise EvidenceDamagedError(f"{path}: {_reason(error)}") from None


def is_bundle(path: Path) -> bool:
    """Whether a bundle seems to be there: a directory with a manifest that says so. Another's manifest.json is none."""
    try:
        if not (path / MANIFEST).is_file():
            return False
        with (path / MANIFEST).open("rb") as file:
            return FORMAT.encode() in file.read(MAX_MANIFEST)
    except OSError:
        return False


def remove_leftovers(directory: Path) -> None:
    """Removes what writers that were killed have left. Only while nobody writes there: at the start of a sidecar."""
    if directory.is_dir():
        for each in directory.glob(f"{TEMPORARY_PREFIX}*"):
            shutil.rmtree(each, ignore_errors=True)


def _documents(evidence: Evidence) -> dict[str, bytes]:
    """Every file but witness and manifest: path → content. Raises DocumentError."""
    dispute = replace(evidence.dispute, statements=(), evidence="")
    results = tuple(sorted(evidence.results, key=lambda each: each.adapter))
    adapters = tuple(sorted(evidence.versions.adapters, key=lambda each: each.adapter))
    execution = {name: encode(getattr(evidence.request, name), kind) for name, kind in EXECUTION_TYPES.items()}
    documents = {
        DISPUTE: canonical(encode(dispute, Dispute)),
        STATEMENTS: canonical(encode(evidence.dispute.statements, tuple[Statement, ...])),
        RESULTS: canonical(encode(results, tuple[Result, ...])),
        EXECUTION: canonical(execution),
        VERSIONS: canonical(encode(replace(evidence.versions, adapters=adapters), Versions)),
        CONFIGURATION: evidence.configuration.encode(errors="replace"),
    }
    if evidence.localization is not None:
        documents[LOCALIZATION] = canonical(encode(evidence.localization, Localization))
    for adapter, items in (evidence.traces or dict(traces_of(evidence.localization))).items():
        documents[trace_path(adapter)] = write_lines(items)
    for name, content in documents.items():
        if name.startswith(TRACES) and traced_adapter(name) is None:
            raise DocumentError(f"no file can be named after {name[:80]}")
        if len(content) > largest(name):
            raise DocumentError(f"{name} would have {len(content)} bytes, at most {largest(name)}")
    return documents


def _read(path: Path, root: int) -> Evidence:
    encoded = _content(root, FileEntry(MANIFEST, -1, ""))
    manifest = read_manifest(encoded)
    name = manifest_digest(encoded)[:NAME_LENGTH]
    if path.resolve().name != name:
        raise EvidenceDamagedError(f"by its manifest it is {name}, not {path.resolve().name}")
    _check_listing(root, manifest)
    content = {each.path: _content(root, each) for each in manifest.files}

    def value(file: str, kind: Any) -> Any:
        try:
            return decode(parse(content[file]), kind)
        except DocumentError as error:
            raise EvidenceDamagedError(f"{file}: {error}") from None

    dispute = replace(value(DISPUTE, Dispute), statements=value(STATEMENTS, tuple[Statement, ...]), evidence="")
    request = _request(path / WITNESS, content[EXECUTION])
    localization = value(LOCALIZATION, Localization) if LOCALIZATION in content else None
    about = {dispute.block, *(each.block for each in dispute.statements)}
    if localization is not None:
        about.add(localization.block)
    if len(about) > 1 or request.block_hash != dispute.block.hash:
        raise EvidenceDamagedError("its parts are about different blocks")
    return Evidence(
        dispute=dispute,
        request=request,
        results=value(RESULTS, tuple[Result, ...]),
        versions=value(VERSIONS, Versions),
        configuration=_text(content[CONFIGURATION]),
        localization=localization,
        traces=_traces(content),
    )


def _request(witness: Path, encoded: bytes) -> ExecutionRequest:
    try:
        members = parse(encoded)
        if not isinstance(members, dict) or members.keys() != EXECUTION_TYPES.keys():
            raise DocumentError(f"is no object of {', '.join(EXECUTION_TYPES)}")
        values: dict[str, Any] = {name: decode(members[name], kind) for name, kind in EXECUTION_TYPES.items()}
        hashes = (values["block_hash"], values["pre_state_root"], *values["ancestor_hashes"].values())
        if any(len(each) != HASH_LENGTH for each in hashes):
            raise DocumentError(f"a hash is not of {HASH_LENGTH} bytes")
        if any(number >= 1 << 64 for number in values["ancestor_hashes"]):
            raise DocumentError("ancestor_hashes: a block number is not of 64 bits")
    except DocumentError as error:
        raise EvidenceDamagedError(f"{EXECUTION}: {error}") from None
    return ExecutionRequest(witness=witness, deadline=DEADLINE, **values)


def _traces(content: Mapping[str, bytes]) -> dict[str, Any]:
    traces = {}
    for path, encoded in content.items():
        adapter = traced_adapter(path)
        if adapter is not None:
            try:
                traces[adapter] = read_lines(encoded)
            except DocumentError as error:
                raise EvidenceDamagedError(f"{path}: {error}") from None
    return traces


def _text(encoded: bytes) -> str:
    try:
        return encoded.decode()
    except UnicodeDecodeError:
        raise EvidenceDamagedError(f"{CONFIGURATION}: is not UTF-8") from None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        root = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise NoEvidenceError(f"no evidence bundle: {error.strerror}") from None
    try:
        yield root
    finally:
        os.close(root)


def _check_listing(root: int, manifest: Manifest) -> None:
    """Nothing but what is listed: whoever passes a bundle on should know what he passes on."""
    listed = {each.path for each in manifest.files} | {MANIFEST}
    traces = {each.removeprefix(f"{TRACES}/") for each in listed if each.startswith(f"{TRACES}/")}
    expected = {each for each in listed if "/" not in each} | ({TRACES} if traces else set())
    found = _names(root)
    if found - expected:
        raise EvidenceDamagedError(f"{ascii(min(found - expected))[:200]} is in it and not listed in {MANIFEST}")
    if traces and found >= {TRACES}:
        descriptor = os.open(TRACES, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=root)
        try:
            superfluous = _names(descriptor) - traces
        finally:
            os.close(descriptor)
        if superfluous:
            raise EvidenceDamagedError(f"{ascii(min(superfluous))[:200]} is in {TRACES} and not listed in {MANIFEST}")


def _names(directory: int) -> set[str]:
    with os.scandir(directory) as entries:
        return {entry.name for entry in entries}


def _content(root: int, entry: FileEntry) -> bytes:
    """A file's content, checked; of the witness it is not kept. The manifest is known by bytes = -1."""
    try:
        descriptor = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=root)
    except OSError as error:
        raise EvidenceDamagedError(f"{entry.path}: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise EvidenceDamagedError(f"{entry.path}: not a regular file")
        if entry.bytes < 0:
            if status.st_size > MAX_MANIFEST:
                raise EvidenceDamagedError(f"{entry.path}: {status.st_size} bytes, at most {MAX_MANIFEST}")
            return file.read(MAX_MANIFEST)
        if status.st_size != entry.bytes:
            raise EvidenceDamagedError(f"{entry.path}: {status.st_size} bytes, {entry.bytes} are listed")
        digest, kept, left = hashlib.sha256(), [], entry.bytes
        while left and (chunk := file.read(min(CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
            if entry.path != WITNESS:
                kept.append(chunk)
    if digest.hexdigest() != entry.sha256:
        raise EvidenceDamagedError(f"{entry.path}: its SHA-256 is not the listed one")
    return b"".join(kept)


@contextlib.contextmanager
def _temporary(directory: Path) -> Iterator[Path]:
    temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=directory))
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # it is no longer there under this name if it was published


def _write(path: Path, content: bytes) -> tuple[int, str]:
    """Writes a file and returns its length and SHA-256."""
    path.parent.mkdir(exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    return len(content), hashlib.sha256(content).hexdigest()


def _take(witness: Path, path: Path) -> tuple[int, str]:
    """The witness file into the bundle: published files never change, so a second name for it is as good as a copy."""
    if not witness.is_file():
        raise DocumentError(f"{witness}: no such file" if not witness.exists() else f"{witness}: not a regular file")
    try:
        path.hardlink_to(witness.resolve())
    except OSError:  # on another file system, or somebody else's
        shutil.copyfile(witness, path)
        path.chmod(0o444)
    digest, length = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            length += len(chunk)
        os.fsync(file.fileno())
    if length > largest(WITNESS):
        raise DocumentError(f"{witness}: {length} bytes, at most {largest(WITNESS)}")
    return length, digest.hexdigest()


def _publish(temporary: Path, path: Path) -> None:
    try:
        temporary.rename(path)
    except OSError:
        if not path.is_dir():
            raise
        try:
            read_bundle(path)  # the same content has the same name
        except EvidenceError as error:
            raise EvidenceWriteError(f"a damaged bundle is in its place: {error}") from None


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror or error}"
    return str(error)
