"""Kinds of configured values: how each is read from TOML, and from the text of a flag or an environment variable."""

import ipaddress
import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

LONGEST_NAME = 20  # characters of a URL's path segment that is shown; longer ones tend to be access keys
TRUE_WORDS, FALSE_WORDS = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value. name: for people. from_toml, from_text: raise ValueError with the reason, without the value
    where that could be a secret. optional: the empty text stands for "not set"."""

    name: str
    from_toml: Callable[[Any], Any]
    from_text: Callable[[str], Any]
    optional: bool = False


def optional(kind: Kind) -> Kind:
    """The same kind, of a value that need not be there."""
    return Kind(kind.name, kind.from_toml, kind.from_text, optional=True)


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where a server binds. port 0: any free one. host: an IP address, or "localhost"."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A block that the operator trusts. state_root: if given, the block's must be this one. Both 32 bytes."""

    block_hash: bytes
    state_root: bytes | None = None

    def __str__(self) -> str:
        root = "" if self.state_root is None else f":0x{self.state_root.hex()}"
        return f"0x{self.block_hash.hex()}{root}"


def _typed(name: str, kind: type, value: Any) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"is not {name}")
    return value


def _text(value: Any) -> str:
    text: str = _typed("a text", str, value)
    if not text:
        raise ValueError("is empty")
    return text


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("is not a number of seconds")
    if not math.isfinite(value) or value < 0:
        raise ValueError("is not a number of seconds from 0 on")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("is not a whole number")
    if value < 0:
        raise ValueError(f"{value} is below 0")
    return value


def _number(read: Callable[[Any], Any], parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def from_text(text: str) -> Any:
        try:
            value = parse(text)
        except ValueError:
            value = None
        return read(value)

    return from_text


def _switch(text: str) -> bool:
    if text.lower() in TRUE_WORDS:
        return True
    if text.lower() in FALSE_WORDS:
        return False
    raise ValueError("is neither true nor false")


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise ValueError("is not a list of names")
    if len(set(value)) != len(value):
        raise ValueError("names something twice")
    return tuple(value)


def _web_address(value: Any) -> str:
    text = _text(value)
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or any(character.isspace() for character in text):
        raise ValueError("is not an http:// or https:// address")
    return text


def _listen(value: Any) -> ListenAddress:
    text = _text(value)
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is not HOST:PORT")
    if host != "localhost":
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise ValueError(f"{text!r}: {host!r} is neither an IP address nor localhost") from None
    return ListenAddress(host, int(port))


def _hash(text: str) -> bytes:
    try:
        value = bytes.fromhex(text.removeprefix("0x")) if text.startswith("0x") else b""
    except ValueError:
        value = b""
    if len(value) != 32:
        raise ValueError(f"{text!r} is not a hash: 0x and 64 hexadecimal digits")
    return value


def _checkpoint(value: Any) -> Checkpoint:
    block_hash, separator, state_root = _text(value).partition(":")
    return Checkpoint(_hash(block_hash), _hash(state_root) if separator else None)


def _file(value: Any) -> Path:
    text = _text(value)
    if "\0" in text:
        raise ValueError("is not a path")
    return Path(text)


def _comma_separated(text: str) -> tuple[str, ...]:
    return _names([name.strip() for name in text.split(",")] if text.strip() else [])


TEXT = Kind("text", _text, _text)
SECONDS = Kind("seconds", _seconds, _number(_seconds, float))
COUNT = Kind("whole number", _count, _number(_count, int))
SWITCH = Kind("true or false", lambda value: _typed("true or false", bool, value), _switch)
NAMES = Kind("names", _names, _comma_separated)
WEB_ADDRESS = Kind("URL", _web_address, _web_address)
LISTEN = Kind("host:port", _listen, _listen)
FILE = Kind("path", _file, _file)
CHECKPOINT = Kind("block hash[:state root]", _checkpoint, _checkpoint)


def choice(words: type[StrEnum]) -> Kind:
    """One of an enumeration's words."""

    def read(value: Any) -> StrEnum:
        try:
            return words(value)
        except ValueError:
            raise ValueError(f"{value!r} is none of: {', '.join(words)}") from None

    return Kind(" | ".join(words), read, read)


def redacted(address: str) -> str:
    """A URL as it may be shown: no user, password or query, and no path segment that looks like an access key."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    netloc = f"…@{host}" if "@" in parts.netloc else host
    path = "/".join("…" if len(each) > LONGEST_NAME else each for each in parts.path.split("/"))
    return urlunsplit(SplitResult(parts.scheme, netloc, path, "…" if parts.query else "", ""))
