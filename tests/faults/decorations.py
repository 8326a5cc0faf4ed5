"""Adapters that are wrong in one way each, around real ones: in tests only, never shipped as clients.

Each is a StatelessExecutor around a StatelessExecutor. What it is given is what its client computed; what it gives away
is a lie, or nothing.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from verifier.domain.result import (
    Abstention,
    AbstentionReason,
    BrokenRule,
    Computed,
    Outcome,
    Result,
)
from verifier.domain.trace import Step, TraceItem
from verifier.executors.stateless.base import ExecutionRequest, StatelessExecutor
from verifier.executors.stateless.tracer import TraceBatch, Tracer
from verifier.services.ballot import acceptance
from witness.file import check_binding, map_witness_file

WRONG_HASH = b"\xbd" * 32
SSTORE = 0x55


class Faulty(ABC):
    """An executor with the name and the lineage of the one that it is around."""

    def __init__(self, within: StatelessExecutor) -> None:
        self.within = within
        self.name = within.name
        self.lineage = within.lineage

    @property
    def expected_ms(self) -> float:
        """As the executor within has it."""
        return self.within.expected_ms

    async def execute(self, request: ExecutionRequest) -> Result:
        """The result of the executor within, changed."""
        result = await self.within.execute(request)
        return replace(result, outcome=self.changed(request, result.outcome))

    @abstractmethod
    def changed(self, request: ExecutionRequest, outcome: Outcome) -> Outcome:
        """What it says instead of `outcome`."""


class _WrongValue(Faulty):
    def changed(self, request: ExecutionRequest, outcome: Outcome) -> Outcome:
        """One value of what was computed changed; what is not computed stays."""
        return self.wrong(outcome) if isinstance(outcome, Computed) else outcome

    @abstractmethod
    def wrong(self, computed: Computed) -> Computed:
        """The wrong values."""


class WrongGas(_WrongValue):
    """The last transaction used a unit of gas more: in its receipt, the receipts' root and the block."""

    def wrong(self, computed: Computed) -> Computed:
        """See the class."""
        assert computed.gas_used is not None
        *others, last = computed.receipts
        receipts = (*others, replace(last, cumulative_gas_used=last.cumulative_gas_used + 1))
        return replace(computed, gas_used=computed.gas_used + 1, receipts_root=WRONG_HASH, receipts=receipts)


class WrongStateRoot(_WrongValue):
    """Every receipt right, and another state."""

    def wrong(self, computed: Computed) -> Computed:
        """See the class."""
        return replace(computed, state_root=WRONG_HASH)


class WrongReceipts(_WrongValue):
    """The right state, and other logs in the last receipt."""

    def wrong(self, computed: Computed) -> Computed:
        """See the class."""
        *others, last = computed.receipts
        return replace(computed, receipts_root=WRONG_HASH, receipts=(*others, replace(last, logs_hash=WRONG_HASH)))


class WrongRequests(_WrongValue):
    """All right but the requests to the consensus layer (EIP-7685)."""

    def wrong(self, computed: Computed) -> Computed:
        """See the class."""
        return replace(computed, requests_hash=WRONG_HASH)


class FalseInvalid(Faulty):
    """Names a rule that the block does not break."""

    def changed(self, request: ExecutionRequest, outcome: Outcome) -> Outcome:
        """See the class."""
        return BrokenRule("base_fee", "not what the parent's header makes it")


class AcceptsAnything(Faulty):
    """Gives the header's values back, whatever was computed."""

    def changed(self, request: ExecutionRequest, outcome: Outcome) -> Outcome:
        """See the class."""
        header = check_binding(map_witness_file(request.witness))
        return acceptance(header, self.name, self.lineage).outcome


class IncompleteWitnessUnnoticed(Faulty):
    """Takes what the witness lacks for empty, and computes on."""

    def changed(self, request: ExecutionRequest, outcome: Outcome) -> Outcome:
        """A wrong state root where the executor within said that something is missing."""
        insufficient = AbstentionReason.WITNESS_INSUFFICIENT
        if not isinstance(outcome, Abstention) or outcome.reason is not insufficient:
            return outcome
        header = check_binding(map_witness_file(request.witness))
        accepted = acceptance(header, self.name, self.lineage).outcome
        assert isinstance(accepted, Computed)
        return replace(accepted, state_root=WRONG_HASH)


class Crashing(Faulty):
    """Its process ends on every block."""

    def changed(self, request: ExecutionRequest, outcome: Outcome) -> Outcome:
        """What the supervisor says of it."""
        return Abstention(AbstentionReason.CRASHED, "the process ended while it executed the block")


class Hanging(Faulty):
    """Never answers. cancelled: how many of those who asked gave up on it."""

    def __init__(self, within: StatelessExecutor) -> None:
        super().__init__(within)
        self.cancelled = 0

    async def execute(self, request: ExecutionRequest) -> Result:
        """An abstention at the request's deadline, as an adapter's connection has it."""
        try:
            async with asyncio.timeout(request.deadline):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            pass
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Result(self.name, self.lineage, Abstention(AbstentionReason.TIMEOUT, "no answer in time"))

    def changed(self, request: ExecutionRequest, outcome: Outcome) -> Outcome:
        """Never asked for."""
        raise NotImplementedError


class DoubleVote(Faulty):
    """The first time the truth, the second time another state, and so on."""

    def __init__(self, within: StatelessExecutor) -> None:
        super().__init__(within)
        self._asked = 0

    def changed(self, request: ExecutionRequest, outcome: Outcome) -> Outcome:
        """See the class."""
        self._asked += 1
        return replace(outcome, state_root=WRONG_HASH) if self._lies and isinstance(outcome, Computed) else outcome

    @property
    def _lies(self) -> bool:
        return self._asked % 2 == 0


class Misconfigured(Faulty):
    """Right in everything but the chain config that it is started with. chain_config: geth-genesis JSON."""

    def __init__(self, within: StatelessExecutor, chain_config: bytes) -> None:
        super().__init__(within)
        self._chain_config = chain_config

    async def execute(self, request: ExecutionRequest) -> Result:
        """The result of the executor within under its own chain config."""
        return await self.within.execute(replace(request, chain_config=self._chain_config))

    def changed(self, request: ExecutionRequest, outcome: Outcome) -> Outcome:
        """Never asked for."""
        raise NotImplementedError


class WrongGasTracer:
    """A tracer around another: from the first SSTORE on there is a unit of gas less."""

    def __init__(self, within: Tracer) -> None:
        self.within = within
        self.name = within.name
        self.lineage = within.lineage

    async def trace(
        self, request: ExecutionRequest, first: int = 0, count: int = 0
    ) -> AsyncGenerator[TraceBatch | Result, None]:
        """See Tracer."""
        stored = False
        async with aclosing(self.within.trace(request, first, count)) as batches:
            async for batch in batches:
                if isinstance(batch, Result):
                    yield batch
                    continue
                changed: list[TraceItem] = []
                for item in batch:
                    if not isinstance(item, Step):
                        changed.append(item)
                        continue
                    changed.append(replace(item, gas=item.gas - 1) if stored else item)
                    stored = stored or item.op == SSTORE
                yield tuple(changed)
