"""Checks of many requests at once: each gets its own answer, or is turned away."""

import asyncio
from collections.abc import Sequence

import grpc

from verifier.rpc.v1 import executor_pb2 as pb
from witness.file import encode_witness_file

from .answer import Answer
from .bundled_block import BundledBlock
from .deadlines import NO_ENDLESS
from .evidence import Evidence
from .execution import NO_BLOCKS
from .subject import ANSWER_TIMEOUT, Subject, request_for, right, with_part

ROUNDS = 3  # rounds of requests at once
OVERLOAD = 4  # times the stated places, and the same again for the queue
FAR_OVERLOAD, FAR_MORE = 16, 64  # times the stated places, and this many more: above any "few" in a queue
FAR_DEADLINE = 3.0  # seconds; long enough for all of them to have arrived


async def at_once(subject: Subject, evidence: Evidence) -> None:
    """As many requests at once as it states: every one answered, each about its own block."""
    if not subject.blocks:
        evidence.not_applicable(NO_BLOCKS)
        return
    for turn in range(ROUNDS):
        await _ask_together(subject, evidence, subject.places, turn, refusal=False)
    evidence.note(f"{ROUNDS} times {subject.places} requests at once, of different blocks, one with a node missing")


async def more(subject: Subject, evidence: Evidence) -> None:
    """Several times as many: every one answered about its own block, or RESOURCE_EXHAUSTED."""
    if not subject.blocks:
        evidence.not_applicable(NO_BLOCKS)
        return
    count = 2 * OVERLOAD * subject.places
    exhausted = await _ask_together(subject, evidence, count, 0, refusal=True)
    evidence.note(f"{count} at once: {count - exhausted} answered, {exhausted} RESOURCE_EXHAUSTED")
    answer = await subject.ask(subject.blocks[-1])
    evidence.expect(right(answer, subject.blocks[-1]), f"afterwards: {answer}")


async def exhausted(subject: Subject, evidence: Evidence) -> None:
    """With every place taken and a few more waiting, the rest is turned away at once with RESOURCE_EXHAUSTED."""
    endless = subject.bundle.endless
    if endless.fork not in subject.description.forks:
        evidence.not_applicable(NO_ENDLESS)
        return
    count = FAR_OVERLOAD * subject.places + FAR_MORE
    request = request_for(endless, endless.path)
    answers = await asyncio.gather(*(subject.execute(request, FAR_DEADLINE) for _ in range(count)))
    turned_away = [answer for answer in answers if answer.status is grpc.StatusCode.RESOURCE_EXHAUSTED]
    for answer in answers:
        held = answer.status is grpc.StatusCode.RESOURCE_EXHAUSTED or answer.over(FAR_DEADLINE)
        evidence.expect(held, f"{count} endless requests at once: {answer}")
    evidence.expect(bool(turned_away), f"{count} endless requests at once, and none RESOURCE_EXHAUSTED")
    recovered, elapsed = await subject.recovered(subject.blocks[-1])
    evidence.expect(recovered, f"afterwards no right answers within {elapsed:.0f} s")
    evidence.note(f"{len(turned_away)} of {count} turned away; all places answer again after {elapsed:.1f} s")


async def _ask_together(subject: Subject, evidence: Evidence, count: int, turn: int, *, refusal: bool) -> int:
    """Asks `count` times at once; returns how many were RESOURCE_EXHAUSTED, which counts only where `refusal`."""
    blocks = [subject.blocks[-1 - (turn + index) % len(subject.blocks)] for index in range(count)]
    requests = [
        _without_root(block) if index == count // 2 and count > 1 else _request(block)
        for index, block in enumerate(blocks)
    ]
    answers: Sequence[Answer] = await asyncio.gather(
        *(subject.execute(request, ANSWER_TIMEOUT) for request in requests)
    )
    exhausted = 0
    for index, (block, answer) in enumerate(zip(blocks, answers, strict=True)):
        if refusal and answer.status is grpc.StatusCode.RESOURCE_EXHAUSTED:
            exhausted += 1
        elif index == count // 2 and count > 1:
            evidence.expect(answer.names(block.root), f"block {block.number} without its root node: {answer}")
        else:
            evidence.expect(right(answer, block), f"block {block.number}, one of {count} at once: {answer}")
    if refusal:
        evidence.expect(count - exhausted >= subject.places, f"only {count - exhausted} of {count} answered")
    return exhausted


def _request(block: BundledBlock) -> pb.ExecuteRequest:
    return request_for(block, block.path)


def _without_root(block: BundledBlock) -> pb.ExecuteRequest:
    return request_for(block, block.path, content=encode_witness_file(with_part(block.content, "state", [])))
