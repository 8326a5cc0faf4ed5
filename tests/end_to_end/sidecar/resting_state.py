"""Everything that a sidecar keeps, read while nobody writes, and what has to hold of it in the middle of a rollback."""

import contextlib
import shutil
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verifier.app.embedded import NoSink
from verifier.demo.genesis import CHAIN_ID
from verifier.domain.dispute import Conclusion, Dispute
from verifier.domain.rollback import RollbackStep
from verifier.domain.status import BlockStatus
from verifier.executors.stateful.embedded.executor import EmbeddedExecutor
from verifier.executors.stateful.errors import DatabaseInUseError
from verifier.ledger.sqlite import SqliteLedger
from verifier.services.analysis import SECURED
from verifier.services.conformance.loaders.genesis import load_genesis
from verifier.services.evidence import read_bundle
from verifier.services.evidence.bundle import is_bundle
from witness.file import map_witness_file
from witness.store import WitnessStore

KEPT = ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "witnesses", "embedded", "evidence")
ORPHAN_TIMEOUT = 30.0  # seconds for the embedded executor's process to notice that the sidecar is gone
POLL = 0.01  # seconds between two looks whether it has
STEPS = list(RollbackStep)
# How far a rollback came. 0: nothing is concluded; 1: that is stored; then the steps.
STAGES = ("open", "concluded", *STEPS)
CONCLUDED, MARKED, KEPT_WITNESSES, EMBEDDED, MOVED, DONE = (
    STAGES.index(each) for each in ("concluded", "marked", "kept", "embedded", "moved", "done")
)
PROGRESS = "SELECT (SELECT step FROM rollbacks), (SELECT conclusion FROM disputes)"


@dataclass(frozen=True)
class Branches:
    """Hashes of blocks. good: from the first one to the last valid ancestor. bad: from the invalid one to the tip."""

    good: tuple[bytes, ...]
    bad: tuple[bytes, ...]

    @property
    def target(self) -> bytes:
        """Where to go back to."""
        return self.good[-1]


@dataclass(frozen=True)
class RestingState:
    """What is kept. stage: an index of STAGES. statuses: by hash. shelf, aside: whose witnesses are there, or evidence.

    bundled: whose witnesses are in a bundle. client, embedded: hashes of the two heads.
    """

    stage: int
    statuses: dict[bytes, BlockStatus]
    disputes: Sequence[Dispute]
    shelf: frozenset[bytes]
    aside: frozenset[bytes]
    bundled: frozenset[bytes]
    client: bytes
    embedded: bytes


def copy_state(source: Path, target: Path) -> None:
    """Puts what a sidecar keeps in `source` in place of what it keeps in `target`."""
    target.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        if (target / name).is_dir():
            shutil.rmtree(target / name)
        else:
            (target / name).unlink(missing_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name)
        elif (source / name).exists():
            shutil.copyfile(source / name, target / name)


class Progress:
    """The stage of the one rollback in a ledger, also while it is being written."""

    def __init__(self, ledger: Path) -> None:
        self._connection = sqlite3.connect(
            f"{ledger.as_uri()}?mode=ro", uri=True, timeout=10.0, check_same_thread=False
        )
        self._stage, self._disputed = 0, False

    def stage(self) -> int:
        """An index of STAGES; the last one that was seen while the process is stopped in the middle of a lock."""
        row = self._read(PROGRESS)
        if row is not None:
            step, conclusion = row
            self._stage = STAGES.index(step) if step else CONCLUDED if conclusion else 0
        return self._stage

    def disputed(self) -> bool:
        """Whether there is a dispute, concluded or not; as far as is known."""
        row = self._read("SELECT count(*) FROM disputes")
        if row is not None:
            self._disputed = bool(row[0])
        return self._disputed

    def _read(self, query: str) -> tuple[Any, ...] | None:
        try:
            row: tuple[Any, ...] = self._connection.execute(query).fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_PROTOCOL:
                raise
            return None  # who holds the lock was stopped, and will go on
        return row

    def close(self) -> None:
        """Lets go of the file."""
        self._connection.close()


