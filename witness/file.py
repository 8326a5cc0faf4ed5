"""The witness file: one block, memory-mapped. docs/witness-format.md describes it byte by byte.

Writing is atomic (temporary file, then rename); reading maps the file and copies nothing but what is asked for.
"""

import mmap
import os
import stat
import struct
import tempfile
from collections.abc import Sequence
from itertools import accumulate, pairwise
from operator import lt
from pathlib import Path

from isal.isal_zlib import crc32  # zlib's CRC-32, ten times as fast

from .errors import EncodingError, WitnessFileError
from .header import block_header_rlp, decode_header, keccak256
from .model import BlockWitness, Header, Octets, Witness

MAGIC = b"EVWF"
VERSION = 1
HEADER = struct.Struct("<4sHHIIQQ32s")  # magic, version, sections, total length, checksum, chain id, number, block hash
SECTION = struct.Struct("<IIQQ")  # kind, checksum, offset, length
ALIGNMENT = 8
MAX_LENGTH = 1 << 30  # bytes; 100 times the largest witness seen on mainnet
MAX_SECTIONS = 64
MAX_ELEMENTS = 1 << 24  # a list of the witness section
PARTS_A_WRITE = 1024  # IOV_MAX of Linux and macOS
SUFFIX = ".witness"
TEMPORARY_PREFIX = ".publishing-"

BLOCK, WITNESS, CHAIN_CONFIG, PRESTATE, POSTSTATE, EXPECTED, PRODUCER, CLAIMS = range(1, 9)
REQUIRED_KINDS = (BLOCK, WITNESS, CHAIN_CONFIG)
OPTIONAL_KINDS = {
    PRESTATE: "prestate",
    POSTSTATE: "poststate",
    EXPECTED: "expected",
    PRODUCER: "producer",
    CLAIMS: "claims",
}
U64_LIMIT = 1 << 64


def file_name(number: int, block_hash: bytes) -> str:
    """The name of a block's witness file within its directory."""
    return f"{number}-{block_hash.hex()}{SUFFIX}"


