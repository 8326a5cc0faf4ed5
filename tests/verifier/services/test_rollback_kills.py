"""A rollback is killed at random moments, again and again: always one consistent state, and the same end."""

import contextlib
import multiprocessing
import random
import shutil
import sqlite3
from collections.abc import Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from verifier.app.embedded import NoSink
from verifier.domain.block import BlockReference
from verifier.domain.rollback import RollbackStep
from verifier.domain.status import Anchored, BlockStatus, TrackedBlock, advance
from verifier.executors.stateful.base import ImportOutcome
from verifier.executors.stateful.embedded.executor import EmbeddedExecutor
from verifier.ledger.sqlite import SqliteLedger
from witness.file import map_witness_file
from witness.model import BlockWitness
from witness.store import WitnessStore

from ..executors.stateful.chains import sample_blocks, sample_genesis
from .going_back import CHAIN_ID, GENESIS, HASHES, HEADERS, LAST, TARGET, FileClient, Places, go_back

KILLS = 100
SEED = 20_261_130
SPIN = 60_000  # loop iterations at most after the observed message: up to about one step's time
MESSAGES = 8  # of an undisturbed rollback: the head, six steps, and the embedded executor's

# py-evm is imported once, in the server that the processes to be killed are forked from.
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload([go_back.__module__])


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """A chain of verified blocks, with their witnesses, the embedded executor and the client at its last one."""
    places = Places(tmp_path_factory.mktemp("prepared"))
    with (
        EmbeddedExecutor(places.embedded, sample_genesis(), NoSink(), sync=False) as executor,
        WitnessStore(places.witnesses, sync=False) as store,
        SqliteLedger(places.ledger, CHAIN_ID, GENESIS) as ledger,
    ):
        for encoded, header in zip(sample_blocks()[:LAST], HEADERS, strict=True):
            store.publish(_witnessed(executor.import_block(encoded)))
            block = BlockReference(CHAIN_ID, header.number, header.hash)
            tracked = TrackedBlock(block, header.parent_hash, header.state_root, header.timestamp, BlockStatus.VERIFIED)
            ledger.put(advance(tracked, Anchored("configured")) if header.number == 1 else tracked)
    FileClient(places.client).head = HASHES[-1]
    return places


def _witnessed(outcome: ImportOutcome) -> BlockWitness:
    assert outcome.witness is not None
    return outcome.witness


class GoingBack:
    """A process that goes back."""

    def __init__(self, places: Places) -> None:
        self._messages, theirs = context.Pipe(duplex=False)
        self._process: ForkServerProcess = context.Process(target=go_back, args=(theirs, places.root), daemon=True)
        self._process.start()
        theirs.close()
        self.said: list[tuple[str, object]] = []

    def messages(self) -> Iterator[tuple[str, object]]:
        """What it says, until it ends."""
        while True:
            try:
                self.said.append(self._messages.recv())
            except EOFError:
                return
            yield self.said[-1]

    def kill(self) -> None:
        """SIGKILL; what was said before is still heard."""
        self._process.kill()
        self.finish()

    def finish(self) -> None:
        """Hears it out."""
        for _ in self.messages():
            pass
        self._process.join()
        self._messages.close()

    @property
    def ended(self) -> bool:
        """Whether it came to its end."""
        return ("end", "") in self.said


def stored_step(places: Places) -> RollbackStep | None:
    """Of the one rollback; that which is done is no longer told by the ledger itself."""
    with contextlib.closing(sqlite3.connect(f"file:{places.ledger}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT step FROM rollbacks").fetchall()
    assert len(rows) <= 1
    return RollbackStep(rows[0][0]) if rows else None


def check(places: Places) -> RollbackStep | None:
    """What holds at every moment; the step that is stored."""
    step = stored_step(places)
    steps = list(RollbackStep)
    reached = -1 if step is None else steps.index(step)
    with SqliteLedger(places.ledger, CHAIN_ID, GENESIS, read_only=True) as ledger:
        statuses = {each.block.number: each.status for each in ledger.blocks()}
    below, above = set(range(1, TARGET + 1)), set(range(TARGET + 1, LAST + 1))
    assert {statuses[number] for number in below} == {BlockStatus.VERIFIED}
    invalid = {number for number in above if statuses[number] is BlockStatus.INVALID}
    assert invalid in (set(), above), "one branch, one word"
    assert invalid or reached < steps.index(RollbackStep.MARKED)
    shelf, aside = ({each.number for each in WitnessStore(at)} for at in (places.witnesses, places.evidence))
    assert shelf | aside == below | above, "nothing is lost"
    assert below <= shelf
    assert not below & aside
    assert not aside or reached >= steps.index(RollbackStep.MARKED)
    if reached >= steps.index(RollbackStep.KEPT):
        assert (shelf, aside) == (below, above)
    for each in WitnessStore(places.evidence):
        assert map_witness_file(each.path).hash == each.hash
    head = FileClient(places.client).head
    assert head in (HASHES[TARGET - 1], HASHES[-1])
    assert head == HASHES[-1] or reached >= steps.index(RollbackStep.EMBEDDED)
    if reached >= steps.index(RollbackStep.MOVED):
        assert head == HASHES[TARGET - 1]
    return step


def test_sigkill_at_random_moments(tmp_path: Path, prepared: Places) -> None:
    """Each process is killed some messages and some loop iterations after its start, the next one goes on from there.

    When the rollback is done, the next round starts from the prepared state.
    """
    generator = random.Random(SEED)
    kills, rounds = 0, 0
    left: set[RollbackStep | None] = set()
    while kills < KILLS:
        rounds += 1
        places = Places(tmp_path / str(rounds))
        shutil.copytree(prepared.root, places.root)
        while True:
            process = GoingBack(places)
            messages = process.messages()
            kind, head = next(messages)
            assert kind == "head"
            assert head in (LAST, TARGET)
            for _ in range(generator.randrange(MESSAGES)):
                next(messages, None)
            if kills < KILLS:
                for _ in range(generator.randrange(SPIN)):
                    pass
                process.kill()
                kills += not process.ended
            else:
                process.finish()
            step = check(places)
            left.add(step)
            assert head == LAST or step not in (None, RollbackStep.DECIDED, RollbackStep.MARKED)
            if step is RollbackStep.DONE:
                break
        with EmbeddedExecutor(places.embedded, sample_genesis(), NoSink(), sync=False) as executor:
            assert executor.head().hash == HASHES[TARGET - 1]
            assert executor.import_block(sample_blocks()[TARGET]).block.number == TARGET + 1  # and goes on from there
        shutil.rmtree(places.root)
    assert kills == KILLS
    assert len(left) > 3, f"they were killed everywhere: {left}"
    print(f"{kills} kills in {rounds} rollbacks, left at {sorted(map(str, left))}")
