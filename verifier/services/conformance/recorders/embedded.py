"""The embedded executor as a recorder: py-evm over a database in memory, one for each test, in this process."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Protocol, Self

from verifier.errors import ExecutorError, UnknownBlockError
from verifier.executors.stateful.base import ImportOutcome, StatefulExecutor, WitnessSink
from verifier.executors.stateful.errors import UndecodableBlockError
from verifier.executors.stateful.genesis import Genesis
from verifier.executors.stateful.recorder_process import WHOLE_STATE
from witness.file import write_witness_file
from witness.model import BlockWitness

from ..case import Case, CaseBlock, Recorded
from ..loaders.blockchain_test import block_hash
from .answers import BLOCK_HASH, PARENT, Answers, OfReason, no_classes, place

CLIENT = LINEAGE = "pyevm"
UNLIMITED_DEPTH = 1 << 63  # blocks


class ClosableExecutor(StatefulExecutor, Protocol):
    """A stateful executor that holds something open."""

    def execute(self, encoded: bytes) -> ImportOutcome:
        """As import_block, also for a block that the chain has; nothing is kept of it."""

    def close(self) -> None:
        """Lets go of it."""


class OpenExecutor(Protocol):
    """Makes an executor for one test."""

    def __call__(self, genesis: Genesis, sink: WitnessSink, *, sections: bool) -> ClosableExecutor:
        """sections: whether to record prestate and poststate too."""


def open_embedded(genesis: Genesis, sink: WitnessSink, *, sections: bool) -> ClosableExecutor:
    """The embedded executor. py-evm is imported here, as it takes longer than most commands."""
    from verifier.executors.stateful.embedded.executor import EmbeddedExecutor

    # A chain of a few blocks, which every test may be branched from: no depth is too deep.
    return EmbeddedExecutor(
        None, genesis, sink, rollback_depth=UNLIMITED_DEPTH, sections=sections, whole_state=WHOLE_STATE
    )


class EmbeddedRecorder:
    """A Recorder. sections: whether the files get prestate and poststate, for prestate mode.

    of_reason: what the rules that py-evm breaks mean.
    """

    name = CLIENT

    def __init__(
        self,
        *,
        sections: bool = False,
        of_reason: OfReason = no_classes,
        open_executor: OpenExecutor = open_embedded,
    ) -> None:
        self._sections = sections
        self._answers = Answers(CLIENT, LINEAGE, of_reason)
        self._open = open_executor
        self._interrupted = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held between tests."""

    def record(self, case: Case, directory: Path) -> Iterator[Recorded]:
        """As Recorder.record."""
        assert case.genesis is not None, "all its witnesses are given"
        files = _Files(directory)
        executor = self._open(case.genesis, files, sections=self._sections)
        try:
            for files.index, block in enumerate(case.blocks):
                if self._interrupted:
                    raise ExecutorError(f"{CLIENT} was interrupted")
                yield self._recorded(executor, files, block)
        finally:
            executor.close()

    def interrupt(self) -> None:
        """As Recorder.interrupt; the block under way is executed to its end."""
        self._interrupted = True

    def _recorded(self, executor: ClosableExecutor, files: "_Files", block: CaseBlock) -> Recorded:
        started, index = perf_counter(), files.index
        try:
            if block.stated_hash is not None:
                computed = block_hash(block.encoded)
                if computed is not None and computed != block.stated_hash:
                    words = f"its hash is 0x{computed.hex()}, 0x{block.stated_hash.hex()} is stated"
                    return self._answers.refused(index, (BLOCK_HASH,), (), words)
            outcome = executor.import_block(block.encoded)
        except UndecodableBlockError as error:
            return self._answers.refused(index, ("block_encoding",), (), str(error))
        except UnknownBlockError as error:
            return self._answers.refused(index, (PARENT,), (), str(error))
        if outcome.known:
            outcome = executor.execute(block.encoded)
            assert outcome.witness is not None, "it was executed"
            outcome = replace(outcome, path=files.publish(outcome.witness))
        ms = (perf_counter() - started) * 1000
        if outcome.invalid is None:
            recorded = self._answers.accepted(index, ms)
        else:
            recorded = self._answers.refused(index, outcome.rules, outcome.fields, outcome.invalid, ms)
        return replace(recorded, content=outcome.witness, path=outcome.path)


class _Files:
    """Where an executor publishes: a file in the directory of the block under way."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.index = 0

    def publish(self, content: BlockWitness) -> Path:
        """As WitnessSink.publish."""
        return write_witness_file(content, place(self._directory, self.index), sync=False)
