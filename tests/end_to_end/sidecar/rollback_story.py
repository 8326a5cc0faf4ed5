"""A chain of 64 blocks whose block 54 is invalid, in a network whose majority takes it for valid.

First act: 53 right blocks, verified, adopted and attested to. Second act: the bad block and ten more upon it, which the
majority builds and the execution client adopts, while the correct clients are too busy to answer. Third act: they
answer, and everything goes back. Fourth act: the right branch, twelve blocks.
"""

import asyncio
import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.end_to_end.sidecar.guarded_chain import CONDITION_TIMEOUT, GuardedChain, hash_of
from tests.end_to_end.sidecar.mutated_majority import MAJORITY, MutatedMajority, slots_later
from tests.end_to_end.sidecar.resting_state import (
    CONCLUDED,
    DONE,
    STAGES,
    Branches,
    Progress,
    RestingState,
    copy_state,
    read_state,
)
from verifier.demo.driver import Built
from verifier.services.evidence import Evidence, read_bundle
from verifier.services.evidence.bundle import is_bundle
from witness.store import WitnessStore

GOOD, DESCENDANTS, RIGHT = 53, 10, 12  # blocks: below the bad one, upon it, and of the right branch
WATCHING = 0.0002  # seconds between two looks at the ledger


@dataclass(repr=False)  # it is long
class Story:
    """What was seen. good, bad, right: the blocks. prepared: a copy of what the sidecar kept before it was concluded.

    held: answers about the bad branch in the second act, words and HTTP status codes. kept: all that is kept once the
    rollback is done. refused: answers about the bad branch from then on, with latestValidHash. stages: when each stage
    was reached, seconds since the epoch. answering: when the correct clients answered again; attested: when a right
    block was attested to first. vouched, head: hashes of all blocks that a gate vouched for, and of the execution
    client's head, in the end. evidence: the bundle. log: of the sidecar.
    """

    prepared: Path
    good: list[Built] = field(default_factory=list)
    bad: list[Built] = field(default_factory=list)
    right: list[Built] = field(default_factory=list)
    held: set[object] = field(default_factory=set)
    refused: set[tuple[object, ...]] = field(default_factory=set)
    stages: dict[int, float] = field(default_factory=dict)
    answering: float = 0.0
    attested: float = 0.0
    kept: RestingState = field(init=False)
    evidence: Evidence = field(init=False)
    vouched: frozenset[bytes] = frozenset()
    head: bytes = b""
    log: list[dict[str, Any]] = field(default_factory=list)

    @property
    def branches(self) -> Branches:
        """The hashes of the two branches."""
        return Branches(tuple(map(hash_of, self.good)), tuple(map(hash_of, self.bad)))

    def seconds(self, stage: int) -> float:
        """How long a stage lasted, from when it was reached to the next."""
        return self.stages[stage + 1] - self.stages[stage]


async def tell(network: MutatedMajority, directory: Path) -> Story:
    """Runs the network through the story; everything runs on. directory: for copies of what the sidecar keeps."""
    story, chain = Story(directory / "prepared"), network.chain
    await network.start()
    for _ in range(GOOD):
        story.good.append(await network.good())
        await chain.settle(story.good[-1])
    with network.busy():
        for number in range(1 + DESCENDANTS):
            story.bad.append(await network.bad(trips=number == 0))
            story.held |= set(await ask(chain, story.bad[-1]))
        await chain.until(lambda: _witnessed(chain, story.branches), "all of the bad branch executed")
        await chain.until(lambda: _taken_for_valid(chain, story.branches.bad[0]), "the majority heard")
        with frozen(chain):
            copy_state(chain.sidecar.directory, story.prepared)
        story.answering = time.time()
    await _watch(chain, story)
    with frozen(chain):
        copy_state(chain.sidecar.directory, directory / "afterwards")
    story.kept = await asyncio.to_thread(read_state, directory / "afterwards", chain.geth.genesis_path, head(chain))
    story.refused = await refusals(chain, story)
    for number in range(RIGHT):
        later = slots_later(story.bad[-1], 1) if number == 0 else None
        story.right.append(await network.good(later))
        await chain.settle(story.right[-1])
        story.attested = story.attested or time.time()
    story.vouched, story.head = frozenset(chain.audit.vouched), head(chain)
    await chain.until(lambda: _bundled(chain), "a bundle written")
    (bundle,) = filter(is_bundle, (chain.sidecar.directory / "evidence").iterdir())
    story.evidence = read_bundle(bundle)
    story.log = chain.sidecar.logged()
    return story


async def ask(chain: GuardedChain, block: Built) -> tuple[object, ...]:
    """What both gates say of a block, by every way in which clients ask."""
    submitted = await chain.driver.submit(block)
    adopted = await chain.driver.adopt(block)
    async with chain.proposed(block) as beacon_head:
        code, _ = await chain.attest(beacon_head)
    return submitted["status"], adopted["status"], code


async def refusals(chain: GuardedChain, story: Story) -> set[tuple[object, ...]]:
    """What is said of each block of the bad branch: status, latestValidHash, and the attestation gate's status code."""
    said: set[tuple[object, ...]] = set()
    for block in story.bad:
        for status in (await chain.driver.submit(block), await chain.driver.adopt(block)):
            said.add((status["status"], status["latestValidHash"]))
        async with chain.proposed(block) as beacon_head:
            said.add(((await chain.attest(beacon_head))[0],))
    return said


def head(chain: GuardedChain) -> bytes:
    """The execution client's head, as it says itself."""
    return bytes.fromhex(chain.geth.block_hash("latest")[2:])


@contextlib.contextmanager
def frozen(chain: GuardedChain) -> Iterator[None]:
    """The sidecar with its embedded executor stands still: what it keeps is what a crash would leave."""
    sidecar = psutil.Process(chain.sidecar.process.pid)
    stopped = [sidecar, *sidecar.children(recursive=True)]
    asleep = [each.pid for each in stopped if each.status() == psutil.STATUS_STOPPED]  # others see to those
    try:
        for each in stopped:
            os.kill(each.pid, signal.SIGSTOP)
        yield
    finally:
        for each in stopped:
            if each.pid not in asleep:
                os.kill(each.pid, signal.SIGCONT)


async def _watch(chain: GuardedChain, story: Story) -> None:
    """Notes when each stage is reached, until the rollback is done."""

    def watch() -> None:
        deadline = time.monotonic() + CONDITION_TIMEOUT
        with contextlib.closing(Progress(chain.sidecar.ledger)) as progress:
            while DONE not in story.stages:
                assert time.monotonic() < deadline, f"not done: {STAGES[progress.stage()]}"
                reached, now = progress.stage(), time.time()
                for stage in range(CONCLUDED, reached + 1):
                    story.stages.setdefault(stage, now)
                time.sleep(WATCHING)

    await asyncio.to_thread(watch)


async def _witnessed(chain: GuardedChain, branches: Branches) -> bool:
    return {each.hash for each in WitnessStore(chain.sidecar.directory / "witnesses")} >= set(branches.bad)


async def _taken_for_valid(chain: GuardedChain, block_hash: bytes) -> bool:
    with contextlib.closing(sqlite3.connect(f"{chain.sidecar.ledger.as_uri()}?mode=ro", uri=True)) as connection:
        said = connection.execute("SELECT lineage, kind FROM statements WHERE block_hash = ?", (block_hash,)).fetchall()
    return sorted(said) == [(lineage, "VALID") for lineage in sorted(MAJORITY)]


async def _bundled(chain: GuardedChain) -> bool:
    return any(each.get("event") == "dispute invalid" and each.get("evidence") for each in chain.sidecar.logged())
