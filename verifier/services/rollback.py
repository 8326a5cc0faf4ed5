"""Going back from a block that was concluded INVALID to its last valid ancestor, with every part of the system.

Write-ahead: a step counts once it is stored, and each may be done again with the same outcome. So whatever ends this
process, `resume` goes on with the step that was not stored. That the block is INVALID comes before all others: from
then on the gates let nothing out that stands on it, however long the rest takes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from verifier.domain.block import BlockReference
from verifier.domain.branch import dead_branch, last_standing_ancestor
from verifier.domain.event import Alarm, Observer, RolledBack
from verifier.domain.gate import stands
from verifier.domain.rollback import Rollback, RollbackStep, next_step
from verifier.domain.standing import Standing
from verifier.domain.status import Concluded
from verifier.errors import ExecutorError, UnknownBlockError
from verifier.executors.stateful.mover import ExecutionMover
from verifier.ledger.dispute_ledger import DisputeLedger
from verifier.ledger.errors import LedgerError
from witness.errors import WitnessError

from .chain import Chain
from .retreat import nothing

T = TypeVar("T")
# Seconds until a ledger that failed is tried again: as the chain does, since nothing gets by while it fails.
LEDGER_RETRY = 1.0
# Seconds until an execution client that cannot be asked is asked again, and how often: 30 s together, in which a client
# that was restarted answers. After that `resume` asks it, once a call: the gates keep the branch closed meanwhile.
CLIENT_RETRY = 2.0
CLIENT_ATTEMPTS = 15
EMBEDDED_ATTEMPTS = 2  # a process that was lost is started again by the next call


class EvidenceShelf(Protocol):
    """Where witness files are. `witness.store.WitnessStore` is one."""

    def set_aside(self, block_hash: bytes, directory: Path) -> Path | None:
        """Takes a block's witness into `directory`, where it is no longer available. Raises OSError, WitnessError."""


class EmbeddedChain(Protocol):
    """The embedded executor's head. `executors.stateful.follower.Follower` has one."""

    async def rollback(self, target: bytes, dead: Collection[bytes]) -> str:
        """Makes `target` its head if the head is one of `dead`; what is remarkable about it. Raises ExecutorError."""


@dataclass
class FakeEmbeddedChain:
    """An EmbeddedChain in memory. fails: raised one after the other, before it goes back at last."""

    head: bytes = b""
    fails: list[Exception] = field(default_factory=list)

    async def rollback(self, target: bytes, dead: Collection[bytes]) -> str:
        """As EmbeddedChain.rollback."""
        if self.fails:
            raise self.fails.pop(0)
        if self.head in dead:
            self.head = target
        return ""


@dataclass
class FakeShelf:
    """An EvidenceShelf in memory: hashes of blocks whose witness is available, or set aside. fail_with: as raised."""

    available: set[bytes] = field(default_factory=set)
    aside: set[bytes] = field(default_factory=set)
    fail_with: Exception | None = None

    def set_aside(self, block_hash: bytes, directory: Path) -> Path | None:
        """As EvidenceShelf.set_aside."""
        if self.fail_with is not None:
            raise self.fail_with
        if block_hash not in self.available:
            return None
        self.aside.add(block_hash)
        self.available.discard(block_hash)
        return directory / block_hash.hex()


