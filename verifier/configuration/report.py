"""The effective configuration as it may be shown: never a secret, and every value with where it comes from."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

from .kinds import WEB_ADDRESS, Checkpoint, ListenAddress, redacted
from .reading import EffectiveConfiguration
from .sections import KEYS, Key


def shown(key: Key, value: Any) -> Any:
    """A value as JSON would have it. Secret files are named, not read; addresses lose what may be a password."""
    if isinstance(value, str) and key.kind.name == WEB_ADDRESS.name:
        return redacted(value)
    if isinstance(value, Path | ListenAddress | Checkpoint | StrEnum):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def entries(effective: EffectiveConfiguration) -> Iterator[tuple[Key, Any, str]]:
    """(key, shown value, where it comes from) of every key, in the order of the sections."""
    for key in KEYS:
        value = getattr(getattr(effective.values, key.section), key.name)
        yield key, shown(key, value), str(effective.origins[key.section, key.name])


def document(effective: EffectiveConfiguration) -> dict[str, dict[str, dict[str, Any]]]:
    """Section → key → {"value", "from"}."""
    result: dict[str, dict[str, dict[str, Any]]] = {}
    for key, value, origin in entries(effective):
        result.setdefault(key.section, {})[key.name] = {"value": value, "from": origin}
    return result
