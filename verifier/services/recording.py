"""Recording: blocks of a chain or of tests through the stateful executor into witness files."""

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

from verifier.domain.block import BlockReference
from verifier.errors import InputError, RollbackDepthError, UnknownBlockError, UsageError
from verifier.executors.stateful.base import ImportOutcome, StatefulExecutor, WitnessSink
from verifier.executors.stateful.errors import UndecodableBlockError, UnsupportedForkError
from verifier.executors.stateful.genesis import Genesis
from verifier.services.conformance.loaders.blockchain_test import BlockchainTest, FixtureBlock, block_hash
from verifier.services.conformance.loaders.errors import NotFixtureError
from verifier.services.conformance.loaders.fixtures import fixture_files, is_fixture_path, load_tests
from verifier.services.conformance.loaders.genesis import load_genesis
from verifier.services.conformance.loaders.rlp_chain import load_blocks
from witness.store import WitnessStore

STATE_NAME = ".state"
NAME_LENGTH = 100  # characters of a test's name in its directory's; a path component may have 255 bytes
UNSAFE = re.compile(r"[^A-Za-z0-9._=-]+")


class Status(Enum):
    """What became of one block, or (UNSUPPORTED, NOTE) of the rest of its chain."""

    RECORDED = "recorded"
    INVALID = "invalid"  # recorded too, and not in the chain
    SKIPPED = "skipped"  # in the chain already
    REFUSED = "refused"  # nothing to execute: undecodable, or on a parent that is not in the chain
    UNSUPPORTED = "unsupported"  # the fork; nothing after it is tried
    NOTE = "note"  # not about a block


@dataclass(frozen=True, slots=True)
class RecordEvent:
    """One block or note. test: its test's name, empty for a block file. position: of the block in its source, from 0.

    disagreement: what the fixture says, where the executor says otherwise.
    """

    status: Status
    test: str = ""
    position: int = 0
    block: BlockReference | None = None
    reason: str = ""
    path: Path | None = None
    disagreement: str = ""


@dataclass
class RecordSummary:
    """Counts of events by status, and of disagreements."""

    counts: dict[Status, int] = field(default_factory=lambda: dict.fromkeys(Status, 0))
    disagreements: int = 0

    def add(self, event: RecordEvent) -> None:
        """Counts one event."""
        self.counts[event.status] += 1
        self.disagreements += bool(event.disagreement)

    def __str__(self) -> str:
        blocks = [status for status in Status if status is not Status.NOTE]
        text = ", ".join(
            f"{self.counts[status]} {status.value}"
            for status in blocks
            if self.counts[status] or status is Status.RECORDED
        )
        return text + (f", {self.disagreements} DISAGREEMENTS with the fixture" if self.disagreements else "")


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """out: the directory for witness files. state: for the executor's database, None for the default.

    test: only tests of this name, or that contain it. sync: force files and commits to the disk.
    """

    out: Path
    genesis: Path | None = None
    state: Path | None = None
    test: str | None = None
    sync: bool = True


class ClosableExecutor(StatefulExecutor, Protocol):
    """A stateful executor that holds something open."""

    def close(self) -> None:
        """Lets go of it."""


OpenExecutor = Callable[[Path, Genesis, WitnessSink, bool], ClosableExecutor]
"""From database directory, genesis, sink and `sync` to an executor."""


def open_embedded(state: Path, genesis: Genesis, sink: WitnessSink, sync: bool) -> ClosableExecutor:
    """The embedded executor. py-evm is imported here, as it takes longer than most commands."""
    from verifier.executors.stateful.embedded.executor import EmbeddedExecutor

    return EmbeddedExecutor(state, genesis, sink, sync=sync)


def record(source: Path, options: RecordOptions, open_executor: OpenExecutor = open_embedded) -> Iterator[RecordEvent]:
    """Records every block of `source`: a block file, a file of tests, or a directory of such files.

    Yields an event a block as it is done. Raises UsageError, InputError, ExecutorError, WitnessError.
    """
    if not source.exists():
        raise InputError(f"{source}: does not exist")
    if source.is_dir() or is_fixture_path(source):
        yield from _record_tests(source, options, open_executor)
        return
    if options.genesis is None:
        raise UsageError("--genesis is needed for a file of blocks")
    if options.test is not None:
        raise UsageError("--test does not go with a file of blocks")
    genesis = load_genesis(options.genesis)
    state = options.state or options.out / STATE_NAME
    with _opened(state, genesis, options.out, open_executor, sync=options.sync, sync_state=options.sync) as executor:
        for position, encoded in enumerate(load_blocks(source)):
            yield _event(executor.import_block(encoded), position)


