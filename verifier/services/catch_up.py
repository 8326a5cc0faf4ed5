"""Ancestors that this verifier never saw: fetched from the execution client, back to one that is known.

Only headers are fetched here, each bound by its child's parent hash; what they claim is judged like any other block's.
"""

from verifier.domain.block import BlockReference
from verifier.domain.event import Alarm, Observer
from verifier.domain.status import TrackedBlock
from verifier.executors.stateful.errors import ExecutionClientError
from verifier.executors.stateful.source import BlockSource
from witness.model import Header

from .chain import Chain

# Blocks below an unknown one that are looked for: more than a day of mainnet's. Whoever was away longer starts from a
# newer checkpoint.
DEPTH = 8192


def tracked_from(chain_id: int, header: Header) -> TrackedBlock:
    """A block as it is when it was just received."""
    reference = BlockReference(chain_id, header.number, header.hash)
    return TrackedBlock(reference, header.parent_hash, header.state_root, header.timestamp)


class CatchUp:
    """Makes unknown blocks known, with everything between them and what is known."""

    def __init__(
        self,
        chain: Chain,
        source: BlockSource,
        observer: Observer,
        chain_id: int,
        *,
        depth: int = DEPTH,
    ) -> None:
        self._chain = chain
        self._source = source
        self._observer = observer
        self._chain_id = chain_id
        self._depth = depth
        self._too_deep = False  # one alarm until a known block is reached again

    async def reach(self, block_hash: bytes, *, depth: int | None = None) -> str:
        """Receives the block and its unknown ancestors, oldest first. Returns "" or, in one line, why it cannot.

        depth: how many headers at most, instead of the configured number; those are then received although the last
        one's parent stays unknown. Otherwise nothing is received unless it connects to a known block.
        """
        anchors = (each.block.number for each in self._chain.blocks.values() if each.anchor)
        lowest = min(anchors, default=0)
        found: list[Header] = []
        at = block_hash
        limit = self._depth if depth is None else depth
        while self._chain.tracked(at) is None and len(found) < limit:
            try:
                header = await self._source.header(at)
            except ExecutionClientError as error:
                return str(error)
            if header is None:
                return f"the execution client does not have block 0x{at.hex()}"
            if found and header.number + 1 != found[-1].number:
                return f"block 0x{at.hex()} has number {header.number}, its child {found[-1].number}"
            if header.number <= lowest and depth is None:
                return f"block 0x{block_hash.hex()} is not on a trusted block: its ancestor {header.number} is another"
            found.append(header)
            at = header.parent_hash
        if depth is None and self._chain.tracked(at) is None:
            why = f"no known ancestor within {limit} blocks below 0x{block_hash.hex()}"
            if not self._too_deep:
                self._too_deep = True
                text = f"{why}: nothing can be verified until this verifier starts from a newer checkpoint"
                self._observer.notify(Alarm("catch_up_too_deep", text))
            return why
        self._too_deep = False
        self._chain.receive(*(tracked_from(self._chain_id, header) for header in reversed(found)))
        return ""
