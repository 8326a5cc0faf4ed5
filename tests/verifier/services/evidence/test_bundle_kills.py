"""A writer is killed at every point, and at random moments: a bundle is complete, or not there at all."""

import contextlib
import multiprocessing
import random
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from verifier.services.evidence import is_bundle, read_bundle, remove_leftovers, write_bundle

from . import killed_writer
from .builders import evidence

RANDOM_KILLS = 20
SEED = 20_261_130
SPIN = 200_000  # loop iterations at most after the beginning: up to about the time of writing
LEAST_POINTS = 20  # ten files with their directories, the renaming, and what is synced

# What a writer imports is imported once, in the server that the processes to be killed are forked from.
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload([killed_writer.__name__])


class Writing:
    """A process that writes below `directory`."""

    def __init__(self, sources: Path, directory: Path, at: int | None = None) -> None:
        messages: Connection
        messages, theirs = context.Pipe(duplex=False)
        self._messages = messages
        self.process: ForkServerProcess = context.Process(
            target=killed_writer.write, args=(sources, directory, at, theirs)
        )
        self.process.start()
        theirs.close()
        assert messages.recv() == "it begins"

    def changes(self) -> int | None:
        """How many there were; None if it was killed before the end."""
        with contextlib.suppress(EOFError):
            return int(self._messages.recv())
        return None

    def ended(self) -> None:
        self.process.join()
        self._messages.close()


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Where the witness file is, which outlives every writer."""
    (tmp_path / "sources").mkdir()
    return tmp_path / "sources"


def check(sources: Path, directory: Path) -> bool:
    """What is there is whole, what is left goes, and all can be written again; whether it was there."""
    there = [each for each in directory.iterdir() if is_bundle(each)] if directory.exists() else []
    whole = [each for each in there if not each.name.startswith(".")]
    remove_leftovers(directory)
    left = list(directory.iterdir()) if directory.exists() else []
    assert left == whole
    for each in whole:
        read_bundle(each)
    assert evidence(sources).witness.is_file()
    name = write_bundle(directory, evidence(sources))
    assert [each.name for each in directory.iterdir()] == [name]
    read_bundle(directory / name)
    return bool(whole)


def test_killed_at_every_point(tmp_path: Path, sources: Path) -> None:
    undisturbed = Writing(sources, tmp_path / "undisturbed")
    points = undisturbed.changes()
    undisturbed.ended()
    assert points is not None
    assert points >= LEAST_POINTS
    there = []
    for at in range(1, points + 1):
        directory = tmp_path / str(at)
        writing = Writing(sources, directory, at)
        assert writing.changes() is None
        writing.ended()
        there.append(check(sources, directory))
    assert there == sorted(there), "once it is there it stays"
    assert there[-1] and not there[0]  # noqa: PT018 - one thing: it came into being at one of the points


def test_killed_at_random_moments(tmp_path: Path, sources: Path) -> None:
    chance = random.Random(SEED)
    directory = tmp_path / "evidence"
    for _ in range(RANDOM_KILLS):
        writing = Writing(sources, directory)
        for _ in range(chance.randrange(SPIN)):
            pass
        writing.process.kill()
        writing.ended()
        check(sources, directory)
        for each in directory.iterdir():  # the next one begins anew
            each.rename(tmp_path / f"done-{chance.random()}")
