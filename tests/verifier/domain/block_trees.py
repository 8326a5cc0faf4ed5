"""Trees of tracked blocks and what may happen to them, as hypothesis strategies."""

from dataclasses import dataclass

from hypothesis import strategies as st

from verifier.domain.block import BlockReference
from verifier.domain.quorum import Verdict
from verifier.domain.status import (
    Anchored,
    BlockEvent,
    Concluded,
    ExecutorAnswered,
    ExecutorStatus,
    Judged,
    TrackedBlock,
    WitnessStored,
    advance,
)

WHY = st.sampled_from(["", "because"])
# What votes, the execution client and the witness store can do. Not among them: a person's or a dispute's word.
OWN_EVENTS: st.SearchStrategy[BlockEvent] = st.one_of(
    st.builds(ExecutorAnswered, st.sampled_from(ExecutorStatus), WHY),
    st.just(WitnessStored()),
    st.builds(
        Judged, st.sampled_from(Verdict), st.just("2 of 3"), st.sampled_from(["", "", "", "eels"]), st.booleans()
    ),
)
CONCLUSIONS: st.SearchStrategy[BlockEvent] = st.one_of(
    st.builds(Concluded, st.booleans(), st.just("a dispute said so")), st.builds(Anchored, st.just("an operator"))
)
EVENTS = st.one_of(OWN_EVENTS, OWN_EVENTS, OWN_EVENTS, CONCLUSIONS)


def name(index: int) -> bytes:
    """The hash of block `index` of a tree."""
    return index.to_bytes(32, "big")


def tracked(index: int, parent: int, number: int) -> TrackedBlock:
    """A block that was just received. Its parent's hash is `name(parent)`."""
    return TrackedBlock(BlockReference(1, number, name(index)), name(parent), bytes([index]) * 32, 12 * number)


@dataclass
class Tree:
    """Blocks by hash, and their hashes in the order in which they were made; the first is the anchored root."""

    blocks: dict[bytes, TrackedBlock]

    def apply(self, block_hash: bytes, event: BlockEvent) -> None:
        self.blocks[block_hash] = advance(self.blocks[block_hash], event)

    def path(self, block_hash: bytes) -> list[TrackedBlock]:
        """The block and its ancestors, the block first, to the end of what is known; anchors do not end it."""
        found = []
        at: TrackedBlock | None = self.blocks.get(block_hash)
        while at is not None:
            found.append(at)
            at = self.blocks.get(at.parent_hash)
        return found


@st.composite
def trees(draw: st.DrawFn, largest: int = 12) -> Tree:
    """A root that is an anchor, and blocks each on an earlier one."""
    root = advance(tracked(1, 0, 7), Anchored("configured"))
    blocks = {root.block.hash: root}
    for index in range(2, draw(st.integers(2, largest)) + 1):
        parent = draw(st.sampled_from(sorted(blocks)))
        number = blocks[parent].block.number + 1
        blocks[name(index)] = tracked(index, int.from_bytes(parent, "big"), number)
    return Tree(blocks)


@st.composite
def histories(
    draw: st.DrawFn, events: st.SearchStrategy[BlockEvent] = EVENTS
) -> tuple[Tree, list[tuple[bytes, BlockEvent]]]:
    """A tree, and what happens to its blocks in which order."""
    tree = draw(trees())
    step = st.tuples(st.sampled_from(sorted(tree.blocks)), events)
    return tree, draw(st.lists(step, max_size=60))
