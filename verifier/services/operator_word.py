"""An operator's word: on a block, trusted without having been judged here, or rejected; on an adapter in quarantine.

Each with a reason, which is kept.
"""

from collections.abc import Sequence
from typing import Protocol

from verifier.domain.dispute import Conclusion, Dispute, ruled
from verifier.domain.event import Event
from verifier.domain.rollback import Rollback, RollbackStep
from verifier.domain.status import Anchored, BlockStatus, Concluded, TrackedBlock, advance
from verifier.errors import UsageError
from verifier.ledger.base import Ledger
from verifier.ledger.dispute_ledger import Quarantine
from verifier.ledger.errors import LedgerError

from .chain import Chain

SHORTEST_NAME = 8  # hexadecimal digits of a hash by which a block is named; fewer are too easily another's


class WordLedger(Ledger, Protocol):
    """A ledger that keeps what persons say."""

    def add_word(self, block_hash: bytes, text: str, at: float) -> None:
        """Keeps it for ever. at: seconds since the epoch."""

    def disputes(self) -> Sequence[Dispute]:
        """As DisputeLedger.disputes."""

    def put_dispute(self, dispute: Dispute) -> None:
        """As DisputeLedger.put_dispute."""

    def put_rollback(self, rollback: Rollback) -> None:
        """As DisputeLedger.put_rollback."""


class ReleasingLedger(Protocol):
    """A ledger that keeps who is in quarantine."""

    def quarantines(self) -> Sequence[Quarantine]:
        """As DisputeLedger.quarantines."""

    def release(self, adapter: str, why: str, at: float) -> bool:
        """As DisputeLedger.release."""


def find_block(ledger: Ledger, name: str) -> TrackedBlock:
    """The block of a hash, or of its first digits, or of a number where there is only one. Raises UsageError."""
    blocks = list(ledger.blocks())
    text = name.lower().removeprefix("0x")
    if name.isascii() and name.isdigit() and len(name) < SHORTEST_NAME:
        found = [each for each in blocks if each.block.number == int(name)]
    elif len(text) >= SHORTEST_NAME:
        found = [each for each in blocks if each.block.hash.hex().startswith(text)]
    else:
        raise UsageError(f"{name}: a block is named by its number, or at least {SHORTEST_NAME} digits of its hash")
    if not found:
        raise UsageError(
            f"{name}: no such block in the ledger; a block that was never seen is trusted by [chain] checkpoint"
        )
    if len(found) > 1:
        raise UsageError(f"{name}: several blocks: {', '.join(f'0x{each.block.hash.hex()}' for each in found)}")
    return found[0]


def trust(ledger: WordLedger, name: str, why: str, at: float) -> TrackedBlock:
    """Makes a block an anchor and keeps why, first the word and then what it does. Raises UsageError, LedgerError.

    It ends the dispute over the block, if that is open or was left to a person. An INVALID block stays INVALID: that is
    final. at: seconds since the epoch.
    """
    reason = _reason(why)
    tracked = find_block(ledger, name)
    if tracked.status is BlockStatus.INVALID:
        raise UsageError(
            f"block {tracked.block} is INVALID ({tracked.why}), which is final; if that is wrong, keep this ledger"
            " aside and start a new one with [chain] checkpoint"
        )
    trusted = advance(tracked, Anchored(f"an operator trusts it: {reason}"))
    ledger.add_word(tracked.block.hash, f"trust: {reason}", at)
    ledger.put(trusted)
    _end_dispute(ledger, trusted, Conclusion.VALID, trusted.why, at)
    return trusted


def reject(ledger: WordLedger, name: str, why: str, at: float) -> TrackedBlock:
    """Makes a block INVALID for good, and all that stand on it. Raises UsageError, LedgerError.

    It ends the dispute over the block, as `trust` does. The rollback is decided before the block is marked, so that the
    next start goes back to the last valid ancestor with every part, also if this ends in the middle. An anchor is where
    trust starts, so it cannot be rejected. at: seconds since the epoch.
    """
    reason = _reason(why)
    tracked = find_block(ledger, name)
    if tracked.anchor:
        raise UsageError(
            f"block {tracked.block} is an anchor ({tracked.why}): start a new ledger with another [chain] checkpoint"
        )
    if tracked.status is BlockStatus.INVALID:
        raise UsageError(f"block {tracked.block} is INVALID already: {tracked.why}")
    said = f"an operator rejects it: {reason}"
    ledger.add_word(tracked.block.hash, f"reject: {reason}", at)
    _end_dispute(ledger, tracked, Conclusion.INVALID, said, at)  # which a start acts on, too
    # Its target is looked for when it is carried out: the last ancestor that stands then.
    ledger.put_rollback(Rollback("", tracked.block, None, RollbackStep.DECIDED, at, note=said))
    chain = Chain(ledger, _Unheard())
    rejected = chain.apply(tracked.block.hash, Concluded(valid=False, why=said))
    if chain.failure or rejected is None:
        raise LedgerError(chain.failure)
    return rejected


def release(ledger: ReleasingLedger, adapter: str, why: str, at: float) -> Quarantine:
    """Lets an adapter's votes weigh again, and keeps why; what it was there for. Raises UsageError, LedgerError.

    at: seconds since the epoch.
    """
    reason = _reason(why)
    held = {each.adapter: each for each in ledger.quarantines()}
    if adapter not in held or not ledger.release(adapter, reason, at):
        others = f"there is: {', '.join(sorted(held))}" if held else "nobody is"
        raise UsageError(f"{adapter}: not in quarantine ({others})")
    return held[adapter]


def _end_dispute(ledger: WordLedger, tracked: TrackedBlock, conclusion: Conclusion, why: str, at: float) -> None:
    for each in ledger.disputes():
        if each.block.hash == tracked.block.hash and each.conclusion in (None, Conclusion.UNRESOLVED):
            ledger.put_dispute(ruled(each, conclusion, why, at))


class _Unheard:
    """Nobody watches an offline ledger; the next start tells what it holds."""

    def notify(self, event: Event) -> None:
        """As Observer.notify."""


def _reason(why: str) -> str:
    reason = " ".join(why.split())
    if not reason:
        raise UsageError("--why: say why; whoever finds this later has nothing else")
    return reason
