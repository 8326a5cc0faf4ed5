"""The executor in a process of its own: the same answers, its errors, its end and its loss."""

import os
import signal
from functools import partial
from pathlib import Path

import psutil
import pytest

from verifier.app.embedded import open_executor
from verifier.errors import ExecutorError, UnknownBlockError
from verifier.executors.stateful.errors import DatabaseInUseError
from verifier.executors.stateful.executor_process import ExecutorProcess
from verifier.executors.stateful.fake import MemorySink

from .chains import sample_blocks, sample_genesis
from .conftest import OpenSample


def opened(directory: Path) -> ExecutorProcess:
    return ExecutorProcess(partial(open_executor, directory, sample_genesis(), sections=True))


def test_it_answers_as_the_executor_does_and_is_there_again_after_a_loss(
    open_sample: OpenSample, tmp_path: Path
) -> None:
    first, second, third = sample_blocks()[:3]
    with open_sample(sink=MemorySink()) as local:
        expected = [local.import_block(block) for block in (first, second)]
    executor = opened(tmp_path / "other")
    try:
        assert [executor.import_block(block) for block in (first, second)] == expected
        assert executor.knows(expected[1].block.hash)
        assert executor.execute(first).witness == expected[0].witness
        assert executor.rollback(expected[0].block.hash).number == 1
        with pytest.raises(UnknownBlockError, match="is not known"):
            executor.import_block(sample_blocks()[5])
        with pytest.raises(DatabaseInUseError):
            opened(tmp_path / "other")
        assert executor.pid is not None
        os.kill(executor.pid, signal.SIGKILL)
        with pytest.raises(ExecutorError, match=r"has ended \(status -9\)"):
            executor.import_block(second)
        assert executor.head().number == 1  # what was committed before
        assert executor.import_block(second).results == expected[1].results
        assert executor.import_block(third).block.number == 3
    finally:
        process = psutil.Process(executor.pid)
        executor.close()
    assert not process.is_running()
    executor.close()
    with open_sample(tmp_path / "other") as again:  # nobody holds its lock any more
        assert again.head().number == 3
