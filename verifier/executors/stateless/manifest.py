"""adapter.toml: how an adapter is built and started. adapters/CONTRACT.md describes every key."""

import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

from verifier.errors import AdapterManifestError, UsageError

FILE_NAME = "adapter.toml"


@dataclass(frozen=True)
class Manifest:
    """One adapter's adapter.toml; folder: where it lies. Commands are argument lists, placeholders still in them."""

    name: str
    lineage: str
    description: str
    forks: tuple[str, ...]
    folder: Path
    start_command: tuple[str, ...]
    modules: tuple[str, ...] = ()
    toolchain: tuple[str, ...] = ()
    build_command: tuple[str, ...] = ()
    artifact: str | None = None
    inputs: tuple[str, ...] = ()
    recorder_start_command: tuple[str, ...] = ()

    @property
    def command(self) -> tuple[str, ...]:
        """The start command with {folder} and {python} filled in."""
        return self._filled_in(self.start_command)

    @property
    def recorder_command(self) -> tuple[str, ...]:
        """The command that starts its recorder, filled in; empty where it has none."""
        return self._filled_in(self.recorder_start_command)

    def _filled_in(self, command: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(part.replace("{folder}", str(self.folder)).replace("{python}", sys.executable) for part in command)

    @property
    def artifact_path(self) -> Path | None:
        """What the build leaves behind, or None where nothing is built."""
        return None if self.artifact is None else self.folder / self.artifact

    def unavailable_because(self) -> tuple[str, str] | None:
        """(state, reason) if it cannot be started: "not built", "toolchain missing", "packages missing"; else None."""
        missing = [module for module in self.modules if find_spec(module) is None]
        if missing:
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            return "packages missing", f"Python {version} has no package for: {', '.join(missing)}"
        artifact = self.artifact_path
        if artifact is None or artifact.exists():
            return None
        absent = self.missing_toolchain()
        if absent:
            return "toolchain missing", f"not on PATH: {', '.join(absent)}"
        return "not built", f"run `verifier adapters build {self.name}`"

    def missing_toolchain(self) -> list[str]:
        """The programs needed for building that are not on PATH."""
        return [program for program in self.toolchain if which(program) is None]


def read_manifest(path: Path) -> Manifest:
    """The manifest at `path`. Raises AdapterManifestError."""
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise AdapterManifestError(f"{path}: {error}") from None
    build, start = _table(document, "build", path), _table(document, "start", path)
    recorder = _table(document, "recorder", path)
    manifest = Manifest(
        name=_text(document, "name", path),
        lineage=_text(document, "lineage", path),
        description=_text(document, "description", path),
        forks=_texts(document, "forks", path),
        folder=path.parent.absolute(),
        start_command=_texts(start, "command", path),
        modules=_texts(start, "modules", path),
        toolchain=_texts(build, "toolchain", path),
        build_command=_texts(build, "command", path),
        artifact=_text(build, "artifact", path) if build else None,
        inputs=_texts(build, "inputs", path),
        recorder_start_command=_texts(recorder, "command", path),
    )
    if not manifest.start_command:
        raise AdapterManifestError(f"{path}: start.command is missing")
    return manifest


def read_manifests(directory: Path) -> list[Manifest]:
    """The manifests of all adapters below `directory`, by name. Raises AdapterManifestError."""
    manifests = sorted((read_manifest(path) for path in directory.glob(f"*/{FILE_NAME}")), key=lambda each: each.name)
    names = [manifest.name for manifest in manifests]
    for name in names:
        if names.count(name) > 1:
            raise AdapterManifestError(f"{directory}: two adapters are named {name}")
    return manifests


def select(manifests: Sequence[Manifest], names: Sequence[str]) -> list[Manifest]:
    """Those of `manifests` with the given names, in that order. Raises UsageError for a name that is not there."""
    by_name = {manifest.name: manifest for manifest in manifests}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise UsageError(f"no such adapter: {', '.join(unknown)} (there are: {', '.join(by_name) or 'none'})")
    return [by_name[name] for name in dict.fromkeys(names)]


def _table(document: dict[str, Any], key: str, path: Path) -> dict[str, Any]:
    value = document.get(key, {})
    if not isinstance(value, dict):
        raise AdapterManifestError(f"{path}: {key} is not a table")
    return value


def _text(document: dict[str, Any], key: str, path: Path) -> str:
    value = document.get(key)
    if not isinstance(value, str) or not value:
        raise AdapterManifestError(f"{path}: {key} is missing or not a string")
    return value


def _texts(document: dict[str, Any], key: str, path: Path) -> tuple[str, ...]:
    value = document.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise AdapterManifestError(f"{path}: {key} is not a list of strings")
    return tuple(value)
