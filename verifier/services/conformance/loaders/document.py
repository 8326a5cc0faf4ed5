"""JSON documents from files, and the values in them."""

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from witness.json_document import load_json

from .errors import FixtureError

MAXIMUM_LENGTH = 1 << 29  # bytes of a document, decompressed; the largest fixture file known has 200 MB
GZIP_MAGIC = b"\x1f\x8b"
QUANTITY_LIMIT = 1 << 256


def parse_json(data: bytes) -> Any:
    """The JSON in `data`. Raises FixtureError."""
    try:
        return load_json(data)
    except (ValueError, RecursionError) as error:
        raise FixtureError(f"not JSON: {error}") from None


def parse_fixtures(data: bytes) -> Any:
    """The JSON in `data`, several times as fast. Raises FixtureError.

    A number of more than 64 bits that is not in a string becomes a float, which nothing takes for a number.
    """
    try:
        return orjson.loads(data)
    except ValueError as error:
        raise FixtureError(f"not JSON: {error}") from None


def read_document(path: Path, parse: Callable[[bytes], Any] = parse_fixtures) -> Any:
    """The JSON in a file, which may be compressed by gzip (told by content). Raises FixtureError.

    parse: `parse_json` where numbers may have more than 64 bits.
    """
    try:
        with path.open("rb") as raw:
            compressed = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            raw.seek(0)
            if compressed:
                with gzip.open(raw) as file:
                    data = file.read(MAXIMUM_LENGTH + 1)
            else:
                data = raw.read(MAXIMUM_LENGTH + 1)
    except (EOFError, zlib.error) as error:
        raise FixtureError(f"{path}: {error}") from None
    except OSError as error:
        raise FixtureError(f"{path}: {error.strerror or error}") from None
    if len(data) > MAXIMUM_LENGTH:
        raise FixtureError(f"{path}: more than {MAXIMUM_LENGTH} bytes")
    try:
        return parse(data)
    except FixtureError as error:
        raise FixtureError(f"{path}: {error}") from None


def mapping(value: Any, name: str) -> dict[str, Any]:
    """`value`, if it is a JSON object. Raises FixtureError."""
    if not isinstance(value, dict):
        raise FixtureError(f"{name}: a JSON object is expected")
    return value


def sequence(value: Any, name: str) -> list[Any]:
    """`value`, if it is a JSON array. Raises FixtureError."""
    if not isinstance(value, list):
        raise FixtureError(f"{name}: a JSON array is expected")
    return value


def text(value: Any, name: str) -> str:
    """`value`, if it is a JSON string. Raises FixtureError."""
    if not isinstance(value, str):
        raise FixtureError(f"{name}: a string is expected")
    return value


def quantity(value: Any, name: str, limit: int = QUANTITY_LIMIT) -> int:
    """A number below `limit`: a JSON number, or a string in decimal or with 0x in hex (leading zeros allowed)."""
    try:
        if isinstance(value, str):
            digits = value.removeprefix("0x")
            number = int(digits or "0", 16) if value.startswith("0x") else int(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            number = value
        else:
            raise ValueError
    except ValueError:
        raise FixtureError(f"{name}: {str(value)[:80]!r} is not a number") from None
    if not 0 <= number < limit:
        raise FixtureError(f"{name}: {str(value)[:80]!r} is out of range")
    return number


def octets(value: Any, name: str, length: int | None = None) -> bytes:
    """Bytes in hex, with or without 0x; exactly `length` of them where given. Raises FixtureError."""
    string = text(value, name).removeprefix("0x")
    try:
        data = bytes.fromhex(string)
    except ValueError:
        raise FixtureError(f"{name}: {string[:80]!r} is not hex") from None
    if len(data) * 2 != len(string):  # bytes.fromhex skips white space
        raise FixtureError(f"{name}: {string[:80]!r} is not hex")
    if length is not None and len(data) != length:
        raise FixtureError(f"{name}: {len(data)} bytes, {length} expected")
    return data


def integer_octets(number: int) -> bytes:
    """The number big-endian without leading zeros, as RLP wants it."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
