"""Examines one test: has its blocks recorded and executed by every client, and says what each said.

What a client says is read as everywhere else: the verifier compares what it computed with the header, from a pre-state
root of the verifier's own, which is that of the parent as it was recorded.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path

from verifier.domain.conformance import (
    Answer,
    ExaminedBlock,
    ExaminedCase,
    Expected,
    ReasonClass,
    Said,
    differences,
)
from verifier.domain.result import Mode
from verifier.errors import ExecutorError
from verifier.executors.stateful.errors import UnsupportedForkError
from verifier.executors.stateful.genesis import STATE_ROOT_INDEX, Genesis
from witness.errors import WitnessError
from witness.file import check_binding, map_witness_file, write_witness_file
from witness.header import decode_block_header, keccak256
from witness.model import BlockWitness, Header
from witness.rlp_encoding import encode_item

from .asking import Question, ask, fork_of
from .case import Case, CaseBlock, Prepared, Recorded
from .clients import Client, Recording
from .kept_witnesses import keep
from .reasons import classes_of_exception, classes_of_reason

# Seconds a block, counted from when the client takes it. The slowest one needs minutes for tests that are made to be
# slow, on cores that it shares; a client that hangs still ends.
DEADLINE = 600.0
# Blocks under way at once, of whichever tests: as many as keep every client busy while one has a slow block, and few
# enough that their witnesses fit in memory.
WINDOW = 16
VERIFIER = "verifier"
COMPLETION = "completion"  # folder of a test's directory


@dataclass(frozen=True)
class ExaminationOptions:
    """How tests are examined.

    scratch: where witness files lie until their block is examined; in memory, best. keep: where those of blocks that
    differ are kept, None for nowhere. of_exception: fixture's word → classes. of_reason: client and the rule that it
    names, or the fields that differ → classes. room: bounds the blocks under way, shared by all tests of an event loop.
    """

    scratch: Path
    mode: Mode = Mode.PROOF
    deadline: float = DEADLINE
    keep: Path | None = None
    of_exception: Callable[[str], frozenset[ReasonClass]] = classes_of_exception
    of_reason: Callable[[str, str | Sequence[str]], frozenset[ReasonClass]] = classes_of_reason
    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(WINDOW))


async def examine(
    case: Case, recorder: Recording, clients: Sequence[Client], options: ExaminationOptions
) -> ExaminedCase:
    """What everybody says of each block of one test. Never raises for what a client or the recorder does."""
    return await _Examination(case, recorder, clients, options).run()


@dataclass(frozen=True, slots=True)
class _Asked:
    """What clients said of one block. path: of its witness file."""

    header: Header
    path: Path
    answers: tuple[Answer, ...]


class _Examination:
    def __init__(self, case: Case, recorder: Recording, clients: Sequence[Client], options: ExaminationOptions) -> None:
        self._case = case
        self._recorder = recorder
        self._clients = clients
        self._options = options
        self._roots = dict(_genesis_root(case.genesis)) if case.genesis is not None else {}
        self._skipped: dict[str, str] = {}
        self._asked: dict[int, asyncio.Task[_Asked]] = {}  # about each block, perhaps before the recorder has judged it

    async def run(self) -> ExaminedCase:
        started = time.monotonic()
        directory = Path(tempfile.mkdtemp(dir=self._options.scratch))
        under_way: list[asyncio.Task[ExaminedBlock]] = []
        try:
            failure = await self._start_blocks(directory, under_way)
            blocks = await asyncio.gather(*under_way)
        finally:
            begun = [*under_way, *self._asked.values()]
            for task in begun:
                task.cancel()
            await asyncio.gather(*begun, return_exceptions=True)
            shutil.rmtree(directory, ignore_errors=True)
        skipped = {name: self._skipped[name] for name in sorted(self._skipped)}
        examined = ExaminedCase(self._case.name, tuple(blocks), skipped, failure, time.monotonic() - started)
        return self._with_head(examined)

    async def _start_blocks(self, directory: Path, under_way: list[asyncio.Task[ExaminedBlock]]) -> str:
        """Why not all blocks could be recorded, or ""."""
        try:
            async with aclosing(self._recorded(directory)) as recorded:
                async for each in recorded:
                    if each.index not in self._asked and self._can_be_asked(each):
                        self._asked[each.index] = await self._start_asking(each, directory)
                    if isinstance(each, Recorded):
                        under_way.append(asyncio.create_task(self._block(each)))
        except UnsupportedForkError as error:
            self._skip_all(str(error))
        except (ExecutorError, WitnessError, OSError) as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def _can_be_asked(self, recorded: Prepared | Recorded) -> bool:
        given = recorded.content is not None or recorded.path is not None
        return given and not self._case.blocks[recorded.index].misfit

    async def _start_asking(self, recorded: Prepared | Recorded, directory: Path) -> "asyncio.Task[_Asked]":
        room = self._options.room
        await room.acquire()
        task = asyncio.create_task(self._ask(recorded, directory))
        task.add_done_callback(lambda _: room.release())
        return task

    def _skip_all(self, reason: str) -> None:
        self._skipped[self._recorder.name] = reason
        for client in self._clients:
            self._skipped.setdefault(client.name, f"not recorded: {reason}")

    def _with_head(self, examined: ExaminedCase) -> ExaminedCase:
        """With a failure where the chain does not end as the fixture says, though each block is what it says."""
        last = self._case.last_block_hash
        if last is None or last in self._roots or not self._roots or examined.skipped.get(self._recorder.name):
            return examined
        if differences(examined):
            return examined
        return replace(examined, failure=f"the fixture ends with 0x{last.hex()}, which was not accepted")

    async def _recorded(self, directory: Path) -> AsyncGenerator[Prepared | Recorded, None]:
        """The blocks with what they need, recorded or as they were given."""
        if self._case.genesis is not None:
            self._case = await self._recorder.complete(self._case, directory / COMPLETION)
            async for each in self._recorder.record(self._case, directory):
                if isinstance(each, Recorded):
                    self._note_root(each)
                yield each
            return
        for index, block in enumerate(self._case.blocks):
            yield Recorded(index, Answer("", "", Said.ABSTAIN), block.witness)

    def _note_root(self, recorded: Recorded) -> None:
        if recorded.answer.said is Said.VALID:
            header = decode_block_header(self._case.blocks[recorded.index].encoded)
            self._roots[header.hash] = header.state_root

    async def _ask(self, recorded: Prepared | Recorded, directory: Path) -> "_Asked":
        """Asks every client that knows the fork. Raises WitnessError, OSError."""
        content, path = recorded.content, recorded.path
        if content is None:
            assert path is not None, "it can be asked about"
            content = map_witness_file(path)
        header = check_binding(content)
        if path is None:
            folder = Path(tempfile.mkdtemp(dir=directory))  # two blocks of a test may be the same
            path = write_witness_file(content, folder, sync=False)
        answers = await self._answers(content, header, path, self._case.blocks[recorded.index])
        return _Asked(header, path, answers)

    async def _block(self, recorded: Recorded) -> ExaminedBlock:
        block = self._case.blocks[recorded.index]
        if block.misfit:
            return self._examined(recorded, _misfit_answers(block))
        own = (recorded.answer,) if recorded.answer.client else ()
        asking = self._asked.get(recorded.index)
        if asking is None:
            return self._examined(recorded, own)
        try:
            asked = await asking
            examined = self._examined(recorded, (*own, *asked.answers), asked.header, asked.path.stat().st_size)
        except (WitnessError, OSError) as error:
            if block.expected is Expected.INVALID and _header(block.encoded) is None:
                return self._examined(recorded, own)  # nobody can be asked about what is no header
            refusal = Answer(VERIFIER, "", Said.ABSTAIN, f"refused: {error}")
            return self._examined(recorded, (*own, refusal))
        if self._options.keep is not None and differences(ExaminedCase(self._case.name, (examined,))):
            keep(asked.path, self._options.keep, self._case.name, recorded.index)
        asked.path.unlink(missing_ok=True)
        return examined

    def _examined(
        self, recorded: Recorded, answers: tuple[Answer, ...], header: Header | None = None, witness_bytes: int = 0
    ) -> ExaminedBlock:
        block = self._case.blocks[recorded.index]
        header = header or _header(block.encoded)
        return ExaminedBlock(
            index=recorded.index,
            number=header.number if header is not None else 0,
            hash=header.hash if header is not None else b"",
            expected=block.expected,
            exception=block.exception,
            classes=self._classes(block, recorded),
            gas_used=header.gas_used if header is not None else 0,
            witness_bytes=witness_bytes,
            answers=tuple(_as_far_as_stated(answer, block.uncertain) for answer in answers),
        )

    def _classes(self, block: CaseBlock, recorded: Recorded) -> frozenset[ReasonClass]:
        """Any reason will do where the fixture gives none, or in words that nobody knows.

        What the recorder finds broken besides is as good a reason, where it finds what the fixture says: but no result,
        as a header that was made to break a rule has those of another block.
        """
        said = self._options.of_exception(block.exception) if block.exception else frozenset()
        if not said:
            return said
        besides = recorded.classes - {ReasonClass.RESULT} if recorded.classes & said else frozenset()
        return said | block.besides | besides

    async def _answers(self, content: BlockWitness, header: Header, path: Path, block: CaseBlock) -> tuple[Answer, ...]:
        fork = fork_of(content, header)
        asked = [client for client in self._clients if self._knows(client, fork)]
        root = block.pre_state_root or self._roots.get(header.parent_hash)
        options = self._options
        question = Question(content, header, path, root, options.deadline, options.mode, block.expected)
        return await ask(question, asked, options.of_reason)

    def _knows(self, client: Client, fork: str) -> bool:
        if fork in client.forks:
            return True
        self._skipped.setdefault(client.name, f"does not know {fork}")
        return False


def _genesis_root(genesis: Genesis) -> Mapping[bytes, bytes]:
    """Hash of the genesis block → its state root, where the fixture states the latter."""
    root = genesis.header_fields[STATE_ROOT_INDEX]
    if root is None:
        return {}
    return {keccak256(encode_item([each or b"" for each in genesis.header_fields])): root}


def _as_far_as_stated(answer: Answer, uncertain: Collection[str]) -> Answer:
    """The answer, which is VALID where it differs from nothing that the fixture states."""
    if not uncertain or not answer.fields or not set(answer.fields) <= set(uncertain):
        return answer
    reason = f"as far as the fixture says; not known is {', '.join(answer.fields)}"
    return replace(answer, said=Said.VALID, reason=reason, classes=frozenset(), fields=())


def _misfit_answers(block: CaseBlock) -> tuple[Answer, ...]:
    """Of a block that is refused before anybody is asked: as expected, or else the verifier's own refusal."""
    return (Answer(VERIFIER, "", Said.ABSTAIN, f"refused: {block.misfit}"),) if block.expected is Expected.VALID else ()


def _header(encoded: bytes) -> Header | None:
    try:
        return decode_block_header(encoded)
    except WitnessError:
        return None
