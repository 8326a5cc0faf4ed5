"""The database: growth, room, damage, missing entries. Nothing may be corrupted or judged."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from verifier.errors import ExecutorError
from verifier.executors.stateful.base import ImportOutcome
from verifier.executors.stateful.embedded.database import DATA_NAME, Writer, number_key, open_database
from verifier.executors.stateful.errors import DatabaseDamagedError, DatabaseFullError
from witness.header import keccak256

from .chains import ROOT, sample_blocks
from .conftest import OpenSample

PAGE = 4096
SMALLEST_MAP = 32 * PAGE


def test_map_grows_as_needed(open_sample: OpenSample, sample_outcomes: tuple[ImportOutcome, ...]) -> None:
    executor = open_sample(map_size=SMALLEST_MAP)
    for block, expected in zip(sample_blocks()[:8], sample_outcomes, strict=False):
        assert executor.import_block(block).witness == expected.witness
    executor.close()
    reopened = open_sample(map_size=SMALLEST_MAP)
    assert reopened.head().number == 8
    assert reopened.import_block(sample_blocks()[8]).results is not None


def test_failed_change_leaves_nothing(tmp_path: Path) -> None:
    database = open_database(tmp_path, sync=False)

    def change(writer: Writer) -> None:
        writer.put("meta", b"head", b"x")
        raise KeyError

    with pytest.raises(KeyError):
        database.write(change)
    with database.reading() as reader:
        assert reader.get("meta", b"head") is None
    database.close()
    database.close()


FILL = """
import resource, signal, sys
from pathlib import Path
from verifier.executors.stateful.embedded.executor import EmbeddedExecutor
from verifier.executors.stateful.errors import DatabaseFullError
from verifier.executors.stateful.fake import MemorySink
from tests.verifier.executors.stateful.chains import sample_blocks, sample_genesis
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
executor = EmbeddedExecutor(Path(sys.argv[1]), sample_genesis(), MemorySink(), sync=False)
executor.import_block(sample_blocks()[0])
size = (Path(sys.argv[1]) / "data.mdb").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 8192, resource.RLIM_INFINITY))
try:
    for block in sample_blocks()[1:20]:
        executor.import_block(block)
except DatabaseFullError as error:
    print("full at", executor.head().number, error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    executor.import_block(sample_blocks()[executor.head().number])
    print("went on to", executor.head().number)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="the system has no limit on file sizes")
def test_full_disk_drops_one_import_as_a_whole(tmp_path: Path, open_sample: OpenSample) -> None:
    """A limit on the size of files stands for the disk: the same failing write, without root's rights."""
    directory = tmp_path / "full"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(directory)], capture_output=True, text=True, env=environment, check=True
    )
    lines = done.stdout.splitlines()
    assert lines[0].startswith("full at "), done.stdout
    assert "no room to write" in lines[0]
    reached = int(lines[0].split()[2])
    assert lines[1] == f"went on to {reached + 1}"
    executor = open_sample(directory)
    assert executor.head().number == reached + 1
    assert executor.import_block(sample_blocks()[reached + 1]).results is not None


def test_missing_state_entry_is_no_verdict(open_sample: OpenSample, sample_outcomes: tuple[ImportOutcome, ...]) -> None:
    content = sample_outcomes[0].witness
    assert content is not None
    missing = keccak256(content.witness.state[len(content.witness.state) // 2])
    executor = open_sample()
    executor._database.write(lambda writer: writer.delete("state", missing))
    with pytest.raises(DatabaseDamagedError, match=missing.hex()):
        executor.import_block(sample_blocks()[0])
    assert executor.head().number == 0


def test_altered_state_entry_is_found(open_sample: OpenSample, sample_outcomes: tuple[ImportOutcome, ...]) -> None:
    content = sample_outcomes[0].witness
    assert content is not None
    hash_ = keccak256(content.witness.codes[0])
    executor = open_sample()
    executor._database.write(lambda writer: writer.put("state", hash_, b"something else"))
    with pytest.raises(DatabaseDamagedError, match="other content"):
        executor.import_block(sample_blocks()[0])
    assert executor.head().number == 0


def test_head_that_is_not_there_is_damage(open_sample: OpenSample) -> None:
    executor = open_sample()
    executor._database.write(lambda writer: writer.put("meta", b"head", bytes(32)))
    executor.close()
    with pytest.raises(DatabaseDamagedError, match="the head is not in the database"):
        open_sample()


@pytest.mark.parametrize("damage", [b"", b"not a database", bytes(10 * PAGE)])
def test_file_that_is_no_database(damage: bytes, tmp_path: Path, open_sample: OpenSample) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / DATA_NAME).write_bytes(damage)
    if not damage:  # as left by a crash right after it was created
        assert open_sample().head().number == 0
        return
    with pytest.raises(DatabaseDamagedError, match="cannot be used"):
        open_sample()


def test_directory_that_cannot_be_made(tmp_path: Path, open_sample: OpenSample) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExecutorError, match="file"):
        open_sample(tmp_path / "file" / "state")


def test_numbers_sort_by_their_keys() -> None:
    numbers = [0, 1, 255, 256, 2**32, 2**64 - 1]
    assert sorted(number_key(number) for number in numbers) == [number_key(number) for number in numbers]


def test_full_database_is_a_kind_of_executor_error() -> None:
    assert issubclass(DatabaseFullError, ExecutorError)
