"""Blocks that wait to be judged, oldest first, and when one is worth another try. What they hold is bounded."""

import heapq
import math
from collections import OrderedDict
from dataclasses import dataclass, replace

from verifier.domain.block import BlockReference
from witness.model import BlockWitness

# Bytes that payloads and witnesses may hold while they wait: a dozen of mainnet's largest. What does not fit is
# fetched again when its turn comes.
HELD_LIMIT = 128 << 20
# Seconds until a block is tried again that was held without an INVALID: a slot, then twice as long each time, to a
# limit at which even a thousand of them cost little.
RETRY_FIRST = 12.0
RETRY_LIMIT = 300.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """A block that waits. encoded: its RLP, given: its witness, None where they are to be fetched.

    received: when its payload came in, seconds of the judge's clock. fresh: not with the witness that it was held with.
    refused: why the execution client says INVALID; None if it does not. The block stays invalid, whatever others say.
    """

    block: BlockReference
    received: float
    encoded: bytes | None = None
    given: BlockWitness | None = None
    fresh: bool = False
    refused: str | None = None

    @property
    def size(self) -> int:
        """Bytes held."""
        size = 0 if self.encoded is None else len(self.encoded)
        if self.given is not None:
            witness = self.given.witness
            size += sum(map(len, (*witness.state, *witness.codes, *witness.headers, self.given.block)))
        return size


class Backlog:
    """The blocks that wait. A block is in it once."""

    def __init__(self, limit: int = HELD_LIMIT) -> None:
        self._limit = limit
        self._held = 0
        self._order: list[tuple[int, bytes]] = []
        self._waiting: dict[bytes, tuple[Waiting, int]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, block_hash: object) -> bool:
        return block_hash in self._waiting

    @property
    def held(self) -> int:
        """Bytes held."""
        return self._held

    def add(self, waiting: Waiting) -> None:
        """Adds a block. It takes the place of an earlier entry that holds less."""
        size = waiting.size
        if self._held + size > self._limit:
            waiting, size = replace(waiting, encoded=None, given=None), 0
        known = self._waiting.get(waiting.block.hash)
        if known is None:
            heapq.heappush(self._order, (waiting.block.number, waiting.block.hash))
        elif known[1] >= size:
            return
        else:
            self._held -= known[1]
        self._waiting[waiting.block.hash] = (waiting, size)
        self._held += size

    def pop(self) -> Waiting:
        """The oldest block: the one with the lowest number."""
        _, block_hash = heapq.heappop(self._order)
        waiting, size = self._waiting.pop(block_hash)
        self._held -= size
        return waiting


class Payloads:
    """RLP of payloads that the execution client has not answered for. The oldest go when they hold too much."""

    def __init__(self, limit: int = HELD_LIMIT) -> None:
        self._limit = limit
        self._held = 0
        self._kept: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, block_hash: bytes, encoded: bytes, at: float) -> None:
        """Keeps a payload that came in at `at`, seconds of the judge's clock; of one that came twice, the first."""
        if block_hash in self._kept:
            return
        self._kept[block_hash] = (encoded, at)
        self._held += len(encoded)
        while self._held > self._limit:
            _, (dropped, _) = self._kept.popitem(last=False)
            self._held -= len(dropped)

    def take(self, block_hash: bytes) -> tuple[bytes | None, float | None]:
        """The payload and when it came in; it is kept no longer. (None, None) if there is none."""
        found = self._kept.pop(block_hash, None)
        if found is None:
            return None, None
        self._held -= len(found[0])
        return found

    def came_in(self, block_hash: bytes) -> float | None:
        """When it came in, if it is kept."""
        found = self._kept.get(block_hash)
        return None if found is None else found[1]


class Retries:
    """Blocks that were held, and when each is worth another try."""

    def __init__(self) -> None:
        self._due: dict[bytes, tuple[float, float]] = {}  # when, and after how many seconds

    def held(self, block_hash: bytes, now: float) -> None:
        """The block was held without an INVALID."""
        _, before = self._due.get(block_hash, (0.0, RETRY_FIRST / 2))
        delay = min(2 * before, RETRY_LIMIT)
        self._due[block_hash] = (now + delay, delay)

    def never(self, block_hash: bytes) -> None:
        """Another try would not end what is between those who said VALID and INVALID."""
        self._due[block_hash] = (math.inf, RETRY_LIMIT)

    def due(self, block_hash: bytes, now: float) -> bool:
        """Whether it may be tried: it was never held, or long enough ago."""
        return self._due.get(block_hash, (0.0, 0.0))[0] <= now

    def __contains__(self, block_hash: object) -> bool:
        return block_hash in self._due

    def keep_only(self, block_hashes: object) -> None:
        """Forgets all other blocks."""
        for each in [each for each in self._due if each not in block_hashes]:  # type: ignore[operator]
            del self._due[each]

    def forget(self, block_hash: bytes) -> None:
        """The block is decided."""
        self._due.pop(block_hash, None)
