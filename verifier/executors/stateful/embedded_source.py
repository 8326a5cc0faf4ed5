"""Witnesses from the embedded executor: of every block, or of those that the execution client serves none of."""

from verifier.errors import ExecutorError
from witness.model import Header

from .errors import ExecutionClientError, NoWitnessError, NoWitnessMethodError
from .follower import NAME, Follower
from .source import BlockSource, Recorded


class EmbeddedSource:
    """A BlockSource: blocks of the execution client, witnesses of the embedded executor.

    It has one also of a block that either of them calls invalid; what it says itself is a vote (`EmbeddedVoter`).
    fallback: witnesses of the client, as long as it has a method for them.
    """

    def __init__(self, blocks: BlockSource, follower: Follower, *, fallback: bool = False) -> None:
        self._blocks = blocks
        self._follower = follower
        self._fallback = fallback

    async def header(self, block_hash: bytes) -> Header | None:
        """As BlockSource.header."""
        return await self._blocks.header(block_hash)

    async def block(self, block_hash: bytes) -> bytes | None:
        """As BlockSource.block."""
        return await self._blocks.block(block_hash)

    async def witness(self, block: bytes) -> Recorded:
        """As BlockSource.witness."""
        if self._fallback:
            try:
                return await self._blocks.witness(block)
            except NoWitnessMethodError:
                pass
        try:
            outcome = await self._follower.outcome(block)
        except ExecutionClientError:
            raise
        except ExecutorError as error:
            raise NoWitnessError(f"the embedded executor: {error}") from None
        if outcome.witness is None:
            raise NoWitnessError("the embedded executor: its witness of the block is forgotten already")
        return Recorded(outcome.witness, NAME, accepted=False)
