"""Checks that a request which nobody waits for any more does not go on."""

import asyncio
import time

import grpc

from .bundled_block import BundledBlock
from .evidence import Evidence
from .execution import NO_BLOCKS
from .subject import ANSWER_TIMEOUT, Subject, request_for, right

SHORT_DEADLINE = 0.5  # seconds, for a block that takes longer than any client needs to be stopped
TINY_DEADLINES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)  # seconds; a small block takes some of them
CANCEL_AFTER = 0.3  # seconds until a request is surely under way
CALL_OFF_TIMEOUT = 5.0  # seconds from the deadline to the client's own error
IDLE_SAMPLE = 0.5  # seconds over which processor time is measured
IDLE_SHARE = 0.3  # of one core; a stopped adapter uses next to nothing, one that goes on a core a request
NO_ENDLESS = "it does not list Shanghai, the fork of the block that takes long"


async def passed(subject: Subject, evidence: Evidence) -> None:
    """A request whose deadline passes is DEADLINE_EXCEEDED, and its work stops: all places are free again soon."""
    chosen = _chosen(subject, evidence)
    if chosen is None:
        return
    block, endless = chosen
    request = request_for(endless, endless.path)
    answers = await asyncio.gather(*(subject.execute(request, SHORT_DEADLINE) for _ in range(subject.places)))
    for answer in answers:
        evidence.expect(answer.over(SHORT_DEADLINE), f"a block that takes long, {SHORT_DEADLINE} s: {answer}")
        late = answer.elapsed - SHORT_DEADLINE
        evidence.expect(late < CALL_OFF_TIMEOUT, f"the answer came {late:.1f} s after the deadline")
    await frees(subject, evidence, block, f"{subject.places} deadlines passed")


async def tiny(subject: Subject, evidence: Evidence) -> None:
    """With deadlines about as short as a block takes, each answer is right, DEADLINE_EXCEEDED or RESOURCE_EXHAUSTED."""
    if not subject.blocks:
        evidence.not_applicable(NO_BLOCKS)
        return
    block, exceeded = subject.blocks[-1], 0
    for deadline in TINY_DEADLINES:
        answer = await subject.execute(request_for(block, block.path), deadline)
        over = answer.over(deadline)
        exceeded += over
        # What the ones before it left may still hold the places; that they become free is seen below.
        full = answer.status is grpc.StatusCode.RESOURCE_EXHAUSTED
        evidence.expect(over or full or right(answer, block), f"{deadline} s: {answer}")
    await frees(subject, evidence, block, f"{exceeded} of {len(TINY_DEADLINES)} exceeded")


async def cancelled(subject: Subject, evidence: Evidence) -> None:
    """A cancelled request stops: all places are free again soon."""
    chosen = _chosen(subject, evidence)
    if chosen is None:
        return
    block, endless = chosen
    request = request_for(endless, endless.path)
    tasks = [asyncio.create_task(subject.execute(request, ANSWER_TIMEOUT)) for _ in range(subject.places)]
    await asyncio.sleep(CANCEL_AFTER)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await frees(subject, evidence, block, f"{len(tasks)} requests cancelled")


async def frees(subject: Subject, evidence: Evidence, block: BundledBlock, what: str) -> None:
    """Judges whether after `what` all places answer again soon, and nothing goes on working."""
    recovered, elapsed = await subject.recovered(block)
    if not evidence.expect(recovered, f"{what}, and no right answers within {subject.recovery_time:.0f} s"):
        return
    evidence.note(f"{what}, all {subject.places} places answer again after {elapsed:.1f} s")
    share = await busy(subject)
    evidence.expect(share < IDLE_SHARE, f"{what}, and it goes on using {share:.0%} of a core")


async def busy(subject: Subject) -> float:
    """The share of a core that an idle adapter of ours uses; 0 for one that is known by its address only."""
    instance = subject.instance
    if instance is None:
        return 0.0
    started, share = time.monotonic(), 1.0
    while time.monotonic() - started < subject.recovery_time:
        before, since = instance.processor_time(), time.monotonic()
        await asyncio.sleep(IDLE_SAMPLE)
        # A child that ended takes its time with it.
        share = max(0.0, instance.processor_time() - before) / (time.monotonic() - since)
        if share < IDLE_SHARE:
            break
    return share


def _chosen(subject: Subject, evidence: Evidence) -> tuple[BundledBlock, BundledBlock] | None:
    endless = subject.bundle.endless
    if endless.fork not in subject.description.forks:
        evidence.not_applicable(NO_ENDLESS)
        return None
    return subject.blocks[-1], endless
