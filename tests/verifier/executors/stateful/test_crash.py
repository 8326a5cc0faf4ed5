"""Killed at any moment, the executor comes back at a consistent block and reaches the same end."""

import multiprocessing
import random
from collections.abc import Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from verifier.executors.stateful.base import ImportOutcome
from witness.file import encode_witness_file
from witness.store import WitnessStore

from .chains import sample_blocks
from .conftest import OpenSample
from .importing import import_sample

KILLS = 50
LAST = 20  # blocks; later ones load the KZG set-up, which takes longer than all of these
SEED = 20_241_121
SPIN = 400_000  # loop iterations at most after the observed message: up to about one block's time

# py-evm is imported once, in the server that the processes to be killed are forked from.
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload([import_sample.__module__])


class Importer:
    """A process that imports the sample chain; `reached` is the highest block that it said it had."""

    def __init__(self, state: Path, witnesses: Path) -> None:
        self._messages, theirs = context.Pipe(duplex=False)
        self._process: ForkServerProcess = context.Process(
            target=import_sample, args=(theirs, state, witnesses, LAST), daemon=True
        )
        self._process.start()
        theirs.close()
        self.reached = 0
        self.end: bytes | None = None

    def messages(self) -> Iterator[tuple[str, Any]]:
        """What it says, until it ends."""
        while True:
            try:
                kind, value = self._messages.recv()
            except EOFError:
                return
            if kind == "end":
                self.end = value
            else:
                self.reached = value
            yield kind, value

    def kill(self) -> None:
        """SIGKILL; what was said before is still heard."""
        self._process.kill()
        self.finish()

    def finish(self) -> None:
        """Hears it out."""
        for _ in self.messages():
            pass
        self._process.join()
        self._messages.close()


def test_sigkill_at_random_moments(
    tmp_path: Path, open_sample: OpenSample, sample_outcomes: tuple[ImportOutcome, ...]
) -> None:
    """Each process is killed some messages and some loop iterations after its start, the next one goes on from there.

    When the chain is complete, all is checked and the next round starts from nothing.
    """
    generator = random.Random(SEED)
    hashes = [outcome.block.hash for outcome in sample_outcomes]
    kills, rounds = 0, 0
    while kills < KILLS:
        state, witnesses = tmp_path / f"state-{rounds}", tmp_path / f"witnesses-{rounds}"
        rounds += 1
        reached, complete = 0, False
        while not complete and kills < KILLS:
            importer = Importer(state, witnesses)
            messages = importer.messages()
            kind, head = next(messages)
            # At least as far as the last one said before it was killed; at most the block that it was at.
            assert kind == "head"
            assert head in (reached, reached + 1)
            for _ in range(generator.randint(0, 2)):
                next(messages, None)
            for _ in range(generator.randrange(SPIN)):
                pass
            importer.kill()
            kills += 1
            reached, complete = importer.reached, importer.end is not None
        with open_sample(state) as executor:
            left = executor.head()
        assert left.number in (reached, reached + 1)
        assert left.number == 0 or left.hash == hashes[left.number - 1]
        last = Importer(state, witnesses)
        last.finish()
        assert last.end == hashes[LAST - 1]
        with WitnessStore(witnesses, sync=False) as store:
            assert {stored.hash for stored in store} == set(hashes[:LAST])
            for outcome in sample_outcomes[:LAST]:
                path = store.path(outcome.block.hash)
                assert path is not None
                assert outcome.witness is not None
                assert path.read_bytes() == encode_witness_file(outcome.witness)
    assert kills == KILLS


def test_crash_between_publication_and_commit(
    tmp_path: Path, open_sample: OpenSample, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WitnessStore(tmp_path / "witnesses", sync=False) as store:
        executor = open_sample(sink=store)

        class Crash(BaseException):
            pass

        def crash(*_: object) -> None:
            raise Crash

        with monkeypatch.context() as patched:
            patched.setattr(executor, "_commit", crash)
            with pytest.raises(Crash):
                executor.import_block(sample_blocks()[0])
        (stored,) = store
        before = stored.path.read_bytes()
        assert executor.head().number == 0
        executor.import_block(sample_blocks()[0])
        assert executor.head().number == 1
        assert stored.path.read_bytes() == before
