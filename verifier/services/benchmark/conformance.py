"""Whole suites: tests a second and memory of conformance runs, beside clients' own runners on the same files."""

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from verifier.errors import InputError, VerifierError
from verifier.services.conformance.loaders.document import read_document
from verifier.services.conformance.loaders.errors import FixtureError
from verifier.services.conformance.loaders.fixtures import fixture_files
from verifier.services.conformance.suite import BLOCKCHAIN, kind_of

from .measurement import memory_of_tree

STEPS = (1000, 5000)  # tests; then all of them
SAMPLE_EVERY = 1.0  # seconds between two looks at the memory: a look takes milliseconds of a core
# Seconds a block: or a few blocks that take a client in Python ten minutes each would be all that is measured. The
# slowest one (2^32 rounds of BLAKE2) takes geth and revm a minute.
DEADLINE = 90
FINISHED = (0, 1)  # exit statuses of a run that came to its end; 1: with differences
RUN = "conformance"


class MeasuredRunError(VerifierError):
    """A run that was to be measured did not come to its end."""


@dataclass(frozen=True)
class SuiteTimes:
    """One run over files with `tests` BlockchainTests. runner: "conformance", or the client whose own it is.

    seconds: of wall time, from the start of its process to the end. peak_memory: MiB, the largest sum of all of its
    processes' proportional set sizes that was seen.
    """

    runner: str
    clients: tuple[str, ...]
    tests: int
    seconds: float
    peak_memory: float
    exit_status: int

    @property
    def rate(self) -> float:
        """Tests a second."""
        return self.tests / self.seconds


@dataclass(frozen=True)
class Sample:
    """A directory of plain JSON files, that every runner reads, with so many BlockchainTests."""

    directory: Path
    tests: int


def suite_times(
    suites: Sequence[Path], names: Sequence[str], own_runners: Mapping[str, Sequence[str]], steps: Sequence[int] = STEPS
) -> Iterator[SuiteTimes]:
    """At the first step each client alone; at each one those with an own runner beside it, and all clients together.

    own_runners: client → command that takes a directory of fixtures as its last argument. Raises InputError,
    MeasuredRunError.
    """
    with TemporaryDirectory(prefix="verifier-bench-") as scratch:
        for number, sample in enumerate(samples(suites, steps, Path(scratch))):
            alone = [name for name in names if number == 0 or name in own_runners]
            for name in alone:
                if name in own_runners:
                    yield _measured(name, (name,), (*own_runners[name], str(sample.directory)), sample)
                yield _conformance((name,), sample)
            if len(names) > 1:
                yield _conformance(names, sample)


def samples(suites: Sequence[Path], steps: Sequence[int], scratch: Path) -> Iterator[Sample]:
    """Of each number of tests, and then of all, a directory; each has the files of the one before, and more.

    The files are in an order that mixes the suites' folders, the same every time. Raises InputError.
    """
    named = [(path.relative_to(suite).as_posix(), path) for suite in suites for path in fixture_files(suite)]
    named.sort(key=lambda each: hashlib.sha256(each[0].encode("utf-8", "surrogatepass")).digest())
    found: list[tuple[int, Path]] = []  # tests before and in a file, and the file
    total = 0
    store = scratch / "files"
    store.mkdir()
    for _, path in named:
        tests = _blockchain_tests(path)
        if tests:
            total += len(tests)
            plain = store / f"{len(found):05}.json"
            plain.write_text(json.dumps(tests))
            found.append((total, plain))
    if not found:
        raise InputError("no BlockchainTests in what was given for a suite")
    for step in sorted({*(each for each in steps if each < total), total}):
        directory = scratch / f"{step}"
        directory.mkdir()
        taken = 0
        for tests_so_far, plain in found:
            if taken >= step:
                break
            (directory / plain.name).hardlink_to(plain)
            taken = tests_so_far
        yield Sample(directory, taken)


def _blockchain_tests(path: Path) -> dict[str, object]:
    """The tests of a file that clients' own runners know. Others are of no use for a comparison."""
    try:
        document = read_document(path)
    except FixtureError:
        return {}
    if not isinstance(document, dict):
        return {}
    return {name: test for name, test in document.items() if kind_of(test) == BLOCKCHAIN}


def _conformance(names: Sequence[str], sample: Sample) -> SuiteTimes:
    with TemporaryDirectory(prefix="verifier-bench-") as directory:
        run = (sys.executable, "-m", "verifier.cli.main", "conformance", str(sample.directory))
        figures = _measured(
            RUN,
            names,
            (*run, "--adapters", ",".join(names), "--deadline", str(DEADLINE), "--directory", directory),
            sample,
        )
        if figures.exit_status not in FINISHED:
            raise MeasuredRunError(f"a run with {', '.join(names)} ended with status {figures.exit_status}")
    return figures


def _measured(runner: str, clients: Sequence[str], command: Sequence[str], sample: Sample) -> SuiteTimes:
    started = time.monotonic()
    try:
        process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError as error:
        raise MeasuredRunError(f"{command[0]}: {error.strerror}") from None
    peak = 0.0
    try:
        while True:
            try:
                status = process.wait(SAMPLE_EVERY)
                break
            except psutil.TimeoutExpired:
                peak = max(peak, memory_of_tree(process))
    finally:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    seconds = time.monotonic() - started
    return SuiteTimes(runner, tuple(clients), sample.tests, seconds, peak, status)
