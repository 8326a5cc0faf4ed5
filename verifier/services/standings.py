"""Where blocks stand, remembered: in months without finality nobody walks thousands of ancestors for every question."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from verifier.domain.standing import StandingReport, parent_of, standing_on, unknown
from verifier.domain.status import TrackedBlock


class Standings:
    """Blocks with their standing. The answers are those of `verifier.domain.standing.standing`.

    What is remembered of a block is remembered of its whole chain; so what no longer holds after a change is found by
    going up from it, through what is remembered.
    """

    def __init__(self, blocks: Iterable[TrackedBlock] = ()) -> None:
        self._blocks: dict[bytes, TrackedBlock] = {}
        self._children: dict[bytes, set[bytes]] = {}
        self._remembered: dict[bytes, StandingReport] = {}
        for each in blocks:
            self.put(each)

    @property
    def blocks(self) -> Mapping[bytes, TrackedBlock]:
        """All blocks by hash."""
        return self._blocks

    def report(self, block_hash: bytes) -> StandingReport:
        """Where the block stands."""
        path: list[TrackedBlock] = []
        at = self._blocks.get(block_hash)
        while at is not None and at.block.hash not in self._remembered:
            path.append(at)
            at = parent_of(self._blocks, at)
        report = unknown(block_hash) if at is None else self._remembered[at.block.hash]
        parent = at
        for each in reversed(path):
            report = standing_on(each, parent, report)
            self._remembered[each.block.hash] = report
            parent = each
        return report

    def put(self, tracked: TrackedBlock) -> set[bytes]:
        """Adds a block or replaces it. Returns the blocks that may now stand otherwise than was remembered, itself too.

        A block that nobody asked about since its last change is not among them.
        """
        hash_ = tracked.block.hash
        known = hash_ in self._blocks
        before = self._remembered.pop(hash_, None)
        self._blocks[hash_] = tracked
        if not known:
            self._children.setdefault(tracked.parent_hash, set()).add(hash_)
        if known and before is not None and replace(self.report(hash_), own=before.own) == before:
            return {hash_}  # others only see of it what has not changed
        return {hash_, *self._forget_above(hash_)}

    def remove(self, hashes: Iterable[bytes]) -> None:
        """Removes blocks. Nothing is remembered after it."""
        for each in hashes:
            tracked = self._blocks.pop(each, None)
            if tracked is not None:
                siblings = self._children[tracked.parent_hash]
                siblings.discard(each)
                if not siblings:
                    del self._children[tracked.parent_hash]
        self._remembered.clear()

    def descendants(self, block_hash: bytes) -> Iterator[TrackedBlock]:
        """Every block above one, parents before children."""
        above = [block_hash]
        while above:
            for each in sorted(self._children.get(above.pop(), ())):
                tracked = self._blocks[each]
                if parent_of(self._blocks, tracked) is not None:
                    yield tracked
                    above.append(each)

    def _forget_above(self, block_hash: bytes) -> Iterator[bytes]:
        above = [block_hash]
        while above:
            for each in self._children.get(above.pop(), ()):
                if self._remembered.pop(each, None) is not None:
                    yield each
                    above.append(each)
