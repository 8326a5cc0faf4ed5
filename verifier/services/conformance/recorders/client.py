"""The recorder of an adapter's client, as its manifest names it: geth with full state, in a process of its own."""

from collections.abc import Iterator
from pathlib import Path

from verifier.domain.conformance import Answer, Said
from verifier.errors import AdapterUnavailableError
from verifier.executors.stateful.recorder_process import RecordedBlock, RecorderProcess
from verifier.executors.stateless.manifest import Manifest
from witness.file import decode_witness_file, file_name, publish

from ..case import Case, Recorded
from .reasons import OfReason, no_classes, reason_line


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
        self._of_reason = of_reason

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

    def record(self, case: Case, directory: Path) -> Iterator[Recorded]:
        """As Recorder.record."""
        assert case.genesis is not None, "all its witnesses are given"
        blocks = [(block.encoded, block.stated_hash) for block in case.blocks]
        for block in self._process.record(case.genesis, blocks):
            answer = self._answer(block)
            if not block.file:
                yield Recorded(block.index, answer)
                continue
            # The position too: two blocks of a test may have the same header, and other bodies.
            path = directory / f"{block.index}-{file_name(block.number, block.hash)}"
            publish([block.file], path, sync=False)
            yield Recorded(block.index, answer, decode_witness_file(block.file), path)

    def _answer(self, block: RecordedBlock) -> Answer:
        name, lineage = self._manifest.name, self._manifest.lineage
        if block.accepted:
            return Answer(name, lineage, Said.VALID, ms=block.ms, stateful=True)
        return Answer(
            name,
            lineage,
            Said.INVALID,
            reason_line(block.rule, block.fields, block.reason),
            self._of_reason(name, block.rule or block.fields),
            block.fields,
            block.ms,
            stateful=True,
        )
