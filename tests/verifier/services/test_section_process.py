"""Sections derived in a process of their own: the same as here, its failure in one line, and it ends with who waits."""

import asyncio
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.executors.stateful.chains import sample_blocks, sample_genesis
from tests.verifier.services.builders import write_chain
from verifier.errors import ExecutorError
from verifier.executors.stateful.embedded.executor import EmbeddedExecutor
from verifier.executors.stateful.fake import MemorySink
from verifier.services.section_process import derive_file
from witness.file import map_witness_file, write_witness_file


def test_it_derives_what_was_recorded(tmp_path: Path) -> None:
    with EmbeddedExecutor(tmp_path / "database", sample_genesis(), MemorySink(), sync=False) as executor:
        recorded = executor.import_block(sample_blocks()[0]).witness
    assert recorded is not None
    for name in ("bare", "derived"):
        (tmp_path / name).mkdir()
    path = write_witness_file(replace(recorded, prestate=None, poststate=None), tmp_path / "bare", sync=False)
    derived = map_witness_file(asyncio.run(derive_file(path, tmp_path / "derived")))
    assert derived.hash == recorded.hash
    assert derived.prestate is not None
    assert derived.poststate == recorded.poststate


def test_its_failure_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "nothing.witness"
    path.write_bytes(b"nothing")
    with pytest.raises(ExecutorError, match="no values before the block could be derived: ") as failure:
        asyncio.run(derive_file(path, tmp_path))
    assert "\n" not in str(failure.value)


def test_it_ends_with_who_waits_for_it(tmp_path: Path) -> None:
    write_chain(tmp_path, 1)
    (path,) = tmp_path.glob("*.witness")
    started: asyncio.Queue[asyncio.subprocess.Process] = asyncio.Queue()
    start = asyncio.create_subprocess_exec

    async def observed(*arguments: str, **options: Any) -> asyncio.subprocess.Process:
        process = await start(*arguments, **options)
        started.put_nowait(process)
        return process

    async def scenario() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(asyncio, "create_subprocess_exec", observed)
            deriving = asyncio.create_task(derive_file(path, tmp_path))
            process = await started.get()
            deriving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await deriving
        assert process.returncode == -signal.SIGKILL

    asyncio.run(scenario())
