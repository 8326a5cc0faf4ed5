"""Interim."""

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from verifier.domain.conformance import Answer, Said
from verifier.services.conformance.loaders.blockchain_test import BlockchainTest, FixtureBlock
from verifier.services.recording import Status, open_embedded, record_test
from witness.store import WitnessStore

from .case import Case, Recorded, Recorder


class EmbeddedRecorder:
    name = "embedded"

    def record(self, case: Case, directory: Path) -> Iterator[Recorded]:
        test = BlockchainTest(
            case.name.test,
            case.name.network,
            case.genesis,
            tuple(FixtureBlock(b.encoded, b.exception or None, b.stated_hash) for b in case.blocks),
            case.last_block_hash,
        )
        state = Path(tempfile.mkdtemp(dir=directory))
        with (
            WitnessStore(directory, sync=False) as store,
            closing(open_embedded(state, case.genesis, store, False)) as executor,
        ):
            for event in record_test(test, executor):
                if event.status is Status.NOTE:
                    continue
                said = Said.VALID if event.status in (Status.RECORDED, Status.SKIPPED) else Said.INVALID
                yield Recorded(
                    event.position, Answer("embedded", "pyevm", said, event.reason, stateful=True), None, event.path
                )


@contextmanager
def open_recorder() -> Iterator[Recorder]:
    yield EmbeddedRecorder()
