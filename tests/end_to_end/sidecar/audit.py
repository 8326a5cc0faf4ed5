"""Holds everything that leaves the two gates against the votes in the ledger, at the moment at which it leaves.

Nothing of the verifier's own decisions is taken: the votes are counted here once more.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verifier.domain.quorum import QuorumPolicy
from verifier.domain.vote import VoteKind
from verifier.ledger.schema import DECISIONS, read_decision

BUSY_TIMEOUT = 10.0  # seconds for whoever recovers the file after a kill
BLOCK = "SELECT parent_hash, status FROM blocks WHERE hash = ?"


class EscapedError(AssertionError):
    """A gate vouched for a block before a quorum for it, or for an ancestor, was recorded."""


@dataclass
class Audit:
    """ledger: the sidecar's file. policy: the quorum it is configured with. trusted: hashes of what it starts from.

    bad: hashes of blocks that no gate may ever vouch for. vouched: hashes that one rightly did vouch for, with their
    ancestors. words: how often each gate gave each answer. Hashes: 32 bytes.
    """

    ledger: Path
    policy: QuorumPolicy
    trusted: Iterable[bytes]
    bad: set[bytes] = field(default_factory=set)
    vouched: set[bytes] = field(default_factory=set)
    words: Counter[str] = field(default_factory=Counter)

    def payload_status(self, method: str, asked: bytes, status: Mapping[str, Any]) -> str:
        """What the engine gate answers about the block `asked`; its word. Raises EscapedError.

        Consensus clients take latestValidHash, with all its ancestors, for VALID whatever the status is.
        """
        word = str(status["status"])
        self.words[f"engine {word}"] += 1
        if word == "VALID":
            self.vouch(asked, f"{method} VALID")
        latest = status.get("latestValidHash")
        if latest is not None:
            self.vouch(bytes.fromhex(latest[2:]), f"{method} latestValidHash")
        return word

    def attestation(self, head: bytes, target: bytes) -> None:
        """The attestation gate let attestation data out. Both: hashes of execution blocks. Raises EscapedError."""
        self.vouch(head, "attestation_data, head")
        self.vouch(target, "attestation_data, target")

    def vouch(self, block_hash: bytes, what: str) -> None:
        """A gate vouched for the block and so for its ancestors. Raises EscapedError."""
        if block_hash in self.bad:
            raise EscapedError(f"{what}: a bad block 0x{block_hash.hex()}")
        path: list[bytes] = []
        at = block_hash
        with self._opened() as connection:
            while at not in self.vouched and at not in self.trusted:
                row = connection.execute(BLOCK, (at,)).fetchone()
                if row is None:
                    raise EscapedError(f"{what}: block 0x{at.hex()} is not in the ledger ({len(path)} below)")
                parent, status = row
                why = self._unproven(connection, at)
                if status != "verified" or why:
                    raise EscapedError(f"{what}: block 0x{at.hex()} is {status} ({len(path)} below): {why}")
                path.append(at)
                at = parent
        self.vouched.update(path)

    def votes(self, block_hash: bytes) -> dict[str, str]:
        """Adapter → vote, with the reason of one that abstains, as recorded with the last decision on a block."""
        with self._opened() as connection:
            rows = connection.execute(DECISIONS, (block_hash,)).fetchall()
        _, votes, _ = read_decision(rows[-1]) if rows else (None, (), 0)
        return {vote.adapter: f"{vote.kind} {vote.reason or ''}".strip() for vote in votes}

    def decisions(self, block_hash: bytes) -> int:
        """How many decisions on a block are recorded."""
        with self._opened() as connection:
            return len(connection.execute(DECISIONS, (block_hash,)).fetchall())

    def status(self, block_hash: bytes) -> str | None:
        """A block's status in the ledger, None if it is not there."""
        with self._opened() as connection:
            row = connection.execute(BLOCK, (block_hash,)).fetchone()
        return None if row is None else str(row[1])

    def _opened(self) -> "closing[sqlite3.Connection]":
        return closing(sqlite3.connect(f"{self.ledger.as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT))

    def _unproven(self, connection: sqlite3.Connection, block_hash: bytes) -> str:
        """Why the recorded votes are no quorum, "" if they are."""
        seen = "no votes"
        for row in connection.execute(DECISIONS, (block_hash,)):
            _, votes, _ = read_decision(row)
            counted = [vote for vote in votes if self.policy.adapters.get(vote.adapter) == vote.lineage]
            against = {vote.lineage for vote in counted if vote.kind is VoteKind.INVALID}
            speaking_for = {vote.lineage for vote in counted if vote.kind is VoteKind.VALID} - against
            if len(speaking_for) >= self.policy.required and len(against) < self.policy.rejecting:
                return ""
            seen = f"VALID by {sorted(speaking_for)}, INVALID by {sorted(against)}"
        return seen
