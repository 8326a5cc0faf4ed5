"""Builds an adapter by its own build system."""

import os
import subprocess
from pathlib import Path

from verifier.errors import AdapterBuildError, AdapterUnavailableError

from .manifest import Manifest

# Our own compiled code changes these; everything else of a client lies in its package cache.
SKIPPED_FOLDERS = {"target", "node_modules", "bin", "__pycache__"}


def is_current(manifest: Manifest) -> bool:
    """Whether the artifact exists and is newer than every input (always, where nothing is built)."""
    artifact = manifest.artifact_path
    if artifact is None:
        return True
    if not artifact.exists():
        return False
    built = artifact.stat().st_mtime
    return all(path.stat().st_mtime <= built for path in _inputs(manifest))


def build(manifest: Manifest, *, log: Path | None = None) -> bool:
    """Builds the adapter if it is not current; True if it was built. Output goes to `log`, or to the terminal.

    Raises AdapterUnavailableError where the toolchain is missing, AdapterBuildError where the build fails.
    """
    if is_current(manifest):
        return False
    absent = manifest.missing_toolchain()
    if absent:
        raise AdapterUnavailableError(f"{manifest.name}: toolchain missing: not on PATH: {', '.join(absent)}")
    if log is None:
        status = subprocess.run(manifest.build_command, cwd=manifest.folder, check=False).returncode  # noqa: S603
    else:
        with log.open("wb") as output:
            status = subprocess.run(  # noqa: S603 - the command is the adapter's own, from its manifest
                manifest.build_command, cwd=manifest.folder, check=False, stdout=output, stderr=subprocess.STDOUT
            ).returncode
    artifact = manifest.artifact_path
    if status != 0 or artifact is None or not artifact.exists():
        where = f", see {log}" if log else ""
        raise AdapterBuildError(f"{manifest.name}: `{' '.join(manifest.build_command)}` ended with {status}{where}")
    artifact.touch()  # a build system that finds nothing to do leaves the old time
    return True


def _inputs(manifest: Manifest) -> list[Path]:
    found = (path for pattern in manifest.inputs for path in manifest.folder.glob(pattern))
    return [
        path
        for path in found
        if path.is_file() and not SKIPPED_FOLDERS.intersection(Path(os.path.relpath(path, manifest.folder)).parts[:-1])
    ]
