"""The verifier's own view of the chain: what is stored first, then seen, then acted on by whoever waits for it.

Two views of every block: `tracked`, as the events so far make it, and what is *seen* (`standing`, `wait`). A change is
seen once the ledger has stored it. While the ledger fails, changes pile up unseen and are stored when it works again;
but what closes a block (DISPUTED, INVALID) is seen at once. So a failing ledger lets nothing out, and holds nothing
open.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from verifier.domain.event import Alarm, Observer, StatusChanged
from verifier.domain.gate import GateMode, stands, worth_waiting
from verifier.domain.quorum import Decision
from verifier.domain.standing import Standing, StandingReport, latest_valid_ancestor
from verifier.domain.status import (
    Anchored,
    BlockEvent,
    BlockStatus,
    Concluded,
    ExecutorStatus,
    TrackedBlock,
    advance,
)
from verifier.domain.vote import Vote
from verifier.ledger.base import Ledger
from verifier.ledger.errors import LedgerError

from .standings import Standings

# Seconds until a failed ledger is tried again. Short against a slot: blocks are held until it works.
RETRY_INTERVAL = 1.0
CLOSING = (BlockStatus.DISPUTED, BlockStatus.INVALID)
# Blocks below finality for which an INVALID one is still known, so that it is answered INVALID and not merely not
# VALID: more than a day on mainnet.
INVALID_KEPT = 8192
BY_ANCESTOR = "ancestor "  # how the reason begins of what has fallen with an ancestor
ZERO_HASH = bytes(32)  # what the Engine API names before anything is final


class Chain:
    """A ChainView, and where everything that happens to blocks is told. For one event loop.

    demand: called with the hash of a block that somebody waits for; the Judge sets it. clock: seconds since the epoch.
    Raises LedgerError if the ledger cannot be read; nothing later raises it.
    """

    def __init__(
        self,
        ledger: Ledger,
        observer: Observer,
        mode: GateMode = GateMode.EVERY_BLOCK,
        *,
        clock: Callable[[], float] = time.time,
        retry_interval: float = RETRY_INTERVAL,
    ) -> None:
        self.mode = mode
        self.demand: Callable[[bytes], None] = lambda _: None
        self._ledger = ledger
        self._observer = observer
        self._clock = clock
        self._retry_interval = retry_interval
        self._seen = Standings(map(_as_found, ledger.blocks()))
        self._unstored: dict[bytes, TrackedBlock] = {}
        self._unrecorded: dict[bytes, tuple[Decision, tuple[Vote, ...], float]] = {}
        self._waiters: dict[bytes, set[asyncio.Future[None]]] = {}
        self._finalized = ZERO_HASH
        self._unverified = ZERO_HASH  # the last finalized block that an alarm was raised for
        self._failure = ""
        self._retry: asyncio.TimerHandle | None = None

    @property
    def blocks(self) -> Mapping[bytes, TrackedBlock]:
        """All blocks as they are seen, by hash."""
        return self._seen.blocks

    @property
    def failure(self) -> str:
        """Why the ledger cannot be written now, "" if it can."""
        return self._failure

    def standing(self, block_hash: bytes) -> StandingReport:
        """As ChainView.standing."""
        report = self._seen.report(block_hash)
        if self._failure and not report.decided:
            return replace(report, why=f"{report.why} (what is new cannot be stored: {self._failure})")
        return report

    async def wait(self, block_hash: bytes, seconds: float) -> StandingReport:
        """As ChainView.wait. Returns at once where votes cannot change the answer (`domain.gate.worth_waiting`)."""
        report = self.standing(block_hash)
        if not report.decided:
            self.demand(block_hash)
            report = self.standing(block_hash)
        if not worth_waiting(self.mode, report):
            return report
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiters = self._waiters.setdefault(block_hash, set())
        waiters.add(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            pass
        finally:
            waiters.discard(waiter)
            if not waiters and self._waiters.get(block_hash) is waiters:
                del self._waiters[block_hash]
        return self.standing(block_hash)

    def latest_valid_ancestor(self, block_hash: bytes) -> bytes | None:
        """As ChainView.latest_valid_ancestor."""
        return latest_valid_ancestor(self.blocks, block_hash, lambda each: stands(self.mode, self.standing(each)))

    def tracked(self, block_hash: bytes) -> TrackedBlock | None:
        """The block as the events so far make it, stored and seen or not."""
        return self._unstored.get(block_hash) or self.blocks.get(block_hash)

    def receive(self, *blocks: TrackedBlock) -> None:
        """New blocks, parents before children; known ones stay as they are. On an invalid one they are invalid."""
        changes: dict[bytes, TrackedBlock] = {}
        for each in blocks:
            if self.tracked(each.block.hash) is not None:
                continue
            parent = changes.get(each.parent_hash) or self.tracked(each.parent_hash)
            if parent is not None and self._is_invalid(parent):
                each = advance(each, _invalid_ancestor(parent))
            changes[each.block.hash] = each
        if changes:
            self._change(changes)

    def apply(
        self, block_hash: bytes, event: BlockEvent, decision: Decision | None = None, votes: Sequence[Vote] = ()
    ) -> TrackedBlock | None:
        """What happened to a block, and what it is now; None if it is not known.

        decision, votes: what the event follows from; recorded with it, before anything is seen of it.
        """
        before = self.tracked(block_hash)
        if before is None:
            return None
        after = advance(before, event)
        if decision is not None:
            self._unrecorded[block_hash] = (decision, tuple(votes), self._clock())
        changes = {} if after == before else {block_hash: after}
        if after.status is BlockStatus.INVALID and before.status is not BlockStatus.INVALID:
            changes |= self._fallen(after)
        if changes or decision is not None:
            self._change(changes)
        return after

    def trust(self, tracked: TrackedBlock, why: str) -> None:
        """Makes a block an anchor, known or not. An invalid one stays invalid. why: one line, with who said so."""
        self.receive(tracked)
        self.apply(tracked.block.hash, Anchored(why))

    def finalize(self, block_hash: bytes) -> None:
        """The block is final: where it is verified it becomes the anchor, and what is below it is forgotten.

        Where it is not, an alarm is raised and it stays as it is.
        """
        if block_hash in (ZERO_HASH, self._finalized):
            return
        report = self.standing(block_hash)
        verified = report.standing is Standing.VERIFIED
        if self.mode is GateMode.EPOCH_TARGET:  # of most of its ancestors nobody knows
            verified = report.own is BlockStatus.VERIFIED and stands(self.mode, report)
        if not verified:
            if self._unverified != block_hash:
                self._unverified = block_hash
                text = f"final, but not verified here: 0x{block_hash.hex()}: {report.standing}: {report.why}"
                self._observer.notify(Alarm("finalized_unverified", text))
            return
        tracked = self.blocks[block_hash]
        if not tracked.anchor:
            self.apply(block_hash, Anchored(f"{tracked.why}; final"))
        if not self._failure:
            self._forget(self._left_behind(self.blocks[block_hash]))
            self._finalized = block_hash

    def close(self) -> None:
        """Tries the last time to store what is not stored yet."""
        if self._unstored or self._unrecorded:
            self._store()
        if self._retry is not None:
            self._retry.cancel()

    def _is_invalid(self, tracked: TrackedBlock) -> bool:
        return tracked.status is BlockStatus.INVALID or self.standing(tracked.block.hash).standing is Standing.INVALID

    def _fallen(self, invalid: TrackedBlock) -> dict[bytes, TrackedBlock]:
        """The descendants of a block that became invalid, invalid too; not what a person anchored above it."""
        event = _invalid_ancestor(invalid)
        fallen: dict[bytes, TrackedBlock] = {}
        kept: set[bytes] = set()
        for each in self._descendants(invalid.block.hash):
            tracked = self.tracked(each.block.hash) or each
            if tracked.anchor or tracked.parent_hash in kept:
                kept.add(tracked.block.hash)
            elif tracked.status is not BlockStatus.INVALID:
                fallen[tracked.block.hash] = advance(tracked, event)
        return fallen

    def _descendants(self, block_hash: bytes) -> Iterable[TrackedBlock]:
        if not self._unstored:
            return self._seen.descendants(block_hash)
        together = Standings({**self.blocks, **self._unstored}.values())  # only while the ledger fails
        return together.descendants(block_hash)

    def _change(self, changes: Mapping[bytes, TrackedBlock]) -> None:
        self._unstored |= changes
        self._store()

    def _store(self) -> None:
        try:
            for block_hash, (decision, votes, at) in list(self._unrecorded.items()):
                self._ledger.record(block_hash, decision, votes, at)
                del self._unrecorded[block_hash]
            if self._unstored:
                self._ledger.put(*self._unstored.values())
        except LedgerError as error:
            self._show([each for each in self._unstored.values() if each.status in CLOSING])
            self._fail(str(error))
            return
        stored, self._unstored = self._unstored, {}
        if self._failure:
            self._failure = ""
            self._observer.notify(Alarm("ledger_recovered", f"{len(stored)} blocks that were held are stored now"))
        self._show(stored.values())

    def _show(self, blocks: Iterable[TrackedBlock]) -> None:
        changed = [(each, self.blocks.get(each.block.hash)) for each in blocks]
        affected: set[bytes] = set()
        for after, before in changed:
            if after != before:
                affected |= self._seen.put(after)
        self._wake(affected)
        for after, before in changed:
            if after != before:
                self._observer.notify(StatusChanged(after, before))
                new = after.status in CLOSING and (before is None or before.status is not after.status)
                if new and not fallen_with_ancestor(after):  # one alarm a branch
                    self._observer.notify(Alarm(f"block_{after.status}", f"block {after.block}: {after.why}"))

    def _wake(self, affected: set[bytes]) -> None:
        for block_hash in self._waiters.keys() & affected:
            if not worth_waiting(self.mode, self.standing(block_hash)):
                for waiter in self._waiters[block_hash]:
                    if not waiter.done():
                        waiter.set_result(None)

    def _fail(self, why: str) -> None:
        if not self._failure:
            self._observer.notify(Alarm("ledger_failed", why))
        self._failure = why
        if self._retry is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                return  # outside of the loop nobody waits; the next change tries again
            self._retry = loop.call_later(self._retry_interval, self._store_again)

    def _store_again(self) -> None:
        self._retry = None
        self._store()

    def _left_behind(self, final: TrackedBlock) -> list[bytes]:
        """What no chain through the final block needs: lower blocks, and branches that begin there."""
        number = final.block.number
        lower = [each for each in self.blocks.values() if each.block.number <= number and each != final]
        gone = {each.block.hash for each in lower}
        above = [each for each in self.blocks.values() if each.block.number > number]
        for each in sorted(above, key=lambda tracked: tracked.block.number):
            if each.parent_hash in gone:
                gone.add(each.block.hash)
        kept = number - INVALID_KEPT
        return [
            each
            for each in gone
            if self.blocks[each].status is not BlockStatus.INVALID or self.blocks[each].block.number < kept
        ]

    def _forget(self, hashes: Sequence[bytes]) -> None:
        if not hashes:
            return
        try:
            self._ledger.remove(hashes)
        except LedgerError as error:
            self._fail(str(error))
            return
        self._seen.remove(hashes)
        self._wake(set(self._waiters))


def fallen_with_ancestor(tracked: TrackedBlock) -> bool:
    """Whether the block is only invalid because one below it is."""
    return tracked.status is BlockStatus.INVALID and tracked.why.startswith(BY_ANCESTOR)


def _as_found(tracked: TrackedBlock) -> TrackedBlock:
    """A block as it counts after a restart: another execution client may run now, of another lineage.

    Whoever accepted an undecided block before gives no vote for it; INVALID stays, whoever said it.
    """
    undecided = tracked.status not in (BlockStatus.VERIFIED, *CLOSING)
    if undecided and tracked.executor is ExecutorStatus.VALID:
        return replace(tracked, executor=None)
    return tracked


def _invalid_ancestor(ancestor: TrackedBlock) -> Concluded:
    """What follows for the descendants of an invalid block; the lowest one is named, not the ones between."""
    why = ancestor.why if fallen_with_ancestor(ancestor) else f"ancestor {ancestor.block} is invalid: {ancestor.why}"
    return Concluded(valid=False, why=why)
