"""The docket: all disputes as they are now. Each is stored soon after it changed, then told, then acted on.

Nothing is told or acted on that is not stored. While the ledger fails, what has changed waits and is tried again.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator

from verifier.domain.dispute import Conclusion, Dispute, dissenters
from verifier.domain.event import Alarm, DisputeChanged, Observer
from verifier.domain.vote import VoteKind
from verifier.ledger.dispute_ledger import DisputeLedger
from verifier.ledger.errors import LedgerError

from .statements import RETRY_INTERVAL, Statements, told

log = logging.getLogger(__name__)


class Docket:
    """Disputes by block. For one event loop. Raises LedgerError if the ledger cannot be read.

    statements: flushed before a dispute that was made of them is stored; it puts dissenters in quarantine. `concluded`
    is called with each dispute once its conclusion is stored, `evidence_replaced` with one that has another bundle now,
    once that is stored, and the name of the bundle before; whoever acts on it sets them. Alarm: disputes_not_stored.
    """

    def __init__(
        self,
        ledger: DisputeLedger,
        statements: Statements,
        observer: Observer,
        retry_interval: float = RETRY_INTERVAL,
    ) -> None:
        self.concluded: Callable[[Dispute], None] = lambda _: None
        self.evidence_replaced: Callable[[Dispute, str], None] = lambda *_: None
        self._ledger = ledger
        self._statements = statements
        self._observer = observer
        self._retry_interval = retry_interval
        self._disputes = {each.block.hash: each for each in ledger.disputes()}
        # Whom a conclusion has put in quarantine already: one that was released since is not put there again for it.
        self._blamed = {block_hash: dissenters(each) for block_hash, each in self._disputes.items()}
        self._unstored: set[bytes] = set()
        self._told: dict[bytes, tuple[Conclusion | None, str]] = {}
        self._storing: asyncio.Handle | None = None
        self._failure = ""

    def __iter__(self) -> Iterator[Dispute]:
        """All as they are now; what changes meanwhile does not disturb it."""
        return iter(list(self._disputes.values()))

    @property
    def unstored(self) -> int:
        """Disputes that changed and are not stored yet."""
        return len(self._unstored)

    def on(self, block_hash: bytes) -> Dispute | None:
        """The dispute over a block."""
        return self._disputes.get(block_hash)

    def is_stored(self, block_hash: bytes) -> bool:
        """Whether the dispute over the block is stored as it is now."""
        return block_hash not in self._unstored

    def put(self, dispute: Dispute) -> None:
        """The dispute as it is from now on."""
        block_hash = dispute.block.hash
        if self._disputes.get(block_hash) == dispute:
            return
        self._disputes[block_hash] = dispute
        self._unstored.add(block_hash)
        if self._storing is None:
            # After the callbacks that are due now: a verdict that is about to be told does not wait for the disk.
            self._storing = asyncio.get_running_loop().call_soon(self._try)

    def taken_up(self, dispute: Dispute) -> None:
        """An earlier process has told of it as it is stored: only what is new is told."""
        conclusion = dispute.conclusion if self.is_stored(dispute.block.hash) else None
        self._told[dispute.block.hash] = (conclusion, dispute.evidence)

    def close(self) -> None:
        """Tries the last time to store what is not stored yet. Nothing more is told or acted on."""
        if self._storing is not None:
            self._storing.cancel()
            self._storing = None
        try:
            for block_hash in list(self._unstored):
                self._store(block_hash)
        except LedgerError as failure:
            log.warning("what changed of disputes is lost, and done again from the statements: %s", failure)

    def _try(self) -> None:
        self._storing = None
        try:
            for block_hash in list(self._unstored):
                self._store(block_hash)
                self._tell(self._disputes[block_hash])
        except LedgerError as error:
            if not self._failure:
                self._observer.notify(Alarm("disputes_not_stored", str(error)))
            self._failure = str(error)
            self._storing = asyncio.get_running_loop().call_later(self._retry_interval, self._try)
        else:
            self._failure = ""

    def _store(self, block_hash: bytes) -> None:
        """A conclusion with whom it puts in quarantine, who come first. Raises LedgerError."""
        dispute = self._disputes[block_hash]
        if dispute.conclusion is Conclusion.VALID:
            self._quarantine(dispute)
        self._statements.flush()
        self._ledger.put_dispute(dispute)
        self._unstored.discard(block_hash)

    def _tell(self, dispute: Dispute) -> None:
        before = self._told.get(dispute.block.hash)
        self._told[dispute.block.hash] = now = (dispute.conclusion, dispute.evidence)
        if before != now:
            self._observer.notify(DisputeChanged(dispute))
        if before is not None and before[1] not in ("", dispute.evidence):
            self.evidence_replaced(dispute, before[1])
        if dispute.conclusion is not None and (before is None or before[0] is not dispute.conclusion):
            self.concluded(dispute)

    def _quarantine(self, dispute: Dispute) -> None:
        words = {each.adapter: each for each in dispute.statements if each.kind is VoteKind.INVALID}
        against = dissenters(dispute)
        for adapter in sorted(against - self._blamed.get(dispute.block.hash, frozenset())):
            why = f"dispute {dispute.id} is concluded VALID: {told(words[adapter])}"
            self._statements.quarantine(adapter, why, dispute.id)
        self._blamed[dispute.block.hash] = against