def record_test(test: BlockchainTest, executor: StatefulExecutor) -> Iterator[RecordEvent]:
    """Records the blocks of one test, comparing the executor's word with the fixture's. Raises ExecutorError."""
    for position, block in enumerate(test.blocks):
        try:
            event = _event(_import(executor, block), position, test.name)
        except (UndecodableBlockError, UnknownBlockError, RollbackDepthError, PayloadHashError) as error:
            event = RecordEvent(Status.REFUSED, test.name, position, reason=str(error))
        except UnsupportedForkError as error:
            yield RecordEvent(Status.UNSUPPORTED, test.name, position, reason=str(error))
            return
        yield _compared(event, block)
    head = executor.head()
    if test.last_block_hash is not None and head.hash != test.last_block_hash:
        said = f"the fixture ends with 0x{test.last_block_hash.hex()}"
        yield RecordEvent(Status.NOTE, test.name, block=head, reason="the chain ends here", disagreement=said)


class PayloadHashError(InputError):
    """A payload whose block has another hash than it states: no block to execute."""


def _import(executor: StatefulExecutor, block: FixtureBlock) -> ImportOutcome:
    if block.stated_hash is not None:
        computed = block_hash(block.encoded)
        if computed is not None and computed != block.stated_hash:
            raise PayloadHashError(f"its hash is 0x{computed.hex()}, 0x{block.stated_hash.hex()} is stated")
    return executor.import_block(block.encoded)


def _compared(event: RecordEvent, block: FixtureBlock) -> RecordEvent:
    accepted = event.status in (Status.RECORDED, Status.SKIPPED)
    if accepted == (block.exception is None):
        return event
    said = "valid" if block.exception is None else f"invalid ({block.exception})"
    return RecordEvent(
        event.status,
        event.test,
        event.position,
        event.block,
        event.reason,
        event.path,
        disagreement=f"the fixture says {said}",
    )


def _event(outcome: ImportOutcome, position: int, test: str = "") -> RecordEvent:
    if outcome.known:
        return RecordEvent(Status.SKIPPED, test, position, outcome.block, "in the chain already")
    status = Status.RECORDED if outcome.invalid is None else Status.INVALID
    return RecordEvent(status, test, position, outcome.block, outcome.invalid or "", outcome.path)


@contextmanager
def _opened(
    state: Path, genesis: Genesis, out: Path, open_executor: OpenExecutor, *, sync: bool, sync_state: bool
) -> Iterator[StatefulExecutor]:
    """An executor that publishes to `out`, closed at the end together with its store."""
    with WitnessStore(out, sync=sync) as store, closing(open_executor(state, genesis, store, sync_state)) as executor:
        yield executor


def _tests(source: Path, options: RecordOptions) -> Iterator[tuple[Path, BlockchainTest] | RecordEvent]:
    for path in fixture_files(source) if source.is_dir() else [source]:
        try:
            for test in load_tests(path):
                if options.test is None or options.test in test.name:
                    yield path, test
        except NotFixtureError as error:
            if not source.is_dir():
                raise
            yield RecordEvent(Status.NOTE, reason=f"left out: {error}")


def _record_tests(source: Path, options: RecordOptions, open_executor: OpenExecutor) -> Iterator[RecordEvent]:
    found = 0
    # A genesis of the caller's takes the place of each test's own pre-state and rules; a file of tests is none.
    genesis = load_genesis(options.genesis) if options.genesis and not _holds_tests(options.genesis) else None
    for item, alone in _with_alone(_tests(source, options)):
        if isinstance(item, RecordEvent):
            yield item
            continue
        path, test = item
        found += 1
        name = "" if alone else directory_name(path.relative_to(source) if source.is_dir() else path, test.name)
        out = options.out / name
        with tempfile.TemporaryDirectory(prefix="verifier-state-") as temporary:
            state = options.state / name if options.state is not None else Path(temporary)
            # A temporary database has nothing to survive a power failure for; the files do.
            sync_state = options.sync and options.state is not None
            with _opened(
                state, genesis or test.genesis, out, open_executor, sync=options.sync, sync_state=sync_state
            ) as executor:
                yield from record_test(test, executor)
    if not found:
        wanted = "" if options.test is None else f" whose name contains {options.test!r}"
        raise UsageError(f"{source}: no tests{wanted}")


def _holds_tests(path: Path) -> bool:
    if not path.is_file() or not is_fixture_path(path):
        return False
    try:
        return next(load_tests(path), None) is not None
    except NotFixtureError:
        return False


def _with_alone(
    items: Iterable[tuple[Path, BlockchainTest] | RecordEvent],
) -> Iterator[tuple[tuple[Path, BlockchainTest] | RecordEvent, bool]]:
    """Each item, and whether it is the only test of all: known one test ahead, so that not all must be in memory."""
    held: tuple[Path, BlockchainTest] | None = None
    several = False
    for item in items:
        if isinstance(item, RecordEvent):
            yield item, False
            continue
        if held is not None:
            several = True
            yield held, False
        held = item
    if held is not None:
        yield held, not several


def directory_name(path: Path, test: str) -> str:
    """A directory's name for a test: readable, safe, and of its own for every test of a suite."""
    readable = UNSAFE.sub("_", test).strip("._")[-NAME_LENGTH:]
    # JSON can carry half a surrogate pair in a name, and a path any byte (PEP 383).
    digest = hashlib.sha256(f"{path}\0{test}".encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{readable}-{digest}"
