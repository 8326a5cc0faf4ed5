"""Every adapter's words on blocks: kept, held against each other, and who gave two that differ put in quarantine.

What is heard counts at once and is stored soon after, never in the way of a vote. While the ledger fails, what is not
stored is kept in memory and tried again.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

from verifier.domain.block import BlockReference
from verifier.domain.event import AdapterMisbehaved, AdapterQuarantined, Alarm, Observer
from verifier.domain.quorum import QuorumPolicy
from verifier.domain.result import Mode, Result
from verifier.domain.statement import Misbehaviour, Statement, contradicts, state
from verifier.domain.vote import Vote
from verifier.ledger.dispute_ledger import DisputeLedger, Quarantine, StatementLedger
from verifier.ledger.errors import LedgerError

log = logging.getLogger(__name__)

# Seconds until a failed ledger is tried again; as `chain.RETRY_INTERVAL`.
RETRY_INTERVAL = 1.0
# Blocks whose statements are at hand without asking the ledger: more than are judged or disputed at once.
REMEMBERED = 256


class WordLedger(StatementLedger, DisputeLedger, Protocol):
    """What keeps statements, disputes, quarantines and rollbacks."""


class Statements:
    """The words on blocks, and the adapters whose votes weigh nothing. For one event loop.

    policy: of the live quorum: an alarm is raised where the adapters left cannot bring it about. executor: the stateful
    executor's name: what it said before this start is not held against it, for another client may run now. clock:
    seconds since the epoch. Raises LedgerError if the ledger cannot be read.
    """

    def __init__(
        self,
        ledger: WordLedger,
        policy: QuorumPolicy,
        observer: Observer,
        *,
        executor: str = "",
        clock: Callable[[], float] = time.time,
        retry_interval: float = RETRY_INTERVAL,
    ) -> None:
        self._ledger = ledger
        self._policy = policy
        self._observer = observer
        self._executor = executor
        self._clock = clock
        self._retry_interval = retry_interval
        self._started = clock()
        self._known: OrderedDict[bytes, list[Statement]] = OrderedDict()
        self._unstored: list[Statement] = []
        self._unread: list[Statement] = []  # heard while nobody could read what was said before
        self._quarantines = {each.adapter: each for each in ledger.quarantines()}
        self._unkept: list[Quarantine] = []
        self._flushing: asyncio.Handle | None = None
        self._failure = ""

    @property
    def quarantined(self) -> frozenset[str]:
        """The adapters whose votes weigh nothing."""
        return frozenset(self._quarantines)

    @property
    def failure(self) -> str:
        """Why statements cannot be stored now, "" if they can."""
        return self._failure

    def announce(self) -> None:
        """Tells who is in quarantine, at the start."""
        for each in self._quarantines.values():
            self._observer.notify(AdapterQuarantined(each.adapter, each.why))
        if self._quarantines:
            self._check_quorum()

    def on(self, block: BlockReference) -> Sequence[Statement]:
        """Everything said of the block, in the order in which it came. Raises LedgerError."""
        return tuple(self._words(block.hash))

    def hear(self, block: BlockReference, mode: Mode, result: Result, vote: Vote) -> Statement | None:
        """A vote; the statement that it is, None for an abstention, and for what was said already.

        Whoever contradicts itself is in quarantine when this returns. Never raises.
        """
        statement = state(block, mode, result, vote, self._clock())
        if statement is None:
            return None
        try:
            return statement if self._take(statement) else None
        except LedgerError as error:
            self._unread.append(statement)
            self._fail(str(error))
            return statement

    def quarantine(self, adapter: str, why: str, dispute: str = "") -> None:
        """From now on its votes weigh nothing, until an operator releases it."""
        if adapter in self._quarantines:
            return
        kept = Quarantine(adapter, why, self._clock(), dispute)
        self._quarantines[adapter] = kept
        self._unkept.append(kept)
        self._soon()
        self._observer.notify(AdapterQuarantined(adapter, why))
        self._observer.notify(Alarm("adapter_quarantined", f"{adapter}: {why}"))
        self._check_quorum()

    def expire(self, before: float) -> None:
        """Forgets what was said before that (seconds since the epoch), but of blocks in dispute."""
        try:
            self._ledger.expire(before)
        except LedgerError as error:
            self._fail(str(error))

    def flush(self) -> None:
        """Stores what is not stored yet. Raises LedgerError."""
        while self._unread:
            self._take(self._unread[0])
            self._unread.pop(0)
        for each in list(self._unkept):
            self._ledger.quarantine(each)
            self._unkept.remove(each)
        if self._unstored:
            self._ledger.state(*self._unstored)
            self._unstored.clear()
        if self._failure:
            self._failure = ""
            log.info("statements can be stored again")

    def close(self) -> None:
        """Tries the last time to store what is not stored yet."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        try:
            self.flush()
        except LedgerError as error:
            log.warning("statements are lost: %s", error)

    def _words(self, block_hash: bytes) -> list[Statement]:
        known = self._known.get(block_hash)
        if known is None:
            known = list(self._ledger.statements(block_hash))
            known += [each for each in self._unstored if each.block.hash == block_hash]
            self._known[block_hash] = known
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(block_hash)
        return known

    def _take(self, statement: Statement) -> bool:
        """Whether it is new. Raises LedgerError: what was said before cannot be read."""
        words = self._words(statement.block.hash)
        own = [each for each in words if each.adapter == statement.adapter and not self._excused(each)]
        if any(_word(each) == _word(statement) for each in own):
            return False
        words.append(statement)
        self._unstored.append(statement)
        self._soon()
        for each in own:
            if contradicts(each, statement):
                self._convict(Misbehaviour(each, statement))
                break
        return True

    def _excused(self, earlier: Statement) -> bool:
        return earlier.adapter == self._executor and earlier.at < self._started

    def _convict(self, misbehaviour: Misbehaviour) -> None:
        first, second = misbehaviour.first, misbehaviour.second
        why = f"two words on block {first.block}: {told(first)}, then {told(second)}"
        self._observer.notify(AdapterMisbehaved(misbehaviour))
        self._observer.notify(Alarm("adapter_misbehaved", f"{first.adapter}: {why}"))
        self.quarantine(first.adapter, why)

    def _check_quorum(self) -> None:
        able = {lineage for adapter, lineage in self._policy.adapters.items() if adapter not in self._quarantines}
        if len(able) < self._policy.required:
            text = (
                f"{len(able)} of the {self._policy.required} lineages that have to agree are not in quarantine"
                f" ({', '.join(sorted(able)) or 'none'}): nothing can be attested, until one is released or another"
                " is made live"
            )
            self._observer.notify(Alarm("quorum_unreachable", text))

    def _soon(self) -> None:
        """After the callbacks that are due now, with the verdict among them."""
        if self._flushing is None and not self._failure:
            try:
                self._flushing = asyncio.get_running_loop().call_soon(self._try)
            except RuntimeError:
                return  # outside of the loop the next change, or the end, stores

    def _try(self) -> None:
        self._flushing = None
        try:
            self.flush()
        except LedgerError as error:
            self._fail(str(error))

    def _fail(self, why: str) -> None:
        if not self._failure:
            self._observer.notify(Alarm("statements_not_stored", why))
        self._failure = why
        if self._flushing is None:
            try:
                self._flushing = asyncio.get_running_loop().call_later(self._retry_interval, self._try)
            except RuntimeError:
                return  # as in `_soon`


def told(statement: Statement) -> str:
    """A statement in a few words, for people: its kind, what was computed, and the vote's reason."""
    reason = f" ({statement.summary})" if statement.summary else ""
    return f"{statement.kind} 0x{statement.digest.hex()[:8]}{reason}"


def _word(statement: Statement) -> tuple[object, ...]:
    return (statement.mode, statement.kind, statement.digest)