def _aligned(position: int) -> int:
    return -(-position // ALIGNMENT) * ALIGNMENT


def _sorted_unique(elements: Sequence[Octets]) -> list[bytes]:
    owned = [element if type(element) is bytes else bytes(element) for element in elements]
    ascending = all(map(lt, owned, owned[1:]))
    return owned if ascending else sorted(set(owned))


def encode_witness(witness: Witness) -> bytes:
    """The SSZ encoding of the execution-specs container `ExecutionWitness`.

    State and codes are made unique and sorted bytewise; headers stay in the order given (ascending, parent last).
    """
    position = 3 * 4
    starts: list[int] = []
    parts: list[Octets] = []
    for elements in (_sorted_unique(witness.state), _sorted_unique(witness.codes), witness.headers):
        starts.append(position)
        offsets = list(accumulate(map(len, elements), initial=4 * len(elements)))
        parts.append(struct.pack(f"<{len(elements)}I", *offsets[:-1]))
        parts += elements
        position += offsets[-1]
    return b"".join([struct.pack("<3I", *starts), *parts])


def _decode_list(data: Octets, name: str) -> list[Octets]:
    if not len(data):
        return []
    if len(data) < 4:
        raise WitnessFileError(f"witness list {name} is truncated")
    (first,) = struct.unpack_from("<I", data)
    count, remainder = divmod(first, 4)
    if remainder or not count or first > len(data) or count > MAX_ELEMENTS:
        raise WitnessFileError(f"witness list {name} has a wrong first offset {first}")
    offsets = (*struct.unpack_from(f"<{count}I", data), len(data))
    elements = []
    for start, stop in pairwise(offsets):
        if not start <= stop <= len(data):
            raise WitnessFileError(f"witness list {name} has offsets out of order or out of bounds")
        elements.append(data[start:stop])
    return elements


def decode_witness(section: Octets) -> Witness:
    """The witness whose SSZ encoding is `section`; its elements are slices of it. Raises WitnessFileError."""
    if len(section) < 12:
        raise WitnessFileError("witness section is truncated")
    state, codes, headers = struct.unpack_from("<3I", section)
    if not (state == 12 and state <= codes <= headers <= len(section)):
        raise WitnessFileError("witness section has wrong offsets")
    return Witness(
        state=_decode_list(section[state:codes], "state"),
        codes=_decode_list(section[codes:headers], "codes"),
        headers=_decode_list(section[headers:], "headers"),
    )


def witness_file_parts(content: BlockWitness) -> list[Octets]:
    """The bytes of a witness file, in parts to be written one after the other: no large section is copied again.

    The same content always gives the same bytes. Raises WitnessFileError if a number does not fit or the whole is
    larger than MAX_LENGTH.
    """
    sections: dict[int, Octets] = {
        **content.extra,
        BLOCK: content.block,
        WITNESS: encode_witness(content.witness),
        CHAIN_CONFIG: content.chain_config,
    }
    for kind, attribute in OPTIONAL_KINDS.items():
        value: Octets | None = getattr(content, attribute)
        if value is not None:
            sections[kind] = value
    if len(sections) > MAX_SECTIONS:
        raise WitnessFileError(f"{len(sections)} sections, at most {MAX_SECTIONS} fit")
    if not (0 <= content.chain_id < U64_LIMIT and 0 <= content.number < U64_LIMIT and len(content.hash) == 32):
        raise WitnessFileError("chain id, block number or block hash does not fit the header")
    table, body, position = b"", list[Octets](), HEADER.size + SECTION.size * len(sections)
    for kind in sorted(sections):
        data, start = sections[kind], _aligned(position)
        body += [bytes(start - position), data]
        table += SECTION.pack(kind, crc32(data), start, len(data))
        position = start + len(data)
    if position > MAX_LENGTH:
        raise WitnessFileError(f"{position} bytes, a witness file may have {MAX_LENGTH}")
    numbers = (content.chain_id, content.number, content.hash)
    header = HEADER.pack(MAGIC, VERSION, len(sections), position, 0, *numbers)
    header = HEADER.pack(MAGIC, VERSION, len(sections), position, crc32(header + table), *numbers)
    return [header, table, *body]


def encode_witness_file(content: BlockWitness) -> bytes:
    """The bytes of a witness file in one piece; see `witness_file_parts`. Raises WitnessFileError."""
    return b"".join(witness_file_parts(content))


def publish(parts: Sequence[Octets], path: Path, *, sync: bool = True) -> None:
    """Makes `parts`, one after the other, appear as the file at `path`, read-only, complete or not at all.

    sync: force data and directory entry to the disk first (tens of ms); without it a power failure may lose the file.
    Raises OSError.
    """
    descriptor, temporary = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            _write_all(file.fileno(), parts)
            os.fchmod(file.fileno(), 0o444)
            if sync:
                os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if sync:
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _write_all(descriptor: int, parts: Sequence[Octets]) -> None:
    for start in range(0, len(parts), PARTS_A_WRITE):
        batch = parts[start : start + PARTS_A_WRITE]
        written = os.writev(descriptor, batch)
        for part in batch:
            rest = memoryview(part)[written:]
            written = max(0, written - len(part))
            while rest:  # only where the system took less than all at once
                rest = rest[os.write(descriptor, rest) :]


def write_witness_file(content: BlockWitness, directory: Path, *, sync: bool = True) -> Path:
    """Publishes a block's witness file in `directory` and returns its path. Raises WitnessFileError, OSError."""
    path = directory / file_name(content.number, content.hash)
    publish(witness_file_parts(content), path, sync=sync)
    return path


def decode_witness_file(data: Octets) -> BlockWitness:
    """The content of a witness file; every part is a slice of `data`. Raises WitnessFileError.

    Checked: magic, version, lengths, order and place of every section, zero padding, every checksum, the offsets of the
    witness lists. Not checked: that the block has the hash of the header (see `check_binding`), nor the nodes.
    """
    if len(data) < HEADER.size:
        raise WitnessFileError(f"{len(data)} bytes, too short for a witness file")
    magic, version, count, total, checksum, chain_id, number, block_hash = HEADER.unpack_from(data)
    if magic != MAGIC:
        raise WitnessFileError("not a witness file (wrong magic)")
    if version != VERSION:
        raise WitnessFileError(f"version {version} of the witness file is not known, only {VERSION}")
    if total != len(data) or total > MAX_LENGTH:
        raise WitnessFileError(f"{len(data)} bytes, the header says {total} (at most {MAX_LENGTH})")
    table_end = HEADER.size + SECTION.size * count
    if not 1 <= count <= MAX_SECTIONS or table_end > total:
        raise WitnessFileError(f"section count {count} is out of bounds")
    zeroed = HEADER.pack(magic, version, count, total, 0, chain_id, number, block_hash)
    if crc32(data[HEADER.size : table_end], crc32(zeroed)) != checksum:
        raise WitnessFileError("checksum of the header and section table is wrong")
    sections: dict[int, Octets] = {}
    position, previous_kind = table_end, -1
    for kind, section_checksum, offset, length in SECTION.iter_unpack(data[HEADER.size : table_end]):
        if kind <= previous_kind:
            raise WitnessFileError("section kinds are not in ascending order")
        if offset != _aligned(position) or offset + length > total:
            raise WitnessFileError(f"section {kind} is not at its place")
        if any(data[position:offset]):
            raise WitnessFileError(f"padding before section {kind} is not zero")
        section = data[offset : offset + length]
        if crc32(section) != section_checksum:
            raise WitnessFileError(f"checksum of section {kind} is wrong")
        sections[kind] = section
        position, previous_kind = offset + length, kind
    if position != total:
        raise WitnessFileError(f"{total - position} bytes after the last section")
    for kind in REQUIRED_KINDS:
        if kind not in sections:
            raise WitnessFileError(f"required section {kind} is missing")
    return BlockWitness(
        chain_id=chain_id,
        number=number,
        hash=block_hash,
        block=sections.pop(BLOCK),
        witness=decode_witness(sections.pop(WITNESS)),
        chain_config=sections.pop(CHAIN_CONFIG),
        **{name: sections.pop(kind, None) for kind, name in OPTIONAL_KINDS.items()},
        extra=sections,
    )


def map_witness_file(path: Path) -> BlockWitness:
    """Maps a witness file read-only; the parts of the content are views into the mapping.

    The mapping ends when the last view is gone, so a view can never dangle, also if the file is removed meanwhile.
    Raises WitnessFileError, also if `path` is no regular file.
    """
    try:
        # O_NONBLOCK: a FIFO in the place of a file must not hang the reader.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise WitnessFileError("not a regular file")
            if not HEADER.size <= status.st_size <= MAX_LENGTH:
                raise WitnessFileError(f"{status.st_size} bytes is no size of a witness file")
            mapping = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)
        finally:
            os.close(descriptor)
        return decode_witness_file(memoryview(mapping))
    except OSError as error:
        raise WitnessFileError(f"{path}: {error.strerror}") from error
    except WitnessFileError as error:
        raise WitnessFileError(f"{path}: {error}") from None


def check_binding(content: BlockWitness) -> Header:
    """The block's header, if block, hash and number of `content` belong together. Raises WitnessFileError."""
    try:
        encoded = block_header_rlp(content.block)
        if keccak256(encoded) != content.hash:
            raise WitnessFileError("the block has not the hash that the file names")
        header = decode_header(encoded)
    except EncodingError as error:
        raise WitnessFileError(f"block: {error}") from None
    if header.number != content.number:
        raise WitnessFileError(f"the block has number {header.number}, the file names {content.number}")
    return header


def parent_state_root(content: BlockWitness, header: Header) -> bytes | None:
    """The pre-state root that the block's parent hash binds: of the last header, if it is the parent's; else None.

    Raises EncodingError if the parent's header has the right hash and cannot be decoded.
    """
    if not content.witness.headers:
        return None
    parent = content.witness.headers[-1]
    if keccak256(parent) != header.parent_hash:
        return None
    return decode_header(parent).state_root
