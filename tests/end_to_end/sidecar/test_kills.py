"""The sidecar is killed at random moments of a slot, again and again, while its clients go on.

After every kill: what was invalid is invalid, what was verified is verified, at the first question; what was undecided
is caught up with. And at no moment does a gate vouch for a block without a recorded quorum.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import aiohttp
import pytest

from tests.end_to_end.sidecar.guarded_chain import GuardedChain, guarded_chain, hash_of
from verifier.demo.driver import Built
from verifier.demo.errors import CallError

T = TypeVar("T")
KILLS = 25  # each run; there are two
SLOT = 0.4  # seconds: the kills come at moments within two of them, so in everything that a slot has
AWAY = (CallError, aiohttp.ClientError, asyncio.TimeoutError)
# Adapters may take long to be back on a busy machine; a block that is given up is tried again only 12 s later.
PATIENT = {"adapters": {"deadline_seconds": 60.0}}
ROUND = 4  # slots; in one of them the execution client lies


@dataclass
class Clients:
    """The consensus client and the validator, who go on whatever becomes of the sidecar.

    invalid: a block that the execution client called invalid, and would now call valid. verified: blocks of which VALID
    came out. serving: set while the sidecar answers. slots: that passed with an attested block.
    """

    chain: GuardedChain
    invalid: Built
    serving: asyncio.Event = field(default_factory=asyncio.Event)
    verified: list[Built] = field(default_factory=list)
    slots: int = 0
    refused: int = 0

    async def go_on(self) -> None:
        """Slot after slot, for ever."""
        number = 0
        while True:
            number += 1
            block = await self._persist(self.chain.build)
            if number % ROUND == 0:
                await self._persist(partial(self._lie, block))
            await self._bring_in(block)

    async def _lie(self, block: Built) -> None:
        """The execution client says VALID of a block that is not, and gives its witness."""
        bad = self.chain.spoilt(block, lie=True)
        assert (await self.chain.driver.submit(bad))["status"] != "VALID"
        async with self.chain.proposed(bad) as head:
            assert (await self.chain.attest(head))[0] == 503
        self.refused += 1

    async def _bring_in(self, block: Built) -> None:
        """Until the block is verified, adopted and attested to; asked by every way in which clients ask."""
        driver, attempts = self.chain.driver, 0

        async def bring_in() -> bool:
            nonlocal attempts
            attempts += 1
            # A client whose call broke off may go on with forkchoiceUpdated, or with the block's child.
            ask = driver.adopt if attempts % 2 == 0 else driver.submit
            if (await ask(block))["status"] != "VALID":
                return False
            self.verified.append(block)
            return bool((await driver.adopt(block))["status"] == "VALID")

        while not await self._persist(bring_in):
            pass
        head = self.chain.propose(block)

        async def attested() -> bool:
            return (await self.chain.attest(head))[0] == 200

        while not await self._persist(attested):
            pass
        self.slots += 1

    async def _persist(self, action: Callable[[], Awaitable[T]]) -> T:
        """The action's result, once the sidecar lives as long as it takes."""
        while True:
            await self.serving.wait()
            try:
                return await action()
            except AWAY:
                await asyncio.sleep(0)  # the killer's turn

    async def check_memory(self) -> None:
        """At the first question after a start; nobody is asked anew about what was decided."""
        driver = self.chain.driver
        executed = self.chain.execution.asked_about[self.invalid.hash]
        answer = await driver.submit(self.invalid)
        assert answer["status"] == "INVALID", answer
        assert (await driver.adopt(self.invalid))["status"] == "INVALID"
        assert self.chain.execution.asked_about[self.invalid.hash] == executed, "it is not asked again"
        if not self.verified:
            return
        newest = self.verified[-1]
        decisions = self.chain.audit.decisions(hash_of(newest))
        assert (await driver.submit(newest))["status"] == "VALID"
        head = self.chain.beacon.head
        if head.execution in self.chain.audit.vouched:
            assert (await self.chain.attest(head))[0] == 200
        assert self.chain.audit.decisions(hash_of(newest)) == decisions, "it was judged anew"


async def kill_again_and_again(clients: Clients, moments: random.Random) -> None:
    """KILLS kills and starts."""
    chain, loop = clients.chain, asyncio.get_running_loop()
    for number in range(KILLS):
        clients.serving.set()
        moment = asyncio.Event()
        loop.call_later(moments.uniform(0, 2 * SLOT), moment.set)
        await moment.wait()
        clients.serving.clear()
        await chain.kill()
        await chain.restart()
        await clients.check_memory()
        if number % 5 == 4:  # and the chain does go on between them
            clients.serving.set()
            slots = clients.slots

            async def went_on(slots: int = slots) -> bool:
                return clients.slots > slots

            await chain.until(went_on, "a slot later")
    clients.serving.set()


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_lost_or_let_out_by_kills(seed: int, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with guarded_chain(tmp_path, PATIENT) as chain:
            await chain.start()
            for _ in range(3):
                await chain.advance()
            honest = await chain.build()
            invalid = chain.spoilt(honest, lie=False)
            answer = await chain.driver.submit(invalid)
            assert answer["status"] == "INVALID", answer
            chain.spoilt(honest, lie=True)  # and from now on the execution client would say VALID
            clients = Clients(chain, invalid)
            going_on = asyncio.create_task(clients.go_on())
            killing = asyncio.create_task(kill_again_and_again(clients, random.Random(seed)))
            await asyncio.wait({going_on, killing}, return_when=asyncio.FIRST_COMPLETED)
            going_on.cancel()
            killing.cancel()
            for task in (killing, going_on):
                try:
                    await task
                except asyncio.CancelledError:
                    assert task is going_on
            await chain.until(chain.ready, "ready")
            await chain.advance()
            words = chain.audit.words
            print(f"{clients.slots} slots, {clients.refused} lies refused, {dict(words)}")
            assert clients.refused > 0
            assert {chain.audit.status(bad) for bad in chain.audit.bad} & {"verified"} == set()

    asyncio.run(scenario())
