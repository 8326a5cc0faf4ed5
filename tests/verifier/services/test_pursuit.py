"""Rollbacks are pursued: what is not done is tried again, also after a fault of our own; what is done is left alone."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.verifier.services.observing import Recorder
from verifier.domain.block import BlockReference
from verifier.domain.event import Alarm
from verifier.domain.status import TrackedBlock
from verifier.ledger.base import FakeLedger
from verifier.services.background import Background
from verifier.services.chain import Chain
from verifier.services.pursuit import Pursuit
from verifier.services.retreat import FakeRetreat, nothing

BAD = bytes([9]) * 32
INTERVAL = 0.001  # seconds
FOREVER = 3600.0


def run(
    scenario: Callable[[FakeRetreat, Pursuit, Recorder], Awaitable[None]], interval: float, unfinished: int = 0
) -> None:
    async def whole() -> None:
        recorder = Recorder()
        chain = Chain(FakeLedger(), recorder)
        chain.receive(TrackedBlock(BlockReference(1, 9, BAD), bytes(32), bytes(32), 9))
        retreat, background = FakeRetreat(chain, unfinished=unfinished), Background(recorder)
        pursuit = Pursuit(retreat, background, interval)
        try:
            await scenario(retreat, pursuit, recorder)
            async with asyncio.timeout(60):
                while background.under_way:  # noqa: ASYNC110 - nothing tells when a task is gone
                    await asyncio.sleep(0)
        finally:
            pursuit.close()
            await background.close()
            chain.close()

    asyncio.run(whole())


async def resumed(retreat: FakeRetreat, times: int) -> None:
    async with asyncio.timeout(60):
        while retreat.resumed < times:  # noqa: ASYNC110 - a fake tells nobody
            await asyncio.sleep(INTERVAL)


def test_what_an_earlier_process_left_is_tried_until_it_is_done() -> None:
    async def scenario(retreat: FakeRetreat, pursuit: Pursuit, _: Recorder) -> None:
        pursuit.begin()
        await resumed(retreat, 3)
        assert not retreat.unfinished

    run(scenario, INTERVAL, unfinished=3)


def test_a_fault_is_told_and_what_was_begun_is_gone_on_with() -> None:
    async def scenario(retreat: FakeRetreat, pursuit: Pursuit, recorder: Recorder) -> None:
        retreat.fail_with = RuntimeError("a fault of our own")
        pursuit.go_back("9-09090909", BAD, "why", nothing)
        alarm = await recorder.wait(Alarm)
        assert alarm.text == "rollback 9-09090909: RuntimeError: a fault of our own"
        await resumed(retreat, 1)

    run(scenario, INTERVAL)


def test_what_is_done_is_left_alone_and_what_is_not_waits_its_time() -> None:
    async def scenario(retreat: FakeRetreat, pursuit: Pursuit, _: Recorder) -> None:
        pursuit.go_back("9-09090909", BAD, "why", nothing)
        async with asyncio.timeout(60):
            while not retreat.gone:  # noqa: ASYNC110 - a fake tells nobody
                await asyncio.sleep(0)
        assert (retreat.runs, retreat.resumed) == ([("9-09090909", BAD)], 0)

    run(scenario, FOREVER)
    run(scenario, FOREVER, unfinished=1)
