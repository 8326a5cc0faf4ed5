"""A sidecar is killed at random moments of a rollback, again and again, while its clients go on asking.

A round starts from what it kept just before the bad block's dispute was concluded, with the execution client on the bad
tip. Each process is killed some time after a stage was reached, the next one goes on from there, until one is left to
end the rollback.
"""

import asyncio
import contextlib
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from tests.end_to_end.sidecar.guarded_chain import CONDITION_TIMEOUT, POLL, GuardedChain
from tests.end_to_end.sidecar.mutated_majority import MutatedMajority
from tests.end_to_end.sidecar.resting_state import (
    CONCLUDED,
    DONE,
    MOVED,
    STAGES,
    Progress,
    RestingState,
    check,
    copy_state,
    read_state,
)
from tests.end_to_end.sidecar.rollback_story import Story, frozen, head, refusals
from tests.end_to_end.sidecar.sidecar_process import START_TIMEOUT
from verifier.demo.errors import CallError
from verifier.domain.status import BlockStatus

AWAY = (CallError, aiohttp.ClientError, asyncio.TimeoutError)
RESUMING = 0.2  # seconds, once anything can be done, in which a kill may come that waits for no stage
OPENED = r"the embedded executor is open"  # nothing is done before
FURTHER = 3  # stages that a process may reach before it is killed: several kills in each rollback
AT_ONCE = 0.5  # of the kills come when the stage is seen, the others some time after that
LOOKS = 0.0001  # seconds between two looks at the ledger: a step takes some milliseconds
NOTHING_FINAL = f"0x{bytes(32).hex()}"


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """A thread that looks does not wait for this interpreter's others longer than a step takes."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(LOOKS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@dataclass
class Tally:
    """at: kills in the middle of a rollback, by the stage that was stored. others: before it was concluded, or after.

    starts: kills that came before the process had stored anything. alarms: that were raised.
    """

    at: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    rounds: int = 0
    alarms: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        stages = ", ".join(f"{stage} {self.at[stage]}" for stage in STAGES[CONCLUDED : MOVED + 1])
        others = ", ".join(f"{stage} {count}" for stage, count in self.others.items()) or "none"
        return (
            f"{self.at.total()} kills in {self.rounds} rollbacks: {stages}; {self.starts} of them before the process"
            f" had got any further than the one before; besides: {others}"
        )


@dataclass
class Killer:
    """See the module. directory: for copies of what the sidecar keeps."""

    network: MutatedMajority
    story: Story
    directory: Path
    moments: random.Random
    tally: Tally = field(default_factory=Tally)

    @property
    def chain(self) -> GuardedChain:
        """The guarded chain."""
        return self.network.chain

    async def kill(self, count: int) -> None:
        """So many kills, in as many rounds as it takes. Raises AssertionError where anything is inconsistent."""
        while self.tally.at.total() < count:
            self.tally.rounds += 1
            await self._round(count)
            print(self.tally, flush=True)

    async def _round(self, count: int) -> None:
        await self._set_back()
        before = await self._read(self.chain.sidecar.directory)
        assert before.stage == 0
        async with self._clients_asking():
            while before.stage != DONE and self.tally.at.total() < count:
                reached = max(before.stage, CONCLUDED)
                target = self.moments.randrange(reached, min(reached + FURTHER, DONE + 1))
                if target == DONE:
                    break
                await asyncio.to_thread(self.chain.sidecar.launch)
                with _impatient():
                    await asyncio.to_thread(self._strike, before.stage, target)
                await self.chain.kill()
                self.tally.alarms |= self.chain.sidecar.alarms()
                state = await self._read(self.chain.sidecar.directory)
                check(state, self.story.branches, before)
                self._count(state, before)
                before = state
            await self.chain.restart()
            await self.chain.until(self._done, "rolled back")
        await self._check_end(before)

    async def _set_back(self) -> None:
        """Everything is as it was before the dispute was concluded."""
        chain, story = self.chain, self.story
        await chain.kill()
        await asyncio.to_thread(copy_state, story.prepared, chain.sidecar.directory)
        state = {"headBlockHash": story.bad[-1].hash}
        state |= dict.fromkeys(("safeBlockHash", "finalizedBlockHash"), NOTHING_FINAL)
        await asyncio.to_thread(chain.geth.engine_call, "engine_forkchoiceUpdatedV3", state, None)
        assert head(chain) == story.branches.bad[-1]
        while chain.beacon.head.execution != story.branches.target:
            chain.beacon.drop_head()
        if chain.driver.head != story.good[-1].hash:
            chain.driver.revert(story.good[-1].hash)
        chain.audit.vouched.clear()

    def _strike(self, reached: int, target: int) -> None:
        """Kills the sidecar some time after it has come to a stage; soon after its start if it was there already."""
        sidecar = self.chain.sidecar
        pid = sidecar.process.pid
        with contextlib.closing(Progress(sidecar.ledger)) as progress:
            sidecar.process.wait_for_line(OPENED, START_TIMEOUT)
            if reached == target:
                until = time.monotonic() + self.moments.uniform(0, RESUMING)
                while time.monotonic() < until and progress.stage() == reached:
                    time.sleep(LOOKS)
            else:
                self._come_to(target, pid, progress)
                if self.moments.random() > AT_ONCE:
                    until = time.monotonic() + self.moments.random() * self.story.seconds(target)
                    os.kill(pid, signal.SIGCONT)
                    while time.monotonic() < until:
                        pass
        os.kill(pid, signal.SIGKILL)

    def _come_to(self, target: int, pid: int, progress: Progress) -> None:
        """Returns when a stage is reached. From the one before it runs in small steps, so that none is overlooked."""
        deadline = time.monotonic() + CONDITION_TIMEOUT
        while (stage := progress.stage()) < target:
            process = self.chain.sidecar.process
            assert process.running, process.tail()
            assert time.monotonic() < deadline, f"not {STAGES[target]}\n{process.tail()}"
            near = stage >= target - 1 and (stage > 0 or progress.disputed())
            if near:
                os.kill(pid, signal.SIGCONT)
            time.sleep(LOOKS)
            if near:
                os.kill(pid, signal.SIGSTOP)

    def _count(self, state: RestingState, before: RestingState) -> None:
        stage = STAGES[state.stage]
        if CONCLUDED <= state.stage < DONE:
            self.tally.at[str(stage)] += 1
            self.tally.starts += state.stage == before.stage
        else:
            self.tally.others[str(stage)] += 1

    async def _check_end(self, before: RestingState) -> None:
        """The rollback is done: everything agrees, the gates too, and the right branch is attested to."""
        chain, story = self.chain, self.story
        with frozen(chain):
            copy_state(chain.sidecar.directory, self.directory)
        end = await self._read(self.directory)
        check(end, story.branches, before)
        assert end.stage == DONE
        assert {end.statuses[each] for each in story.branches.bad} == {BlockStatus.INVALID}
        assert await refusals(chain, story) == story.refused
        await chain.settle(story.right[0])
        self.tally.alarms |= chain.sidecar.alarms()

    async def _read(self, directory: Path) -> RestingState:
        geth = self.chain.geth
        return await asyncio.to_thread(read_state, directory, geth.genesis_path, head(self.chain))

    async def _done(self) -> bool:
        with contextlib.closing(Progress(self.chain.sidecar.ledger)) as progress:
            return progress.stage() == DONE

    @contextlib.asynccontextmanager
    async def _clients_asking(self) -> AsyncIterator[None]:
        """The consensus client and a validator ask about the bad branch, whatever becomes of the sidecar."""
        asking = asyncio.create_task(self._ask_on())
        try:
            yield
        finally:
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking

    async def _ask_on(self) -> None:
        chain, (first, *_, tip) = self.chain, self.story.bad
        submit, adopt, invalid = chain.driver.submit, chain.driver.adopt, False
        async with chain.proposed(tip) as beacon_head:
            while True:
                try:
                    for ask, block in ((submit, first), (submit, tip), (adopt, tip)):
                        word = (await ask(block))["status"]
                        assert word == "INVALID" or not invalid, f"INVALID, and then {word}"
                        invalid = word == "INVALID"
                    assert (await chain.attest(beacon_head))[0] == 503
                except AWAY:
                    pass
                await asyncio.sleep(POLL)
