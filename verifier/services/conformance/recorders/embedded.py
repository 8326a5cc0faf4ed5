"""The embedded executor as a recorder: py-evm over a database in memory, one for each test, in this process."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from time import perf_counter
from typing import Protocol, Self

from verifier.domain.conformance import Answer, Said
from verifier.errors import UnknownBlockError
from verifier.executors.stateful.base import ImportOutcome, StatefulExecutor, WitnessSink
from verifier.executors.stateful.errors import UndecodableBlockError
from verifier.executors.stateful.genesis import Genesis
from witness.file import file_name, publish, witness_file_parts
from witness.model import BlockWitness

from ..case import Case, CaseBlock, Recorded
from ..loaders.blockchain_test import block_hash
from .reasons import BLOCK_HASH, PARENT, OfReason, no_classes, reason_line

CLIENT = LINEAGE = "pyevm"


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
    return EmbeddedExecutor(None, genesis, sink, rollback_depth=UNLIMITED_DEPTH, sections=sections)


UNLIMITED_DEPTH = 1 << 63  # blocks


class EmbeddedRecorder(AbstractContextManager["EmbeddedRecorder"]):
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
        self._of_reason = of_reason
        self._open = open_executor

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
            for index, block in enumerate(case.blocks):
                files.index = index
                yield self._recorded(executor, index, block)
        finally:
            executor.close()

    def _recorded(self, executor: ClosableExecutor, index: int, block: CaseBlock) -> Recorded:
        started = perf_counter()
        try:
            if block.stated_hash is not None:
                computed = block_hash(block.encoded)
                if computed is not None and computed != block.stated_hash:
                    words = f"its hash is 0x{computed.hex()}, 0x{block.stated_hash.hex()} is stated"
                    return Recorded(index, self._refusal(BLOCK_HASH, (), words, 0.0))
            outcome = executor.import_block(block.encoded)
        except UndecodableBlockError as error:
            return Recorded(index, self._refusal("block_encoding", (), str(error), 0.0))
        except UnknownBlockError as error:
            return Recorded(index, self._refusal(PARENT, (), str(error), 0.0))
        if outcome.known:
            outcome = executor.execute(block.encoded)
        ms = (perf_counter() - started) * 1000
        if outcome.invalid is None:
            answer = Answer(CLIENT, LINEAGE, Said.VALID, ms=ms, stateful=True)
        else:
            answer = self._refusal(outcome.rule, outcome.fields, outcome.invalid, ms)
        return Recorded(index, answer, outcome.witness, outcome.path)

    def _refusal(self, rule: str, fields: tuple[str, ...], words: str, ms: float) -> Answer:
        classes = self._of_reason(CLIENT, rule or fields)
        return Answer(
            CLIENT, LINEAGE, Said.INVALID, reason_line(rule, fields, words), classes, fields, ms, stateful=True
        )


class _Files:
    """Where an executor publishes: files in a directory, of which nothing is kept in mind.

    index: of the block in its test: two may have the same header, and other bodies.
    """

    def __init__(self, directory: Path) -> None:
        self.index = 0
        self._directory = directory

    def publish(self, content: BlockWitness) -> Path:
        """As WitnessSink.publish."""
        path = self._directory / f"{self.index}-{file_name(content.number, content.hash)}"
        publish(witness_file_parts(content), path, sync=False)
        return path
