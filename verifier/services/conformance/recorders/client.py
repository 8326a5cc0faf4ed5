"""The recorder of an adapter's client, as its manifest names it: geth with full state, in a process of its own."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from verifier.errors import AdapterUnavailableError
from verifier.executors.stateful.recorder_process import RecordedBlock, RecordedWitness, RecorderProcess
from verifier.executors.stateless.manifest import Manifest
from witness.file import decode_witness_file, file_name, publish
from witness.model import BlockWitness

from ..case import Case, Prepared, Recorded
from .answers import Answers, OfReason, no_classes, place


class ClientRecorder:
    """A Recorder. A context: the process ends with it.

    manifest: of an adapter whose client has a recorder. of_reason: what the rules that the client names mean.
    Raises AdapterUnavailableError.
    """

    def __init__(self, manifest: Manifest, *, of_reason: OfReason = no_classes) -> None:
        if not manifest.recorder_command:
            raise AdapterUnavailableError(f"{manifest.name}: its client has no recorder")
        unavailable = manifest.unavailable_because()
        if unavailable is not None:
            raise AdapterUnavailableError(f"{manifest.name}: {': '.join(unavailable)}")
        self._manifest = manifest
        self._process = RecorderProcess(manifest.name, manifest.recorder_command)
        self._answers = Answers(manifest.name, manifest.lineage, of_reason)

    def __enter__(self) -> "ClientRecorder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        """The adapter's own."""
        return self._manifest.name

    def close(self) -> None:
        """Ends the process."""
        self._process.close()

    def record(self, case: Case, directory: Path) -> Iterator[Prepared | Recorded]:
        """As Recorder.record."""
        assert case.genesis is not None, "all its witnesses are given"
        blocks = [(block.encoded, block.stated_hash) for block in case.blocks]
        ahead: Prepared | None = None
        for block in self._process.record(case.genesis, blocks):
            if isinstance(block, RecordedWitness):
                ahead = Prepared(block.index, *_written(block, directory))
                yield ahead
                continue
            if block.accepted:
                recorded = self._answers.accepted(block.index, block.ms)
            else:
                recorded = self._answers.refused(block.index, block.rules, block.fields, block.reason, block.ms)
            if ahead is not None and ahead.index == block.index:
                recorded = replace(recorded, content=ahead.content, path=ahead.path)
            elif block.file:
                content, path = _written(block, directory)
                recorded = replace(recorded, content=content, path=path)
            yield recorded

    def interrupt(self) -> None:
        """As Recorder.interrupt."""
        self._process.interrupt()


def _written(block: RecordedWitness | RecordedBlock, directory: Path) -> tuple[BlockWitness, Path]:
    """What is in the block's witness file, and where it was written."""
    path = place(directory, block.index) / file_name(block.number, block.hash)
    publish([block.file], path, sync=False)
    return decode_witness_file(block.file), path
