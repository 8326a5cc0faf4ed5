"""A client that is made to lie: the real adapter executes, and of chosen blocks another state root is told."""

from collections.abc import Iterable
from dataclasses import replace

from verifier.domain.result import Computed, Result
from verifier.executors.stateless.base import ExecutionRequest, StatelessExecutor

LIE = b"\xff"  # xored into the state root's first byte: as a bug would, it leaves a root of the right form


class MadeToLie:
    """A stateless executor before another one. For demonstrations: nothing else in this project may construct it."""

    def __init__(self, honest: StatelessExecutor) -> None:
        self._honest = honest
        self._about: set[bytes] = set()

    @property
    def name(self) -> str:
        """The real adapter's."""
        return self._honest.name

    @property
    def lineage(self) -> str:
        """The real adapter's."""
        return self._honest.lineage

    @property
    def expected_ms(self) -> float:
        """The real adapter's."""
        return self._honest.expected_ms

    def lie_about(self, block_hashes: Iterable[bytes]) -> None:
        """From now on of these blocks, besides those before."""
        self._about.update(block_hashes)

    async def execute(self, request: ExecutionRequest) -> Result:
        """What the real adapter computed, with another state root where it is to lie."""
        result = await self._honest.execute(request)
        outcome = result.outcome
        if request.block_hash not in self._about or not isinstance(outcome, Computed) or outcome.state_root is None:
            return result
        root = bytes([outcome.state_root[0] ^ LIE[0]]) + outcome.state_root[1:]
        return replace(result, outcome=replace(outcome, state_root=root))
