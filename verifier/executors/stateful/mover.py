"""The seam to an execution client's head, which has to leave an invalid branch; with the fake that tests use."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from verifier.domain.block import BlockReference


@dataclass(frozen=True, slots=True)
class Moved:
    """Whether a client left a branch. how: "forkchoice", "setHead", "already", or "" where it did not.

    note: what is remarkable about it, or why it did not, one line.
    """

    how: str
    note: str = ""


class ExecutionMover(Protocol):
    """Moves an execution client's head."""

    async def move(self, invalid: BlockReference, target: BlockReference) -> Moved:
        """Has it leave the branch of `invalid` for `target`, an ancestor of it, and asks whether it did.

        May be called again. Raises ExecutionClientError where the client cannot be asked.
        """


class LeftAlone:
    """An ExecutionMover that never moves anything. why: one line."""

    def __init__(self, why: str) -> None:
        self._why = why

    async def move(self, invalid: BlockReference, target: BlockReference) -> Moved:  # noqa: ARG002 - the seam's
        """As ExecutionMover.move: it did not."""
        return Moved("", self._why)


@dataclass
class FakeMover:
    """A client in memory. head: where it is; on: whether a block is on the branch of another one (both hashes).

    stubborn: it does not move. fails: raised one after the other, before it moves at last. moves: the targets so far.
    """

    head: bytes = b""
    on: Callable[[bytes, bytes], bool] = lambda head, invalid: head == invalid
    stubborn: bool = False
    fails: list[Exception] = field(default_factory=list)
    moves: list[BlockReference] = field(default_factory=list)

    async def move(self, invalid: BlockReference, target: BlockReference) -> Moved:
        """As ExecutionMover.move."""
        if self.fails:
            raise self.fails.pop(0)
        if not self.on(self.head, invalid.hash):
            return Moved("already")
        if self.stubborn:
            return Moved("", "it does not want to")
        self.head = target.hash
        self.moves.append(target)
        return Moved("forkchoice")
