"""Killed at any moment, the executor comes back at a consistent block and reaches the same end."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from verifier.executors.stateful.base import ImportOutcome
from witness.file import encode_witness_file
from witness.store import WitnessStore

from .chains import ROOT, sample_blocks
from .conftest import OpenSample

KILLS = 50
LAST = 20  # blocks; later ones load the KZG set-up, which takes longer than all of these
SEED = 20_241_121
SPIN = 400_000  # loop iterations at most after the observed line: up to about one block's time


def start(state: Path, witnesses: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.verifier.executors.stateful.importing", state, witnesses, str(LAST)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)


def test_sigkill_at_random_moments(
    tmp_path: Path, open_sample: OpenSample, sample_outcomes: tuple[ImportOutcome, ...]
) -> None:
    """Each process is killed some lines and some loop iterations after its start, the next one goes on from there."""
    generator = random.Random(SEED)
    hashes = [outcome.block.hash for outcome in sample_outcomes]
    kills, rounds, ended = 0, 0, ""
    while kills < KILLS:
        state, witnesses = tmp_path / f"state-{rounds}", tmp_path / f"witnesses-{rounds}"
        rounds += 1
        reached = 0
        ended = ""
        while not ended and kills < KILLS:
            process = start(state, witnesses)
            assert process.stdout is not None
            lines = generator.randint(1, 3)
            first = process.stdout.readline().decode().split()
            # At least as far as the last one said before it was killed; at most one block further.
            assert first[0] == "head"
            assert int(first[1]) in (reached, reached + 1), (first, reached)
            reached = int(first[1])
            for _ in range(lines - 1):
                line = process.stdout.readline().decode().split()
                if line[0] == "end":
                    ended = line[1]
                    break
                reached = int(line[1])
            for _ in range(generator.randrange(SPIN)):
                pass
            process.kill()
            # What it managed to say before the end.
            for line in process.stdout.read().decode().splitlines():
                kind, value = line.split()
                if kind == "end":
                    ended = value
                else:
                    reached = int(value)
            process.wait()
            process.stdout.close()
            kills += 1
        # Consistent where it was left, whatever was killed last.
        executor = open_sample(state)
        head = executor.head()
        assert head.number in (reached, reached + 1)
        assert head.number == 0 or head.hash == hashes[head.number - 1]
        executor.close()
        finish = start(state, witnesses)
        output, _ = finish.communicate()
        assert finish.returncode == 0
        assert output.decode().split()[-1] == hashes[LAST - 1].hex()
        with WitnessStore(witnesses, sync=False) as store:
            assert {stored.hash for stored in store} == set(hashes[:LAST])
            for outcome in sample_outcomes[:LAST]:
                path = store.path(outcome.block.hash)
                assert path is not None
                assert outcome.witness is not None
                assert path.read_bytes() == encode_witness_file(outcome.witness)
    assert kills == KILLS
    assert ended in ("", hashes[LAST - 1].hex())


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
