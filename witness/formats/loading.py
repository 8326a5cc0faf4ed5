"""Finds out what a file is, and reads blocks with their witnesses from it. The content counts, not the file's name."""

import os
import re
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import WitnessFileError, WitnessFormatError
from ..file import MAGIC, SUFFIX, check_binding, map_witness_file
from ..model import BlockWitness, Octets, Witness
from . import block_json, geth_rlp, rpc_json, zkpig_json
from .assembly import Parts, assemble
from .json_field import parse_json
from .rpc_block import block_from_json

IMPORTABLE_SUFFIXES = (".json", ".json.gz", ".rlp", ".rlp.gz")
BLOCK_SUFFIX = ".block"  # the file beside a bare witness that holds its block
MAX_DOCUMENT = 512 << 20  # bytes, decompressed; the largest mainnet witness seen takes 100 times less as JSON
GZIP_MAGIC = b"\x1f\x8b"
RLP_LIST = 0xC0  # the first byte of a list's RLP is at least this
WITNESS_FILE = "witness_file"
FORMATS = (WITNESS_FILE, block_json.FORMAT, rpc_json.FORMAT, zkpig_json.FORMAT, geth_rlp.FORMAT)


def load(path: Path, *, chain_config: bytes | None = None) -> Iterator[BlockWitness]:
    """The blocks with their witnesses in `path`: a witness file, a document of another format, or a directory of them.

    A directory is read in the order of the numbers in its file names, files with other endings are passed over, and so
    are its subdirectories. A bare witness (geth's RLP, or a bare `debug_executionWitness` answer) needs its block in a
    file beside it, RLP or JSON: `NAME.block` for `NAME.rlp`, `NAME.json`, `NAME.json.gz`.

    chain_config: geth-genesis config JSON, for documents that are of its chain or do not say of which they are; all
    others name their own or are of a well-known chain. Raises WitnessFormatError, WitnessFileError, ChainConfigError.
    """
    if path.is_dir():
        paths = [each for each in path.iterdir() if each.name.endswith((SUFFIX, *IMPORTABLE_SUFFIXES))]
        paths = sorted((each for each in paths if not each.name.startswith(".")), key=_natural_order)
        if not paths:
            raise WitnessFormatError(f"{path}: no witness files and nothing to import in it")
    else:
        paths = [path]
    for each in paths:
        yield _load_file(each, chain_config)


def detect(data: Octets) -> str:
    """The format of a document, one of FORMATS; `data`: its content, decompressed. Raises WitnessFormatError."""
    if data[: len(MAGIC)] == MAGIC:
        return WITNESS_FILE
    if len(data) and data[0] >= RLP_LIST:
        geth_rlp.decode_witness_rlp(data)
        return geth_rlp.FORMAT
    return _detect_json(rpc_json.unwrapped(parse_json(data)))


def _detect_json(document: Any) -> str:
    if rpc_json.is_witness(document):
        return rpc_json.FORMAT
    if isinstance(document, dict):
        if zkpig_json.is_zkpig(document):
            return zkpig_json.FORMAT
        if block_json.is_block_json(document):
            return block_json.FORMAT
        if "witness" in document and "block" in document:
            return rpc_json.FORMAT
        if "number" in document and "parentHash" in document:
            raise WitnessFormatError("a block without its witness")
    raise WitnessFormatError("JSON of no known format: no block and witness in it")


def read_document(path: Path) -> bytes:
    """The content of a regular file, decompressed if it is gzip. Raises WitnessFormatError, also if it is too large."""
    try:
        # O_NONBLOCK: a FIFO in the place of a file must not hang the reader.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise WitnessFormatError("not a regular file")
            data = file.read(MAX_DOCUMENT + 1)
    except OSError as error:
        raise WitnessFormatError(f"{error.strerror}") from error
    if data[: len(GZIP_MAGIC)] == GZIP_MAGIC:
        data = _decompress(data)
    if len(data) > MAX_DOCUMENT:
        raise WitnessFormatError(f"more than {MAX_DOCUMENT} bytes")
    return data


def _decompress(data: bytes) -> bytes:
    """The gzip members of `data`, end to end; one byte more than MAX_DOCUMENT at most."""
    parts, length = [], 0
    try:
        while data and length <= MAX_DOCUMENT:
            member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
            parts.append(member.decompress(data, MAX_DOCUMENT + 1 - length))
            length += len(parts[-1])
            if not member.eof and length <= MAX_DOCUMENT:
                raise WitnessFormatError("gzip data is truncated")
            data = member.unused_data
    except zlib.error as error:
        raise WitnessFormatError(f"gzip data is damaged: {error}") from None
    return b"".join(parts)


def _load_file(path: Path, chain_config: bytes | None) -> BlockWitness:
    try:
        data = read_document(path)
        if data[: len(MAGIC)] == MAGIC:
            content = map_witness_file(path)
            check_binding(content)
            return content
        return assemble(_parts(data, path), chain_config)
    except WitnessFormatError as error:
        raise WitnessFormatError(f"{path}: {error}") from None
    except WitnessFileError as error:
        text = str(error)
        raise WitnessFileError(text if text.startswith(f"{path}: ") else f"{path}: {text}") from None


def _parts(data: bytes, path: Path) -> Parts:
    if data and data[0] >= RLP_LIST:
        return _pair(geth_rlp.FORMAT, geth_rlp.decode_witness_rlp(data), path)
    document = rpc_json.unwrapped(parse_json(data))
    detected = _detect_json(document)
    if rpc_json.is_witness(document):
        return _pair(rpc_json.FORMAT, rpc_json.witness_from_json(document), path)
    readers = {
        zkpig_json.FORMAT: zkpig_json.parts_from_json,
        block_json.FORMAT: block_json.parts_from_json,
        rpc_json.FORMAT: rpc_json.parts_from_json,
    }
    return readers[detected](document)


def _pair(name: str, witness: Witness, path: Path) -> Parts:
    """The parts of the bare witness at `path` with the block in the file beside it."""
    block = _block_beside(path)
    return Parts(format=name, block=block, state=witness.state, codes=witness.codes, headers=witness.headers)


def _block_beside(path: Path) -> bytes:
    name = next(
        (path.name.removesuffix(suffix) for suffix in IMPORTABLE_SUFFIXES if path.name.endswith(suffix)), path.name
    )
    beside = path.with_name(name + BLOCK_SUFFIX)
    if not beside.exists():
        raise WitnessFormatError(f"a witness without its block, which is expected in {beside}")
    data = read_document(beside)
    return data if data and data[0] >= RLP_LIST else block_from_json(parse_json(data))


def _natural_order(path: Path) -> list[tuple[bool, int, str]]:
    """Digits in a name count as numbers."""
    parts = re.split(r"([0-9]+)", path.name)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]
