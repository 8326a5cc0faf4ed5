"""Examines one test: has its blocks recorded and executed by every client, and says what each said.

What a client says is read as everywhere else: the verifier compares what it computed with the header, from a pre-state
root of the verifier's own, which is that of the parent as it was recorded.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import lru_cache
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
from verifier.domain.post_state import cast_votes
from verifier.domain.quorum import QuorumPolicy, quorum_policy
from verifier.domain.result import BrokenRule, Mode, Result
from verifier.domain.vote import Vote, VoteKind, cast_vote, withhold
from verifier.errors import ExecutorError
from verifier.executors.stateful.errors import UnsupportedForkError
from verifier.executors.stateful.genesis import STATE_ROOT_INDEX, Genesis
from verifier.executors.stateless.base import ExecutionRequest
from verifier.services.ballot import contradiction
from verifier.services.trust import establish_trust
from witness.chain_config import ChainConfig, parse_chain_config
from witness.errors import WitnessError
from witness.file import check_binding, map_witness_file, write_witness_file
from witness.header import decode_block_header, keccak256
from witness.model import BlockWitness, Header
from witness.prestate import decode_poststate
from witness.rlp_encoding import encode_item

from .case import Case, CaseBlock, Recorded
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
SAID = {VoteKind.VALID: Said.VALID, VoteKind.INVALID: Said.INVALID, VoteKind.ABSTAIN: Said.ABSTAIN}


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


class _Examination:
    def __init__(self, case: Case, recorder: Recording, clients: Sequence[Client], options: ExaminationOptions) -> None:
        self._case = case
        self._recorder = recorder
        self._clients = clients
        self._options = options
        self._roots = dict(_genesis_root(case.genesis)) if case.genesis is not None else {}
        self._skipped: dict[str, str] = {}

    async def run(self) -> ExaminedCase:
        started = time.monotonic()
        directory = Path(tempfile.mkdtemp(dir=self._options.scratch))
        under_way: list[asyncio.Task[ExaminedBlock]] = []
        try:
            failure = await self._start_blocks(directory, under_way)
            blocks = await asyncio.gather(*under_way)
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            shutil.rmtree(directory, ignore_errors=True)
        skipped = {name: self._skipped[name] for name in sorted(self._skipped)}
        examined = ExaminedCase(self._case.name, tuple(blocks), skipped, failure, time.monotonic() - started)
        return self._with_head(examined)

    async def _start_blocks(self, directory: Path, under_way: list[asyncio.Task[ExaminedBlock]]) -> str:
        """Why not all blocks could be recorded, or ""."""
        room = self._options.room
        try:
            async with aclosing(self._recorded(directory)) as recorded:
                async for each in recorded:
                    await room.acquire()
                    task = asyncio.create_task(self._block(each, directory))
                    task.add_done_callback(lambda _: room.release())
                    under_way.append(task)
        except UnsupportedForkError as error:
            self._skip_all(str(error))
        except (ExecutorError, WitnessError, OSError) as error:
            return f"{type(error).__name__}: {error}"
        return ""

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

    async def _recorded(self, directory: Path) -> AsyncGenerator[Recorded, None]:
        """The blocks with what they need, recorded or as they were given."""
        if self._case.genesis is not None:
            self._case = await self._recorder.complete(self._case, directory / COMPLETION)
            async for each in self._recorder.record(self._case, directory):
                self._note_root(each)
                yield each
            return
        for index, block in enumerate(self._case.blocks):
            yield Recorded(index, Answer("", "", Said.ABSTAIN), block.witness)

    def _note_root(self, recorded: Recorded) -> None:
        if recorded.answer.said is Said.VALID:
            header = decode_block_header(self._case.blocks[recorded.index].encoded)
            self._roots[header.hash] = header.state_root

    async def _block(self, recorded: Recorded, directory: Path) -> ExaminedBlock:
        block = self._case.blocks[recorded.index]
        if block.misfit:
            return self._examined(recorded, _misfit_answers(block))
        own = (recorded.answer,) if recorded.answer.client else ()
        path = recorded.path
        try:
            content = recorded.content
            if content is None:
                if path is None:
                    return self._examined(recorded, own)
                content = map_witness_file(path)
            header = check_binding(content)
            if path is None:
                folder = Path(tempfile.mkdtemp(dir=directory))  # two blocks of a test may be the same
                path = write_witness_file(content, folder, sync=False)
            answers = await self._ask(content, header, path, block)
        except (WitnessError, OSError) as error:
            if block.expected is Expected.INVALID and _header(block.encoded) is None:
                return self._examined(recorded, own)  # nobody can be asked about what is no header
            refusal = Answer(VERIFIER, "", Said.ABSTAIN, f"refused: {error}")
            return self._examined(recorded, (*own, refusal))
        examined = self._examined(recorded, (*own, *answers), header, path.stat().st_size)
        if self._options.keep is not None and differences(ExaminedCase(self._case.name, (examined,))):
            keep(path, self._options.keep, self._case.name, recorded.index)
        path.unlink(missing_ok=True)
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
            answers=answers,
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

    async def _ask(self, content: BlockWitness, header: Header, path: Path, block: CaseBlock) -> Sequence[Answer]:
        fork = _chain_config(bytes(content.chain_config)).fork_at(header)
        asked = [client for client in self._clients if self._knows(client, fork)]
        if not asked:
            return ()
        trust = establish_trust(content, header, block.pre_state_root or self._roots.get(header.parent_hash))
        mode = self._options.mode
        withheld = trust.withheld or contradiction(header, content, trust.pre_state_root, mode)
        request = ExecutionRequest(
            witness=path,
            block_hash=header.hash,
            pre_state_root=trust.pre_state_root,
            deadline=self._options.deadline,
            parent_header_optional=trust.parent_header_optional,
            ancestor_hashes=trust.ancestor_hashes,
            mode=mode,
        )
        results = await asyncio.gather(*(client.execute(request) for client in asked))
        votes = _votes(header, content, results, mode)
        if withheld:
            votes = [withhold(vote, withheld) for vote in votes]
        return [self._answer(vote, result) for vote, result in zip(votes, results, strict=True)]

    def _knows(self, client: Client, fork: str) -> bool:
        if fork in client.forks:
            return True
        self._skipped.setdefault(client.name, f"does not know {fork}")
        return False

    def _answer(self, vote: Vote, result: Result) -> Answer:
        fields = tuple(each.field for each in vote.differences)
        classes: frozenset[ReasonClass] = frozenset()
        if vote.kind is VoteKind.INVALID:
            outcome = result.outcome
            said = outcome.rule if isinstance(outcome, BrokenRule) else fields
            classes = self._options.of_reason(vote.adapter, said)
        reason = "" if vote.kind is VoteKind.VALID else vote.reason or ""
        ms = result.elapsed_ms if result.adapter_ms is None else result.adapter_ms
        return Answer(vote.adapter, vote.lineage, SAID[vote.kind], reason, classes, fields, ms)


def _votes(header: Header, content: BlockWitness, results: Sequence[Result], mode: Mode) -> Sequence[Vote]:
    if mode is Mode.PROOF:
        return [cast_vote(header, result) for result in results]
    recorded = None if content.poststate is None else decode_poststate(content.poststate)
    policy = _policy(tuple((result.adapter, result.lineage) for result in results))
    return cast_votes(header, results, policy, recorded)


@lru_cache
def _policy(lineages: tuple[tuple[str, str], ...]) -> QuorumPolicy:
    return quorum_policy(dict(lineages))


@lru_cache
def _chain_config(encoded: bytes) -> ChainConfig:
    return parse_chain_config(encoded)


def _genesis_root(genesis: Genesis) -> Mapping[bytes, bytes]:
    """Hash of the genesis block → its state root, where the fixture states the latter."""
    root = genesis.header_fields[STATE_ROOT_INDEX]
    if root is None:
        return {}
    return {keccak256(encode_item([each or b"" for each in genesis.header_fields])): root}


def _misfit_answers(block: CaseBlock) -> tuple[Answer, ...]:
    """Of a block that is refused before anybody is asked: as expected, or else the verifier's own refusal."""
    return (Answer(VERIFIER, "", Said.ABSTAIN, f"refused: {block.misfit}"),) if block.expected is Expected.VALID else ()


def _header(encoded: bytes) -> Header | None:
    try:
        return decode_block_header(encoded)
    except WitnessError:
        return None
