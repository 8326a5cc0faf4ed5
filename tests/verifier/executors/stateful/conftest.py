"""Fixtures of the stateful executor's tests."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from verifier.executors.stateful.base import ImportOutcome
from verifier.executors.stateful.embedded.executor import EmbeddedExecutor
from verifier.executors.stateful.fake import MemorySink

from .chains import sample_blocks, sample_genesis

OpenSample = Callable[..., EmbeddedExecutor]


@pytest.fixture
def open_sample(tmp_path: Path) -> Iterator[OpenSample]:
    """Opens an executor on the sample chain, by default in one directory of the test's; closed at its end."""
    opened = []

    def open_executor(directory: Path | None = None, **options: Any) -> EmbeddedExecutor:
        sink = options.pop("sink", MemorySink())
        executor = EmbeddedExecutor(directory or tmp_path / "state", sample_genesis(), sink, sync=False, **options)
        opened.append(executor)
        return executor

    yield open_executor
    for executor in opened:
        executor.close()


@pytest.fixture(scope="session")
def sample_outcomes(tmp_path_factory: pytest.TempPathFactory) -> tuple[ImportOutcome, ...]:
    """What importing each block of the sample chain gave."""
    directory = tmp_path_factory.mktemp("sample") / "state"
    with EmbeddedExecutor(directory, sample_genesis(), MemorySink(), sync=False) as executor:
        return tuple(executor.import_block(block) for block in sample_blocks())
