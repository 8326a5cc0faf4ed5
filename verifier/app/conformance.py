"""Puts a conformance run together: what is run, who takes part, and who works on it."""

import asyncio
import fcntl
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from shutil import rmtree
from tempfile import gettempdir, mkdtemp

import psutil

from verifier.app.adapters import configured_adapters
from verifier.domain.conformance import CaseName
from verifier.domain.result import Mode
from verifier.errors import AdapterUnavailableError, UsageError
from verifier.executors.stateless.inspection import Inspection, inspect
from verifier.executors.stateless.manifest import Manifest
from verifier.services.conformance.batch import Batch
from verifier.services.conformance.clients import OpenRecorder
from verifier.services.conformance.distribution import in_process, on_cluster
from verifier.services.conformance.examination import DEADLINE
from verifier.services.conformance.reasons import classes_of_reason
from verifier.services.conformance.recorders.client import ClientRecorder
from verifier.services.conformance.recorders.embedded import CLIENT as EMBEDDED_CLIENT
from verifier.services.conformance.recorders.embedded import EmbeddedRecorder
from verifier.services.conformance.report.facts import Participant
from verifier.services.conformance.workbench import ExaminedBatch, WorkbenchSettings
from verifier.services.sources import SCRATCH

SCRATCH_PREFIX = "verifier-conformance-"
EMBEDDED = "embedded"


@dataclass(frozen=True)
class ConformanceRun:
    """How a run is done. workers: processes on this machine; address: of a Dask scheduler, instead of those."""

    manifests: tuple[Manifest, ...]
    recorder: str
    takes: Callable[[CaseName], bool]
    mode: Mode = Mode.PROOF
    deadline: float = DEADLINE
    keep: Path | None = None
    workers: int = 1
    address: str | None = None

    def __call__(self, batches: Sequence[Batch]) -> Iterator[ExaminedBatch]:
        """Each batch as it is done. Raises ClusterError, AdapterUnavailableError, and what reading a file raises."""
        if not batches:
            return  # resumed at the very end: nobody has to be started
        with _scratch(self.address) as scratch:
            settings = WorkbenchSettings(
                manifests=self.manifests,
                open_recorder=recorder_named(self.recorder, self.mode),
                takes=self.takes,
                # One to each core: the recorder is what every test waits for, and is faster than most adapters.
                recorders=max(1, (os.cpu_count() or 1) // self.workers) if self.address is None else 1,
                mode=self.mode,
                deadline=self.deadline,
                keep=self.keep.absolute() if self.keep is not None else None,
                scratch=scratch,
            )
            yield from self._spread(batches, settings)

    def _spread(self, batches: Iterable[Batch], settings: WorkbenchSettings) -> Iterator[ExaminedBatch]:
        if self.address is None and self.workers == 1:
            return in_process(batches, settings)
        return on_cluster(batches, settings, workers=self.workers, address=self.address)


@contextmanager
def _scratch(address: str | None) -> Iterator[Path | None]:
    """A directory for all workers of this machine, so that nothing of a killed one is left. None: elsewhere."""
    if address is not None:
        yield None
        return
    base = SCRATCH if SCRATCH.is_dir() else Path(gettempdir())
    _remove_abandoned(base)
    directory = Path(mkdtemp(prefix=SCRATCH_PREFIX, dir=base))
    try:
        with _held(directory):
            yield directory
    finally:
        rmtree(directory, ignore_errors=True)


def _remove_abandoned(base: Path) -> None:
    """What runs have left that were killed: nobody holds it any more."""
    for directory in base.glob(f"{SCRATCH_PREFIX}*"):
        with suppress(OSError), _held(directory):
            rmtree(directory, ignore_errors=True)


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    """Held by this process until it ends, however it ends. Raises BlockingIOError if another does, OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def recorder_named(name: str, mode: Mode = Mode.PROOF) -> OpenRecorder:
    """The embedded executor, or the recorder of the adapter with this name. Raises UsageError."""
    if name == EMBEDDED:
        return partial(EmbeddedRecorder, sections=mode is Mode.PRESTATE, of_reason=classes_of_reason)
    if mode is Mode.PRESTATE:
        raise UsageError(f"for prestate mode values are recorded by {EMBEDDED} alone, {name} records proofs")
    (manifest,) = configured_adapters([name])
    if not manifest.recorder_command:
        having = [each.name for each in configured_adapters() if each.recorder_command]
        raise UsageError(f"{name} has no recorder (there are: {', '.join([EMBEDDED, *having])})")
    return partial(ClientRecorder, manifest, of_reason=classes_of_reason)


@dataclass(frozen=True)
class Clients:
    """The adapters that are asked, and in one line each those that are left out."""

    inspections: tuple[Inspection, ...]
    absent: tuple[str, ...] = ()

    @property
    def manifests(self) -> tuple[Manifest, ...]:
        """Of those that are asked."""
        return tuple(each.manifest for each in self.inspections)

    @property
    def versions(self) -> dict[str, str]:
        """Adapter → its client's version."""
        return {each.manifest.name: _version(each) for each in self.inspections}

    def participants(self, recorder: str) -> tuple[Participant, ...]:
        """As reports list them, the recorder first."""
        adapters = [Participant(each.manifest.name, _version(each), each.manifest.lineage) for each in self.inspections]
        name = EMBEDDED_CLIENT if recorder == EMBEDDED else recorder
        same = next((each for each in adapters if each.client == name), Participant(name, lineage=lineage_of(recorder)))
        return (replace(same, stateful=True), *adapters)


def lineage_of(recorder: str) -> str:
    """Of a recorder that is not among the adapters."""
    return EMBEDDED_CLIENT if recorder == EMBEDDED else configured_adapters([recorder])[0].lineage


def _version(inspection: Inspection) -> str:
    return inspection.description.client_version if inspection.description is not None else ""


def inspected(manifests: Sequence[Manifest], *, available: bool = False) -> Clients:
    """Who can be started; others are left out where only available ones are asked.

    Raises AdapterUnavailableError, UsageError where none is left.
    """

    async def ask() -> list[Inspection]:
        return await asyncio.gather(*map(inspect, manifests))

    found = asyncio.run(ask())
    absent = tuple(f"{each.manifest.name}: {each.state}: {each.reason}" for each in found if each.state != "ready")
    if absent and not available:
        raise AdapterUnavailableError(absent[0])
    if len(absent) == len(found):
        raise UsageError("no adapter can be started")
    return Clients(tuple(each for each in found if each.state == "ready"), absent)


def machine() -> str:
    """What a run's speed depends on."""
    memory = psutil.virtual_memory().total >> 30
    return f"{os.cpu_count()} cores, {memory} GiB, {platform.system()} {platform.machine()}"
