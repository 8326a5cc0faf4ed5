"""The seam to what is kept of disputes, with the fake that tests use. As `base.Ledger`: what returns has stored."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from verifier.domain.dispute import Dispute
from verifier.domain.rollback import Rollback, RollbackStep
from verifier.domain.statement import Statement


@dataclass(frozen=True, slots=True)
class Quarantine:
    """An adapter whose votes weigh nothing. why: one line. since: seconds since the epoch. dispute: its id, or ""."""

    adapter: str
    why: str
    since: float
    dispute: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """A quarantine that ended. why: one line, with who said so. at: seconds since the epoch."""

    quarantine: Quarantine
    why: str
    at: float


class StatementLedger(Protocol):
    """Keeps every adapter's words on blocks. Raises LedgerError."""

    def statements(self, block_hash: bytes) -> Sequence[Statement]:
        """Those on a block, in the order in which they came."""

    def state(self, *statements: Statement) -> None:
        """Keeps them; one that is kept already (same adapter, block, mode, kind and digest) is not kept twice."""

    def expire(self, before: float) -> None:
        """Forgets statements older than `before` (seconds since the epoch) on blocks without an open dispute."""


class DisputeLedger(Protocol):
    """Keeps disputes, quarantines and rollbacks, on the disk when a call returns. Raises LedgerError."""

    def disputes(self) -> Sequence[Dispute]:
        """All that are kept, the oldest first, with their statements."""

    def put_dispute(self, dispute: Dispute) -> None:
        """Stores it as it is now; one a block."""

    def quarantines(self) -> Sequence[Quarantine]:
        """Those in force."""

    def quarantine(self, quarantine: Quarantine) -> None:
        """Puts an adapter there; one that is there already stays as it is."""

    def release(self, adapter: str, why: str, at: float) -> bool:
        """Lets an adapter out, and keeps who said why; whether it was there."""

    def releases(self) -> Sequence[Release]:
        """Quarantines that ended, in the order in which they did."""

    def put_rollback(self, rollback: Rollback) -> None:
        """Stores the step that is done; one a block."""

    def rollbacks(self) -> Sequence[Rollback]:
        """Those that are not done."""


@dataclass
class FakeDisputeLedger:
    """A StatementLedger and DisputeLedger in memory. `fail_with`: raised by every call, while it is set."""

    said: list[Statement] = field(default_factory=list)
    kept: dict[bytes, Dispute] = field(default_factory=dict)
    held: dict[str, Quarantine] = field(default_factory=dict)
    released: list[Release] = field(default_factory=list)
    going_back: dict[bytes, Rollback] = field(default_factory=dict)
    fail_with: Exception | None = None

    def statements(self, block_hash: bytes) -> Sequence[Statement]:
        """As StatementLedger.statements."""
        self._fail()
        return [each for each in self.said if each.block.hash == block_hash]

    def state(self, *statements: Statement) -> None:
        """As StatementLedger.state."""
        self._fail()
        for each in statements:
            if not any(_word(each) == _word(other) for other in self.said):
                self.said.append(each)

    def expire(self, before: float) -> None:
        """As StatementLedger.expire."""
        self._fail()
        disputed = {each.block.hash for each in self.kept.values() if each.open}
        self.said = [each for each in self.said if each.at >= before or each.block.hash in disputed]

    def disputes(self) -> Sequence[Dispute]:
        """As DisputeLedger.disputes."""
        self._fail()
        return sorted(self.kept.values(), key=lambda each: each.opened_at)

    def put_dispute(self, dispute: Dispute) -> None:
        """As DisputeLedger.put_dispute."""
        self._fail()
        self.kept[dispute.block.hash] = dispute

    def quarantines(self) -> Sequence[Quarantine]:
        """As DisputeLedger.quarantines."""
        self._fail()
        return list(self.held.values())

    def quarantine(self, quarantine: Quarantine) -> None:
        """As DisputeLedger.quarantine."""
        self._fail()
        self.held.setdefault(quarantine.adapter, quarantine)

    def release(self, adapter: str, why: str, at: float) -> bool:
        """As DisputeLedger.release."""
        self._fail()
        ended = self.held.pop(adapter, None)
        if ended is not None:
            self.released.append(Release(ended, why, at))
        return ended is not None

    def releases(self) -> Sequence[Release]:
        """As DisputeLedger.releases."""
        self._fail()
        return sorted(self.released, key=lambda each: each.at)

    def put_rollback(self, rollback: Rollback) -> None:
        """As DisputeLedger.put_rollback."""
        self._fail()
        self.going_back[rollback.block.hash] = rollback

    def rollbacks(self) -> Sequence[Rollback]:
        """As DisputeLedger.rollbacks."""
        self._fail()
        return [each for each in self.going_back.values() if each.step is not RollbackStep.DONE]

    def _fail(self) -> None:
        if self.fail_with is not None:
            raise self.fail_with


def _word(statement: Statement) -> tuple[object, ...]:
    return (statement.block.hash, statement.adapter, statement.mode, statement.kind, statement.digest)


def named(quarantines: Iterable[Quarantine]) -> frozenset[str]:
    """The adapters that are in quarantine."""
    return frozenset(each.adapter for each in quarantines)
