"""Values of the core as canonical JSON, and back: what the types of a dataclass say is how it is written.

Bytes are "0x…", sets sorted lists, alternatives of several dataclasses objects with their "type". Integers are exact,
whatever their size. Nothing that was read is believed: unknown keys, other types and texts of more than one printable
line are errors; a field that is absent has its default.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from witness.json_document import load_json

TYPE = "type"  # the key that says which of several dataclasses an object is
LONGEST_NUMBER = 128  # characters of a number; 2 ** 256 has 78 digits
# What a client's text must not bring into a file that is passed on: a password in an address, a token (RFC 7519).
_USERINFO = re.compile(r"(://)[^/\s'\"]*@")
_JWT = re.compile(r"eyJ[A-Za-z0-9_=-]*\.[A-Za-z0-9_=.-]*")
_WORDS = re.compile(r"(?<!^)(?=[A-Z])")


class DocumentError(ValueError):
    """JSON that is not what it should be. `str(error)` says where and why in one line."""


def canonical(value: Any) -> bytes:
    """The JSON value as the only bytes that stand for it: keys sorted, no spaces, ASCII, a newline at the end."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def parse(encoded: bytes) -> Any:
    """The JSON value in `encoded`. Raises DocumentError, also for a key that stands twice in one object."""
    try:
        return load_json(encoded, _members)
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"not JSON: {_printable(str(error))[:200]}") from None


def encode(value: Any, kind: Any) -> Any:
    """The JSON value for `value`, which is of the type `kind`. Raises DocumentError for a number that JSON lacks."""
    return _codec(kind).encode(value)


def decode(document: Any, kind: Any) -> Any:
    """The value of the type `kind` that `document` stands for. Raises DocumentError."""
    return _codec(kind).decode(document, "")


def one_line(text: str) -> str:
    """The text on one printable line, without what may be a secret."""
    return _JWT.sub("[removed]", _USERINFO.sub(r"\1", _printable(text)))


def type_name(kind: type) -> str:
    """How an alternative is named: TransactionStart → "transaction_start"."""
    return _WORDS.sub("_", kind.__name__).lower()


class _Codec:
    """Two functions: to JSON, and from it (with where it stands, for messages)."""

    def __init__(self, encode: Callable[[Any], Any], decode: Callable[[Any, str], Any]) -> None:
        self.encode = encode
        self.decode = decode