def read_state(directory: Path, genesis: Path, client: bytes) -> RestingState:
    """What a sidecar that does not run keeps in a directory; every file of it is read. client: its client's head.

    Raises AssertionError, and what reading a damaged file raises.
    """
    with contextlib.closing(sqlite3.connect(directory / "ledger.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM rollbacks").fetchone()[0] <= 1
        ((first,),) = connection.execute("SELECT genesis FROM identity").fetchall()
    with contextlib.closing(Progress(directory / "ledger.sqlite")) as progress:
        stage = progress.stage()
    with SqliteLedger(directory / "ledger.sqlite", CHAIN_ID, first, read_only=True) as ledger:
        statuses = {each.block.hash: each.status for each in ledger.blocks()}
        disputes = ledger.disputes()
        assert not ledger.quarantines()
    evidence = directory / "evidence"
    bundles = [read_bundle(each) for each in evidence.glob("*") if is_bundle(each)]
    return RestingState(
        stage,
        statuses,
        disputes,
        _witnesses(directory / "witnesses"),
        _witnesses(evidence / SECURED),
        frozenset(map_witness_file(each.witness).hash for each in bundles),
        client,
        _embedded_head(directory / "embedded", genesis),
    )


def check(state: RestingState, branches: Branches, before: RestingState | None = None) -> None:
    """Raises AssertionError where the parts do not fit together, or anything was taken back since `before`."""
    stage, (bad, *descendants), branch = state.stage, branches.bad, frozenset(branches.bad)
    assert {state.statuses[each] for each in branches.good} == {BlockStatus.VERIFIED}
    dead = {each for each, status in state.statuses.items() if status is BlockStatus.INVALID}
    assert dead in (set(), branch), "one branch, one word"
    assert dead or stage < MARKED
    assert not dead or stage >= CONCLUDED, "nothing is closed for good without a conclusion"
    assert [each.block.hash for each in state.disputes] in ([], [bad])
    assert {each.conclusion for each in state.disputes} <= {None, Conclusion.INVALID}
    # Witnesses: nothing is lost, and what is evidence is not available, but for the one that is just being moved. The
    # bad block's is secured before anything is moved, and is in the bundle too.
    assert frozenset(branches.good) <= state.shelf
    assert not frozenset(branches.good) & state.aside
    assert state.shelf | state.aside | state.bundled >= branch
    assert len(frozenset(descendants) & state.shelf & state.aside) <= (stage == KEPT_WITNESSES - 1)
    assert not frozenset(descendants) & state.aside or stage >= MARKED
    if stage >= KEPT_WITNESSES:
        assert not branch & state.shelf
    assert state.bundled <= {bad}
    # The heads leave the bad branch in their turn, and for the target alone.
    for head, step in ((state.embedded, EMBEDDED), (state.client, MOVED)):
        assert head in (branches.target, branches.bad[-1]), head.hex()
        assert head == branches.bad[-1] or stage >= step - 1
        assert head == branches.target or stage < step
    if before is not None:
        assert stage >= before.stage
        assert dead >= {each for each, status in before.statuses.items() if status is BlockStatus.INVALID}
        assert state.aside | state.bundled >= before.aside | before.bundled


def _witnesses(directory: Path) -> frozenset[bytes]:
    found = list(WitnessStore(directory))
    for each in found:
        assert map_witness_file(each.path).hash == each.hash
    return frozenset(each.hash for each in found)


def _embedded_head(directory: Path, genesis: Path) -> bytes:
    deadline = time.monotonic() + ORPHAN_TIMEOUT
    while True:
        try:
            with EmbeddedExecutor(directory, load_genesis(genesis), NoSink(), sync=False) as executor:
                head: Any = executor.head()
                return bytes(head.hash)
        except DatabaseInUseError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL)
