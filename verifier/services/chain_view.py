"""The seam between the gates and the verifier's own view of the chain, with the fakes that tests use."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from verifier.domain.standing import Standing, StandingReport
from witness.model import BlockWitness, Header


class ChainView(Protocol):
    """What the gates ask. `verifier.services.chain.Chain` is one."""

    def standing(self, block_hash: bytes) -> StandingReport:
        """Where the block stands now."""

    async def wait(self, block_hash: bytes, seconds: float) -> StandingReport:
        """Where the block stands once that is decided, or after `seconds`; at once where it is disputed.

        In epoch-target mode also once the block itself is verified, whatever its ancestors are.

        Asks for whatever is not under way to be judged: the block itself, ancestors that this verifier never saw.
        """

    def latest_valid_ancestor(self, block_hash: bytes) -> bytes | None:
        """`latestValidHash` for a block that stands INVALID."""


class PayloadJudge(Protocol):
    """What the engine gate hands over. `verifier.services.judging.Judge` is one. None of these waits for votes."""

    def receive(self, block: bytes, header: Header) -> None:
        """A payload came in. block: RLP. A descendant of an invalid block becomes invalid here."""

    def executed(self, header: Header, witness: BlockWitness | None, *, valid: bool, detail: str = "") -> None:
        """The execution client answered VALID or INVALID. witness: if its answer brought it; else it is fetched."""

    def identified(self, lineage: str | None) -> None:
        """The execution client says of which engine lineage it is; None if it does not say, or nobody knows."""

    def finalized(self, block_hash: bytes) -> None:
        """The consensus client names this block final: what is below it is pruned, where it is verified."""


@dataclass
class FakeChainView:
    """Answers from `reports`; unknown blocks stand UNKNOWN. `decide` changes one and wakes who waits.

    waiting: set as soon as somebody waits. gives_up: `wait` returns at once, as if its time had passed.
    """

    reports: dict[bytes, StandingReport] = field(default_factory=dict)
    latest_valid: dict[bytes, bytes] = field(default_factory=dict)
    waited_for: list[tuple[bytes, float]] = field(default_factory=list)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    gives_up: bool = False
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def decide(self, block_hash: bytes, report: StandingReport) -> None:
        """From now on the block stands so."""
        self.reports[block_hash] = report
        self._changed.set()

    def standing(self, block_hash: bytes) -> StandingReport:
        """As ChainView.standing."""
        unknown = StandingReport(Standing.UNKNOWN, block_hash, "not seen by this verifier")
        return self.reports.get(block_hash, unknown)

    async def wait(self, block_hash: bytes, seconds: float) -> StandingReport:
        """As ChainView.wait."""
        self.waited_for.append((block_hash, seconds))
        self.waiting.set()
        try:
            async with asyncio.timeout(seconds):
                while not self.standing(block_hash).decided and not self.gives_up:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        return self.standing(block_hash)

    def latest_valid_ancestor(self, block_hash: bytes) -> bytes | None:
        """As ChainView.latest_valid_ancestor."""
        return self.latest_valid.get(block_hash)


@dataclass
class FakePayloadJudge:
    """Keeps what it is told. `fail_with`: raised by every call, while it is set; `on_executed`: called at the end."""

    received: list[Header] = field(default_factory=list)
    blocks: dict[bytes, bytes] = field(default_factory=dict)
    executions: list[tuple[bytes, BlockWitness | None, bool, str]] = field(default_factory=list)
    final: list[bytes] = field(default_factory=list)
    lineages: list[str | None] = field(default_factory=list)
    fail_with: Exception | None = None
    on_executed: Callable[[Header], None] | None = None

    def receive(self, block: bytes, header: Header) -> None:
        """As PayloadJudge.receive."""
        self._fail()
        self.received.append(header)
        self.blocks[header.hash] = block

    def executed(self, header: Header, witness: BlockWitness | None, *, valid: bool, detail: str = "") -> None:
        """As PayloadJudge.executed."""
        self._fail()
        self.executions.append((header.hash, witness, valid, detail))
        if self.on_executed is not None:
            self.on_executed(header)

    def identified(self, lineage: str | None) -> None:
        """As PayloadJudge.identified."""
        self.lineages.append(lineage)

    def finalized(self, block_hash: bytes) -> None:
        """As PayloadJudge.finalized."""
        self._fail()
        self.final.append(block_hash)

    def _fail(self) -> None:
        if self.fail_with is not None:
            raise self.fail_with
