"""This machine: ports, directories, memory and room."""

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil

from verifier.configuration.kinds import ListenAddress
from verifier.configuration.sections import Configuration, WitnessSource

from .finding import Finding, fail, ok, warn

IN_MEMORY = ("tmpfs", "ramfs")
EMBEDDED_ROOM = 1 << 30  # bytes; every state since genesis is kept, some megabytes for a thousand small blocks
LEDGER_ROOM = 1 << 30  # bytes; a year of mainnet's votes between two finalities would fit


def check_machine(values: Configuration) -> Iterator[Finding]:
    """Findings on ports and storage."""
    yield from _ports(values)
    storage = values.storage
    yield from _directory("ledger", storage.ledger.parent, LEDGER_ROOM, in_memory=False)
    yield from _directory("witnesses", storage.witnesses, storage.witnesses_bytes, in_memory=True)
    if values.execution.witness is WitnessSource.EMBEDDED:
        yield from _directory("embedded", storage.embedded, EMBEDDED_ROOM, in_memory=False)
    if storage.archive is not None:
        yield from _directory("archive", storage.archive, storage.archive_bytes or 0, in_memory=False)


def _ports(values: Configuration) -> Iterator[Finding]:
    for name, enabled, address in (
        ("[engine] listen", values.engine.enabled, values.engine.listen),
        ("[beacon] listen", values.beacon.enabled, values.beacon.listen),
        ("[telemetry] listen", True, values.telemetry.listen),
    ):
        if not enabled or address is None:
            continue
        reason = _bind(address)
        if reason is None:
            yield ok(name, f"{address} is free")
        else:
            remedy = "fine if it is the sidecar itself that runs; else end what is there, or choose another port"
            yield warn(name, f"{address}: {reason}", remedy)


def _bind(address: ListenAddress) -> str | None:
    """Why nobody can listen there now; None if one can."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(place)
            trial.listen(1)
    except OSError as error:
        return error.strerror or str(error)
    return None


def _directory(subject: str, directory: Path, room: int, *, in_memory: bool) -> Iterator[Finding]:
    existing = next(each for each in (directory.absolute(), *directory.absolute().parents) if each.exists())
    if not existing.is_dir():
        yield fail(subject, f"{existing} is not a directory", "choose another place, see [storage]")
        return
    if not os.access(existing, os.W_OK | os.X_OK):
        yield fail(
            subject, f"{existing} cannot be written to by this user", f"make {directory} for it, or choose another"
        )
        return
    free = shutil.disk_usage(existing).free
    kind = _file_system(existing)
    where = f"{directory} ({kind}, {free / 1e9:.1f} GB free)"
    if free < room:
        yield warn(subject, f"{where}: less than the {room / 1e9:.1f} GB that may be kept", "make room, or keep less")
    elif in_memory and kind not in IN_MEMORY:
        remedy = (
            "put [storage] witnesses on tmpfs (/run, /dev/shm): forcing a file to a disk takes longer than a verdict"
        )
        yield warn(subject, f"{where}: not in memory", remedy)
    elif not in_memory and kind in IN_MEMORY:
        yield warn(subject, f"{where}: gone when this machine restarts", "put it on a disk, see [storage]")
    else:
        yield ok(subject, where)


def _file_system(path: Path) -> str:
    resolved = path.resolve()
    mounts = {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
    return next((mounts[each] for each in (resolved, *resolved.parents) if each in mounts), "unknown")
