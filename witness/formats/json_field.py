"""Values out of JSON documents of other programs, and back: hexadecimal bytes and quantities, lists, objects.

Every function takes the field's name for its error, which is always WitnessFormatError.
"""

import json
from collections.abc import Sequence
from typing import Any

from ..errors import WitnessFormatError
from ..json_document import load_json
from ..model import Octets

Document = dict[str, Any]
QUANTITY_LIMIT = 1 << 256


def parse_json(data: Octets) -> Any:
    """The JSON value in UTF-8 `data`."""
    try:
        return load_json(data)
    except (ValueError, RecursionError) as error:
        raise WitnessFormatError(f"not JSON: {error}") from None


def canonical_json(document: object) -> bytes:
    """UTF-8 JSON with sorted keys and no white space: the same content gives the same bytes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def as_object(value: object, name: str) -> Document:
    """`value`, if it is a JSON object."""
    if not isinstance(value, dict):
        raise WitnessFormatError(f"{name} is not a JSON object")
    return value


def as_list(value: object, name: str) -> list[Any]:
    """`value`, if it is a JSON list; an empty one for null."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise WitnessFormatError(f"{name} is not a JSON list")
    return value


def as_octets(value: object, name: str, length: int | None = None) -> bytes:
    """The bytes of a `0x…` string; length: how many there must be."""
    if not isinstance(value, str) or not value.startswith("0x"):
        raise WitnessFormatError(f"{name} is not a 0x… string")
    try:
        octets = bytes.fromhex(value[2:])
    except ValueError:
        octets = b""
    if 2 * len(octets) + 2 != len(value):  # fromhex skips white space
        raise WitnessFormatError(f"{name} is not hexadecimal bytes")
    if length is not None and len(octets) != length:
        raise WitnessFormatError(f"{name} has {len(octets)} bytes, {length} expected")
    return octets


def as_octets_list(value: object, name: str) -> list[bytes]:
    """The elements of a list of `0x…` strings."""
    return [as_octets(element, f"{name}[{index}]") for index, element in enumerate(as_list(value, name))]


def as_quantity(value: object, name: str) -> int:
    """A number from 0 to 2^256 - 1: an integer, or a `0x…` string."""
    number = -1
    if isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and value.startswith("0x") and value[2:].isalnum() and value.isascii():
        try:
            number = int(value, 16)
        except ValueError:
            number = -1
    if not 0 <= number < QUANTITY_LIMIT:
        raise WitnessFormatError(f"{name} is not a quantity")
    return number


def first_present(document: Document, names: Sequence[str]) -> Any:
    """The value under the first of `names` that is there and not null, else None."""
    return next((document[name] for name in names if document.get(name) is not None), None)


def hex_octets(octets: Octets) -> str:
    """`octets` as a `0x…` string."""
    return "0x" + octets.hex()


def hex_quantity(number: int) -> str:
    """`number` as a `0x…` string without leading zeros."""
    return hex(number)
