"""A client that several blocks are asked of at once: one that takes for ever does not speak for the others."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from verifier.domain.result import Abstention, AbstentionReason, Computed, Result
from verifier.executors.stateless.base import ExecutionRequest
from verifier.services.conformance.clients import Client

DEADLINE = 0.1
SLOW, FAST = bytes([1]) * 32, bytes([2]) * 32
TIMEOUT = Abstention(AbstentionReason.TIMEOUT, "no answer")
DONE = Computed(
    state_root=b"\x01" * 32, receipts_root=b"\x02" * 32, logs_bloom=bytes(256), gas_used=1, transactions_root=bytes(32)
)


@dataclass
class Frozen:
    """Says nothing on a slow block, nor on any other as long as it has one."""

    name: str = "geth"
    lineage: str = "geth"
    expected_ms: float = 0.0
    under_way: list[bytes] = field(default_factory=list)
    asked: list[bytes] = field(default_factory=list)

    async def execute(self, request: ExecutionRequest) -> Result:
        """As StatelessExecutor.execute."""
        self.asked.append(request.block_hash)
        self.under_way.append(request.block_hash)
        try:
            async with asyncio.timeout(request.deadline):
                if SLOW in self.under_way:
                    await asyncio.Event().wait()
        except TimeoutError:
            return Result(self.name, self.lineage, TIMEOUT)
        finally:
            self.under_way.remove(request.block_hash)
        return Result(self.name, self.lineage, DONE)


def asked(*hashes: bytes) -> tuple[list[Result], list[bytes]]:
    """The answers of one client with two places, asked at once, and what it was asked, in order."""
    frozen = Frozen()

    async def scenario() -> list[Result]:
        client = Client(frozen, frozenset({"paris"}), places=2)
        requests = [ExecutionRequest(Path("absent"), each, bytes(32), DEADLINE) for each in hashes]
        return list(await asyncio.gather(*map(client.execute, requests)))

    return asyncio.run(asyncio.wait_for(scenario(), 30)), frozen.asked


def test_what_times_out_beside_a_slow_block_is_asked_again_alone() -> None:
    results, order = asked(SLOW, FAST)
    assert [each.outcome for each in results] == [TIMEOUT, DONE]
    assert sorted(order[2:]) == [SLOW, FAST]  # either may have kept the other; each has been alone since


def test_what_is_slow_alone_is_asked_once() -> None:
    results, order = asked(SLOW)
    assert [each.outcome for each in results] == [TIMEOUT]
    assert order == [SLOW]


def test_two_that_are_asked_again_alone_do_not_wait_for_each_other() -> None:
    results, order = asked(SLOW, SLOW, FAST, FAST)
    assert [each.outcome for each in results] == [TIMEOUT, TIMEOUT, DONE, DONE]
    assert order.count(SLOW) == 4
