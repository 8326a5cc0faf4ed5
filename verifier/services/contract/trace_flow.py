"""Checks of Trace under way: a reader that is slow, one that goes away, and the place that it takes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from .bundled_block import BundledBlock
from .connection import Events
from .deadlines import CANCEL_AFTER, IDLE_SHARE, NO_ENDLESS, SHORT_DEADLINE, busy, frees
from .evidence import Evidence
from .subject import Subject, request_for, right
from .traces import claimed
from .tracing import Traced

FEW = 20  # events read of a stream that goes on for ever
STALLED = 3.0  # seconds without reading; at 100 bytes a step a client that did not wait would have made 100 MB
GROWTH = 64 << 20  # bytes; what buffers of gRPC, of the adapter and garbage not yet collected may take


async def slow_reader(subject: Subject, evidence: Evidence) -> None:
    """A reader that does not read holds the execution up: it waits, memory stays bounded, others are served."""
    endless = _endless(subject, evidence)
    if endless is None:
        return
    async with _stream(subject, endless) as events:
        found = await _read_few(events, evidence)
        await asyncio.sleep(CANCEL_AFTER)
        before = _memory(subject)
        await asyncio.sleep(STALLED)
        growth = _memory(subject) - before
        evidence.expect(growth < GROWTH, f"without a reader it took {growth >> 20} MiB more in {STALLED:.0f} s")
        share = await busy(subject)
        evidence.expect(share < IDLE_SHARE, f"without a reader it goes on using {share:.0%} of a core")
        evidence.expect(
            await subject.connection.describe() is not None, "beside a reader that does not read: no Describe"
        )
        if subject.places > 1:
            answer = await subject.ask(subject.blocks[-1])
            evidence.expect(right(answer, subject.blocks[-1]), f"beside a reader that does not read: {answer}")
        await _read_few(events, evidence, found)
        evidence.note(f"{growth >> 20} MiB in {STALLED:.0f} s without a reader, {share:.0%} of a core")
    await frees(subject, evidence, subject.blocks[-1], "a stream that nobody read given up")


async def cancelled(subject: Subject, evidence: Evidence) -> None:
    """A stream that is cancelled stops: all places are free again soon."""
    endless = _endless(subject, evidence)
    if endless is None:
        return
    streams = [subject.trace(request_for(endless, endless.path)) for _ in range(subject.places)]
    await asyncio.gather(*(_read_few(events, evidence) for events in streams))
    for events in streams:
        events.cancel()
    await frees(subject, evidence, subject.blocks[-1], f"{len(streams)} streams cancelled")


async def deadline(subject: Subject, evidence: Evidence) -> None:
    """A stream whose deadline passes is DEADLINE_EXCEEDED, read or not, and its work stops."""
    endless = _endless(subject, evidence)
    if endless is None:
        return
    request = request_for(endless, endless.path)
    for reading in (True, False):
        events = subject.trace(request, timeout=SHORT_DEADLINE)
        if not reading:
            await asyncio.sleep(2 * SHORT_DEADLINE)
        while await events.read() is not None:
            pass
        ending = await events.ending()
        said = f"a stream without end, {SHORT_DEADLINE} s, {'' if reading else 'not '}read: {ending}"
        evidence.expect(ending.over(SHORT_DEADLINE), said)
    await frees(subject, evidence, subject.blocks[-1], "2 deadlines passed")


async def place(subject: Subject, evidence: Evidence) -> None:
    """A stream takes a place as Execute does: with all of them taken, another request waits or is turned away."""
    endless = _endless(subject, evidence)
    if endless is None:
        return
    block = subject.blocks[-1]
    streams = [subject.trace(request_for(endless, endless.path)) for _ in range(subject.places)]
    try:
        await asyncio.gather(*(_read_few(events, evidence) for events in streams))
        answer = await subject.execute(request_for(block, block.path), SHORT_DEADLINE)
        held = answer.status is grpc.StatusCode.RESOURCE_EXHAUSTED or answer.over(SHORT_DEADLINE)
        evidence.expect(held, f"beside {len(streams)} streams, as many as there are places: {answer}")
    finally:
        for events in streams:
            events.cancel()
    await frees(subject, evidence, block, f"{len(streams)} streams in all places")


@asynccontextmanager
async def _stream(subject: Subject, block: BundledBlock) -> AsyncIterator[Events]:
    events = subject.trace(request_for(block, block.path))
    try:
        yield events
    finally:
        events.cancel()


async def _read_few(events: Events, evidence: Evidence, found: Traced | None = None) -> Traced:
    """Reads some events of a stream that has no end; that it ends is a breach."""
    found = found or Traced()
    for _ in range(FEW):
        event = await events.read()
        if event is None:
            evidence.expect(False, f"the stream ended: {await events.ending()}")
            break
        found.add(event)
    evidence.expect(not found.breaches, ", ".join(found.breaches[:2]))
    return found


def _memory(subject: Subject) -> int:
    """Bytes that the process and its children hold by themselves; 0 for one that is known by its address only."""
    if subject.instance is None:
        return 0
    return subject.instance.memory()


def _endless(subject: Subject, evidence: Evidence) -> BundledBlock | None:
    if not claimed(subject, evidence):
        return None
    endless = subject.bundle.endless
    if endless.fork not in subject.description.forks:
        evidence.not_applicable(NO_ENDLESS)
        return None
    return endless
