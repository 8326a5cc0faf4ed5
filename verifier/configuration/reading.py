"""Merges flags, environment, file and defaults, strictly: what is unknown or of the wrong kind is an error."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verifier.errors import ConfigurationError

from .checks import contradictions
from .kinds import FILE
from .sections import KEYS, SECTIONS, Configuration, Key

PREFIX = "VERIFIER_"
# Of other parts of this project; everything else that starts with the prefix is taken for a misspelled key.
OTHER_VARIABLES = frozenset(
    {"VERIFIER_ADAPTERS", "VERIFIER_ALL_FIXTURES", "VERIFIER_EVERY_DROP", "VERIFIER_EVERY_OBLIGATION", "VERIFIER_SEED"}
)
# Large enough for any comment; a file of another kind, given by mistake, is not read whole.
LARGEST_FILE = 1_000_000  # bytes


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from. kind: "flag", "environment", "file" or "default". name: which one, for messages."""

    kind: str
    name: str

    def __str__(self) -> str:
        return self.kind if not self.name else f"{self.kind} {self.name}"


DEFAULT = Origin("default", "")


@dataclass(frozen=True, slots=True)
class EffectiveConfiguration:
    """The configuration, and for each key where its value comes from."""

    values: Configuration
    origins: Mapping[tuple[str, str], Origin]
    path: Path | None = None

    def refuse(self, section: str, name: str, reason: str) -> ConfigurationError:
        """The error for a value that cannot be, naming where it was set."""
        origin = self.origins[section, name]
        if origin is DEFAULT and self.path is not None:
            origin = Origin("file", str(self.path))  # where it is missing
        return _error(origin, _key(section, name), reason)


def read_configuration(
    path: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, str] | None = None,
) -> EffectiveConfiguration:
    """The effective configuration. flags: "--section-key" → text, those that were given.

    Relative paths are relative to the file that names them, those of flags and environment to the working directory.
    Raises ConfigurationError: the file, the key and the reason in one line.
    """
    given: dict[tuple[str, str], tuple[Origin, Any]] = {}
    for key, origin, value in (
        *(() if path is None else _from_file(path)),
        *_from_environment(environment or {}),
        *_from_flags(flags or {}),
    ):
        given[key.section, key.name] = (origin, value)
    values = Configuration(
        **{
            section: of(**{name: value for (within, name), (_, value) in given.items() if within == section})
            for section, of in SECTIONS.items()
        }
    )
    origins = {(key.section, key.name): given.get((key.section, key.name), (DEFAULT, None))[0] for key in KEYS}
    effective = EffectiveConfiguration(values, origins, path)
    for section, name, reason in contradictions(values):
        raise effective.refuse(section, name, reason)
    return effective


def _from_file(path: Path) -> Iterator[tuple[Key, Origin, Any]]:
    origin = Origin("file", str(path))
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise ConfigurationError(f"{path}: larger than {LARGEST_FILE} bytes; this is no configuration")
        document = tomllib.loads(content.decode())
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: not TOML: {error}") from None
    for section, table in document.items():
        if section not in SECTIONS:
            raise ConfigurationError(f"{path}: [{section}]: no such section (there are: {', '.join(SECTIONS)})")
        if not isinstance(table, dict):
            raise ConfigurationError(f"{path}: {section}: is not a table")
        for name, raw in table.items():
            try:
                key = _key(section, name)
            except KeyError:
                known = ", ".join(each.name for each in KEYS if each.section == section)
                raise ConfigurationError(f"{path}: [{section}] {name}: no such key (there are: {known})") from None
            if raw == "" and key.kind.optional:
                yield key, origin, None
                continue
            value = _read(key, origin, key.kind.from_toml, raw)
            yield key, origin, path.parent / value if key.kind.name == FILE.name else value


def _from_environment(environment: Mapping[str, str]) -> Iterator[tuple[Key, Origin, Any]]:
    by_variable = {key.variable: key for key in KEYS}
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in OTHER_VARIABLES:
            continue
        if name not in by_variable:
            raise ConfigurationError(f"environment: {name}: no such key; variables are VERIFIER_SECTION_KEY")
        yield _from_text(by_variable[name], Origin("environment", name), environment[name])


def _from_flags(flags: Mapping[str, str]) -> Iterator[tuple[Key, Origin, Any]]:
    by_flag = {key.flag: key for key in KEYS}
    for name, text in flags.items():
        if name not in by_flag:
            raise ConfigurationError(f"flag: {name}: no such key")
        yield _from_text(by_flag[name], Origin("flag", name), text)


def _from_text(key: Key, origin: Origin, text: str) -> tuple[Key, Origin, Any]:
    if not text and key.kind.optional:
        return key, origin, None
    return key, origin, _read(key, origin, key.kind.from_text, text)


def _read(key: Key, origin: Origin, read: Any, raw: Any) -> Any:
    try:
        return read(raw)
    except ValueError as error:
        raise _error(origin, key, str(error)) from None


def _error(origin: Origin, key: Key, reason: str) -> ConfigurationError:
    where = origin.name or "configuration"
    reason = " ".join(reason.split())
    return ConfigurationError(f"{where}: {key}: {reason}")


def _key(section: str, name: str) -> Key:
    for each in KEYS:
        if (each.section, each.name) == (section, name):
            return each
    raise KeyError(name)