@cache
def _codec(kind: Any) -> _Codec:
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _union(arguments)
    if origin is tuple:
        return _tuple(arguments)
    if origin is frozenset:
        return _set(_codec(arguments[0]))
    if origin is Mapping:
        return _mapping(*arguments)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _enum(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        return _dataclass(kind)
    raise TypeError(f"no documents of {kind}")


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return members


def _expect(document: Any, kind: type, where: str) -> Any:
    if not isinstance(document, kind) or (kind is int and isinstance(document, bool)):
        raise DocumentError(f"{where or 'document'}: is no {_JSON_NAMES[kind]}")
    return document


def _read_text(document: Any, where: str) -> str:
    text: str = _expect(document, str, where)
    if not text.isprintable():
        raise DocumentError(f"{where}: is not one printable line")
    return text


def _read_octets(document: Any, where: str) -> bytes:
    text = _expect(document, str, where)
    if text[:2] == "0x" and text == text.lower() and text.isascii():
        try:
            octets = bytes.fromhex(text[2:])
        except ValueError:
            octets = None
        if octets is not None and len(text) == 2 + 2 * len(octets):
            return octets
    raise DocumentError(f"{where}: is not 0x and pairs of lowercase hexadecimal digits")


def _write_octets(octets: bytes) -> str:
    return f"0x{octets.hex()}"


def _write_float(number: float) -> float:
    if not math.isfinite(number):
        raise DocumentError(f"{number} is no number that JSON has")
    return float(number)


def _read_float(document: Any, where: str) -> float:
    if isinstance(document, bool) or not isinstance(document, int | float):
        raise DocumentError(f"{where}: is no number")
    try:
        number = float(document)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise DocumentError(f"{where}: is no finite number")
    return number


def _read_integer(document: Any, where: str) -> int:
    number: int = _expect(document, int, where)
    if number.bit_length() > 4 * LONGEST_NUMBER:
        raise DocumentError(f"{where}: is too large a number")
    return number


def _plain(kind: type) -> _Codec:
    return _Codec(lambda value: value, lambda document, where: _expect(document, kind, where))


_JSON_NAMES = {str: "string", int: "integer", bool: "true or false", list: "list", dict: "object"}
_PLAIN = {
    str: _Codec(one_line, _read_text),
    int: _Codec(int, _read_integer),
    bool: _plain(bool),
    float: _Codec(_write_float, _read_float),
    bytes: _Codec(_write_octets, _read_octets),
}


def _enum(kind: type[StrEnum]) -> _Codec:
    def read(document: Any, where: str) -> StrEnum:
        text = _expect(document, str, where)
        if text not in {str(each) for each in kind}:
            raise DocumentError(f"{where}: is none of {', '.join(kind)}")
        return kind(text)

    return _Codec(str, read)


def _union(alternatives: tuple[Any, ...]) -> _Codec:
    optional = NoneType in alternatives
    kinds = [each for each in alternatives if each is not NoneType]
    inner = _codec(kinds[0]) if len(kinds) == 1 else _tagged({type_name(each): each for each in kinds})
    if not optional:
        return inner
    return _Codec(
        lambda value: None if value is None else inner.encode(value),
        lambda document, where: None if document is None else inner.decode(document, where),
    )


def _tagged(kinds: Mapping[str, Any]) -> _Codec:
    def write(value: Any) -> dict[str, Any]:
        name = type_name(type(value))
        return {TYPE: name, **_codec(kinds[name]).encode(value)}

    def read(document: Any, where: str) -> Any:
        members = dict(_expect(document, dict, where))
        name = members.pop(TYPE, None)
        if not isinstance(name, str) or name not in kinds:
            raise DocumentError(f"{where}: {TYPE} is none of {', '.join(kinds)}")
        return _codec(kinds[name]).decode(members, where)

    return _Codec(write, read)


def _tuple(arguments: tuple[Any, ...]) -> _Codec:
    if len(arguments) != 2 or arguments[1] is not Ellipsis:
        raise TypeError("only tuples of any length of one type")
    inner = _codec(arguments[0])

    def read(document: Any, where: str) -> tuple[Any, ...]:
        elements = _expect(document, list, where)
        return tuple(inner.decode(each, f"{where}[{index}]") for index, each in enumerate(elements))

    return _Codec(lambda value: [inner.encode(each) for each in value], read)


def _set(inner: _Codec) -> _Codec:
    def read(document: Any, where: str) -> frozenset[Any]:
        return frozenset(inner.decode(each, where) for each in _expect(document, list, where))

    return _Codec(lambda value: sorted(inner.encode(each) for each in value), read)


def _mapping(key: Any, value: Any) -> _Codec:
    """Keys are strings in JSON: integers in decimal, bytes in hexadecimal."""
    values, number = _codec(value), key is int
    keys = _codec(str if number else key)

    def read_key(text: str, where: str) -> Any:
        if not number:
            return keys.decode(text, where)
        if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER and str(int(text)) == text):
            raise DocumentError(f"{where}: a key is no integer")
        return int(text)

    def write(mapping: Mapping[Any, Any]) -> dict[str, Any]:
        return {keys.encode(str(each) if number else each): values.encode(mapping[each]) for each in mapping}

    def read(document: Any, where: str) -> dict[Any, Any]:
        members = sorted(_expect(document, dict, where).items())
        return {
            read_key(each, where): values.decode(member, f"{where}.{_printable(each)[:80]}") for each, member in members
        }

    return _Codec(write, read)


def _dataclass(kind: Any) -> _Codec:
    hints = get_type_hints(kind)
    members = {each.name: each for each in fields(kind)}
    required = {name for name, each in members.items() if each.default is MISSING and each.default_factory is MISSING}

    def write(value: Any) -> dict[str, Any]:
        return {name: _codec(hints[name]).encode(getattr(value, name)) for name in members}

    def read(document: Any, where: str) -> Any:
        given = _expect(document, dict, where)
        unknown, absent = given.keys() - members.keys(), required - given.keys()
        if unknown or absent:
            what = f"unknown key {_printable(min(unknown))[:80]}" if unknown else f"{min(absent)} is missing"
            raise DocumentError(f"{where or type_name(kind)}: {what}")
        prefix = f"{where}." if where else ""
        return kind(**{name: _codec(hints[name]).decode(each, f"{prefix}{name}") for name, each in given.items()})

    return _Codec(write, read)