class Rollbacks:
    """Carries rollbacks out, one after the other. For one event loop.

    store: the witnesses, those of a dead branch are set aside in the directory `evidence`. embedded: None where there
    is no embedded executor. clock: seconds since the epoch. `pause` waits some seconds.

    Alarms: rollback_stalled (the ledger fails: it is tried again for as long as it takes), rollback_without_target (it
    waits at MARKED), evidence_not_kept, embedded_executor_not_moved and execution_client_not_moved (it goes on, or
    waits at EMBEDDED where the client cannot be asked). What waits is said once, however often it is tried again.
    """

    def __init__(
        self,
        chain: Chain,
        ledger: DisputeLedger,
        store: EvidenceShelf,
        embedded: EmbeddedChain | None,
        mover: ExecutionMover,
        observer: Observer,
        clock: Callable[[], float] = time.time,
        *,
        evidence: Path,
    ) -> None:
        self.pause: Callable[[float], Awaitable[None]] = asyncio.sleep
        self._chain = chain
        self._ledger = ledger
        self._store = store
        self._embedded = embedded
        self._mover = mover
        self._observer = observer
        self._clock = clock
        self._evidence = evidence
        self._turn = asyncio.Lock()
        self._ended: dict[bytes, Rollback] = {}
        self._waits: dict[bytes, str] = {}  # blocks whose rollback was said to wait, and the alarm
        self._actions: dict[RollbackStep, Callable[[Rollback], Awaitable[Rollback | None]]] = {
            RollbackStep.KEPT: self._keep,
            RollbackStep.EMBEDDED: self._return_embedded,
            RollbackStep.MOVED: self._move,
        }

    async def run(
        self, dispute_id: str, block_hash: bytes, why: str, marked: Callable[[], Awaitable[None]] = nothing
    ) -> Rollback:
        """Goes back from a block, and how far that came: DONE, or MARKED or EMBEDDED where it could not go on.

        dispute_id: "" for a person's word. why: one line. marked: awaited when the block is INVALID and nothing else is
        done. Called again it goes on where it was, or finds that nothing is left to do. Raises UnknownBlockError for a
        block that is not known.
        """
        tracked = self._chain.tracked(block_hash)
        if tracked is None:
            raise UnknownBlockError(f"block 0x{block_hash.hex()} is not known here: nothing to go back from")
        close = partial(self._chain.apply, block_hash, Concluded(valid=False, why=why))
        rollback = await self._begun(block_hash, close)
        if rollback is None:
            target = self._target(block_hash)
            rollback = Rollback(dispute_id, tracked.block, target, RollbackStep.DECIDED, self._clock(), note=why)
            await self._put(rollback)
        await self._mark(rollback)  # before its turn comes
        async with self._turn:
            current = await self._begun(block_hash)
            if current is None:  # another call ended it meanwhile
                return self._ended.get(block_hash, rollback)
            await marked()
            return await self._go_on(current)

    async def resume(self) -> bool:
        """Goes on with all that is not done, of whichever process; whether some of it is still not."""
        async with self._turn:
            unfinished = await self._unfinished()
            for each in unfinished:  # all of them before anything that takes time
                await self._mark(each)
            came_to = [await self._go_on(each) for each in unfinished]
            return any(each.step is not RollbackStep.DONE for each in came_to)

    async def _begun(self, block_hash: bytes, meanwhile: Callable[[], object] = lambda: None) -> Rollback | None:
        return next((each for each in await self._unfinished(meanwhile) if each.block.hash == block_hash), None)

    async def _go_on(self, rollback: Rollback) -> Rollback:
        """It is marked, whatever step it has reached."""
        if rollback.step is RollbackStep.DECIDED:
            rollback = await self._reach(rollback, RollbackStep.MARKED)
        rollback = self._aim(rollback)
        if rollback.target is None:
            text = f"block {rollback.block} is invalid, and no ancestor of it stands: nothing is moved"
            self._wait(rollback, Alarm("rollback_without_target", text))
            return rollback
        while rollback.step is not RollbackStep.DONE:
            step = next_step(rollback.step)
            action = self._actions.get(step)
            after = rollback if action is None else await action(rollback)
            if after is None:
                return rollback
            rollback = await self._reach(after, step)
        self._ended[rollback.block.hash] = rollback
        self._waits.pop(rollback.block.hash, None)
        self._observer.notify(RolledBack(rollback))
        return rollback

    def _target(self, block_hash: bytes) -> BlockReference | None:
        return last_standing_ancestor(self._chain.blocks, block_hash, self._stands)

    def _stands(self, block_hash: bytes) -> bool:
        return stands(self._chain.mode, self._chain.standing(block_hash))

    def _aim(self, rollback: Rollback) -> Rollback:
        """The rollback with a target that still stands: an ancestor may have become invalid since it was decided.

        A target of which nothing is known any more stays: finality has left it behind.
        """
        target = rollback.target
        if target is not None:
            known = self._chain.standing(target.hash).standing is not Standing.UNKNOWN
            if not known or self._stands(target.hash):
                return rollback
        found = self._target(rollback.block.hash)
        if found == target:
            return rollback
        begun = rollback.step in (RollbackStep.EMBEDDED, RollbackStep.MOVED)
        return replace(rollback, target=found, step=RollbackStep.KEPT if begun else rollback.step)

    async def _mark(self, rollback: Rollback) -> None:
        self._close(rollback)
        while self._chain.failure:  # INVALID is seen already, but not stored; the chain has raised an alarm
            await self.pause(LEDGER_RETRY)

    async def _keep(self, rollback: Rollback) -> Rollback:
        for each in self._dead(rollback):
            try:
                await asyncio.to_thread(self._store.set_aside, each.hash, self._evidence)
            except (WitnessError, OSError) as error:
                text = f"the witness of block {each} is not set aside: {error}"
                self._observer.notify(Alarm("evidence_not_kept", text))
                rollback = _noted(rollback, text)
        return rollback

    async def _return_embedded(self, rollback: Rollback) -> Rollback:
        assert rollback.target is not None, "checked before"
        if self._embedded is None:
            return rollback
        dead = [each.hash for each in self._dead(rollback)]
        why = ""
        for _ in range(EMBEDDED_ATTEMPTS):
            try:
                return _noted(rollback, await self._embedded.rollback(rollback.target.hash, dead))
            except ExecutorError as error:
                why = str(error)
        text = f"the embedded executor is not back at block {rollback.target}: {why}"
        self._observer.notify(Alarm("embedded_executor_not_moved", text))
        return _noted(rollback, text)

    async def _move(self, rollback: Rollback) -> Rollback | None:
        """None where the client could not be asked: that is not known to be done."""
        assert rollback.target is not None, "checked before"
        why = ""
        said = self._waits.get(rollback.block.hash) == _not_moved(rollback, "").name
        for attempt in range(1 if said else CLIENT_ATTEMPTS):
            if attempt:
                await self.pause(CLIENT_RETRY)
            try:
                moved = await self._mover.move(rollback.block, rollback.target)
            except ExecutorError as error:
                why = str(error)
                continue
            if not moved.how:
                self._observer.notify(_not_moved(rollback, moved.note))
            return replace(_noted(rollback, moved.note), moved=moved.how)
        self._wait(rollback, _not_moved(rollback, f"{why}; it is asked again until it answers"))
        return None

    def _wait(self, rollback: Rollback, alarm: Alarm) -> None:
        """It stays where it is for now: said once."""
        if self._waits.get(rollback.block.hash) != alarm.name:
            self._waits[rollback.block.hash] = alarm.name
            self._observer.notify(alarm)

    def _dead(self, rollback: Rollback) -> tuple[BlockReference, ...]:
        return dead_branch(self._chain.blocks, rollback.block.hash)

    async def _reach(self, rollback: Rollback, step: RollbackStep) -> Rollback:
        reached = replace(rollback, step=step, at=self._clock())
        await self._put(reached)
        return reached

    async def _put(self, rollback: Rollback) -> None:
        await self._insist(lambda: self._ledger.put_rollback(rollback), partial(self._close, rollback))

    async def _unfinished(self, meanwhile: Callable[[], object] = lambda: None) -> list[Rollback]:
        return list(await self._insist(self._ledger.rollbacks, meanwhile))

    def _close(self, rollback: Rollback) -> None:
        self._chain.apply(rollback.block.hash, Concluded(valid=False, why=rollback.note))

    async def _insist(self, asking: Callable[[], T], meanwhile: Callable[[], object]) -> T:
        """What the ledger answers, as soon as it does. meanwhile: what waits for no disk."""
        told = False
        while True:
            try:
                return asking()
            except LedgerError as error:
                meanwhile()
                if not told:
                    self._observer.notify(Alarm("rollback_stalled", f"a rollback waits for the ledger: {error}"))
                told = True
                await self.pause(LEDGER_RETRY)


def _not_moved(rollback: Rollback, why: str) -> Alarm:
    text = f"the execution client is not known to have left the invalid block {rollback.block} for {rollback.target}"
    return Alarm("execution_client_not_moved", f"{text}: {why}")


def _noted(rollback: Rollback, text: str) -> Rollback:
    return replace(rollback, note="; ".join(filter(None, (rollback.note, text))))
