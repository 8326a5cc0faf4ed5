"""The branch that stands on an invalid block, and the block to go back to from it."""

from collections.abc import Callable, Mapping

from .block import BlockReference
from .standing import ancestors, parent_of
from .status import BlockStatus, TrackedBlock


def dead_branch(blocks: Mapping[bytes, TrackedBlock], block_hash: bytes) -> tuple[BlockReference, ...]:
    """The block and what stands on it and is INVALID with it, parents before children; () for an unknown block.

    Not what a person anchored above it, and what stands on that.
    """
    root = blocks.get(block_hash)
    if root is None:
        return ()
    dead = {block_hash: root}
    higher = (each for each in blocks.values() if each.block.number > root.block.number)
    for each in sorted(higher, key=lambda tracked: (tracked.block.number, tracked.block.hash)):
        parent = parent_of(blocks, each)
        if parent is not None and parent.block.hash in dead and each.status is BlockStatus.INVALID:
            dead[each.block.hash] = each
    return tuple(each.block for each in dead.values())


def last_standing_ancestor(
    blocks: Mapping[bytes, TrackedBlock], block_hash: bytes, stands: Callable[[bytes], bool]
) -> BlockReference | None:
    """The nearest ancestor of a block that stands, however many lie between; None if none is known that does."""
    for at in ancestors(blocks, block_hash):
        if at.block.hash != block_hash and stands(at.block.hash):
            return at.block
    return None
