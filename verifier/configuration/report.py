"""The effective configuration as it may be shown: never a secret, and every value with where it comes from."""

import json
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


def toml(effective: EffectiveConfiguration) -> str:
    """All values as a configuration file, with where each comes from; evidence bundles carry it (docs/disputes.md).

    What may be a password is not in it, and so it need not be the configuration that it was made from.
    """
    lines: list[str] = []
    section = ""
    for key, value, origin in entries(effective):
        if key.section != section:
            section = key.section
            lines += ["", f"[{section}]"]
        text = json.dumps("" if value is None else value, ensure_ascii=False)  # TOML writes these kinds as JSON does
        lines.append(f"{key.name} = {text}  # {' '.join(origin.split())}")
    return "\n".join(lines[1:]) + "\n"
