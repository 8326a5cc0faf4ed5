"""Which blocks there are and how each stands, kept from StatusChanged alone: for gauges, and for the state of the gate.

Pure. Finality is seen from anchors: what lies below the newest one is forgotten, as the ledger does.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from verifier.domain.event import StatusChanged
from verifier.domain.gate import GateMode
from verifier.domain.quorum import Verdict
from verifier.domain.standing import Standing, standing
from verifier.domain.status import BlockStatus, Judged, TrackedBlock, advance

# Blocks: nine days without finality. Beyond it the oldest are forgotten; only what is displayed suffers.
LIMIT = 65_536


class Census:
    """Every block that was told of, up to `limit`."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._blocks: dict[bytes, TrackedBlock] = {}
        self._counts: Counter[BlockStatus] = Counter()

    @property
    def blocks(self) -> Mapping[bytes, TrackedBlock]:
        """hash → block."""
        return self._blocks

    def count(self, status: BlockStatus) -> int:
        """How many blocks have this status."""
        return self._counts[status]

    def restore(self, blocks: Iterable[TrackedBlock]) -> None:
        """What a ledger holds at the start."""
        for each in blocks:
            self._put(each)

    def apply(self, event: StatusChanged) -> list[bytes]:
        """Takes in one change; returns the blocks that it made this forget."""
        self._put(event.block)
        gone = []
        if event.block.anchor:
            anchor = event.block.block
            gone = [hash_ for hash_, each in self._blocks.items() if each.block.number < anchor.number]
        if not gone and len(self._blocks) > self._limit:
            gone = [next(iter(self._blocks))]
        for hash_ in gone:
            self._counts[self._blocks.pop(hash_).status] -= 1
        return gone

    def gate_state(self, mode: GateMode, block_hash: bytes, verdict: Verdict | None = None) -> str:
        """Whether the gates let this block out: "open" or "closed", in monitor mode "would be …".

        verdict: one that was just reached, whether the block's status has already followed or is about to.
        """
        before = self._blocks.get(block_hash)
        if before is None or verdict is None:
            report = standing(self._blocks, block_hash)
        else:  # put in its place for a moment: a mapping over the mapping makes the walk many times slower
            self._blocks[block_hash] = advance(before, Judged(verdict, ""))
            report = standing(self._blocks, block_hash)
            self._blocks[block_hash] = before
        opened = report.standing is Standing.VERIFIED
        if mode is GateMode.EPOCH_TARGET and report.standing is Standing.UNDECIDED:
            opened = not report.disputed
        state = "open" if opened else "closed"
        return f"would be {state}" if mode is GateMode.MONITOR else state

    def _put(self, block: TrackedBlock) -> None:
        before = self._blocks.pop(block.block.hash, None)
        if before is not None:
            self._counts[before.status] -= 1
        self._counts[block.status] += 1
        self._blocks[block.block.hash] = block
