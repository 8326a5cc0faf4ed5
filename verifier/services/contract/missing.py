"""Checks that what is missing is missing: nothing that a witness lacks may become a statement about the block."""

import random
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

import rlp

from verifier.rpc.v1 import executor_pb2 as pb
from witness.header import keccak256
from witness.model import BlockWitness

from .answer import Answer
from .bundle import BLOCK_HASH, DROPPED, TAMPERED
from .bundled_block import BundledBlock
from .evidence import Evidence
from .execution import NO_BLOCKS
from .subject import Subject, right, with_part, without
from .tampering import POSITION, decoded, rebuilt

T = TypeVar("T")
SEED = 22615247  # the order in which cases are tried; the same every time
# No trie node, and close to one.
GARBAGE = (
    b"\x00" * 40,
    b"\xc0",
    b"garbage that is no RLP at all, or is it?",
    rlp.encode([b"\x20" + b"\1" * 32]),
    rlp.encode([b"\x40" + b"\1" * 32, b"x" * 40]),
    rlp.encode([b"\1" * 33] * 16 + [b""]),
    rlp.encode([b"x"] * 18),
    rlp.encode([[b"x"]] * 17),
)


async def nodes(subject: Subject, evidence: Evidence) -> None:
    """Each node dropped in turn: not needed, or an abstention that names it."""
    await _dropped(subject, evidence, "state")


async def codes(subject: Subject, evidence: Evidence) -> None:
    """Each code dropped in turn: not needed, or an abstention that names it."""
    await _dropped(subject, evidence, "codes")


async def damaged(subject: Subject, evidence: Evidence) -> None:
    """Nodes and codes with changed, cut or other bytes are as good as missing."""
    cases = []
    for block in _chosen(subject, evidence, DROPPED):
        for part in ("state", "codes"):
            elements = [bytes(each) for each in getattr(block.content.witness, part)]
            for index, element in enumerate(elements):
                for octets in _damages(element):
                    cases.append((block, part, index, octets))
    tried = needed = 0
    for block, part, index, octets in within(subject.sample_time, spread(cases)):
        elements = [bytes(each) for each in getattr(block.content.witness, part)]
        gone, elements[index] = keccak256(elements[index]), octets
        answer = await subject.ask(block, with_part(block.content, part, elements))
        tried += 1
        needed += _judge(evidence, block, answer, gone, f"{part} element {index} damaged")
    evidence.note(f"{tried} of {len(cases)} damages tried, {needed} of what is needed")


async def malformed(subject: Subject, evidence: Evidence) -> None:
    """Bytes that are no trie node, under the right hash, are as good as missing where they are used."""
    tried = 0
    for block in _chosen(subject, evidence, TAMPERED):
        for octets in GARBAGE:
            hash_ = keccak256(octets)
            changed = _on_root(block.content, hash_)
            # In the codes too: a code must not pass for a node.
            changed = with_part(with_part(changed, "state", [octets]), "codes", [octets])
            answer = await subject.ask(block, changed, pre_state_root=hash_)
            tried += 1
            evidence.expect(answer.names(hash_), f"{block.fork}, root node {octets[:8].hex()}…: {answer}")
    evidence.note(f"{tried} root nodes that are none")


async def all_gone(subject: Subject, evidence: Evidence) -> None:
    """Without any node it abstains naming the pre-state root; without any code it abstains naming a code."""
    blocks = _chosen(subject, evidence, DROPPED)
    for block in blocks:
        answer = await subject.ask(block, with_part(block.content, "state", []))
        evidence.expect(answer.names(block.root), f"block {block.number}, no nodes: {answer}")
        hashes = {keccak256(code) for code in block.content.witness.codes}
        if hashes:
            answer = await subject.ask(block, with_part(block.content, "codes", []))
            named = {item.hash for item in answer.missing}
            held = answer.reason == "witness_insufficient" and bool(named & hashes)
            evidence.expect(held, f"block {block.number}, no codes: {answer}")
    evidence.note(f"{len(blocks)} blocks")


async def ancestors(subject: Subject, evidence: Evidence) -> None:
    """BLOCKHASH of an ancestor whose header is absent: an abstention that names the header, never another hash or 0."""
    needed = tried = 0
    for block in _chosen(subject, evidence, BLOCK_HASH):
        headers = [bytes(header) for header in block.content.witness.headers]
        known = subject.bundle.ancestors_of(block)
        for gone in range(1, len(headers)):
            answer = await subject.ask(block, with_part(block.content, "headers", headers[gone:]))
            # Either the block whose hash was asked for, or the next header down, whose hash the one above it names.
            oldest = block.number - len(headers) + gone
            absent = {number: hash_ for number, hash_ in known.items() if number < oldest}
            tried += 1
            if right(answer, block):
                continue
            # By hash where it is known, else by number.
            named = [
                item.hash in absent.values() if item.hash else item.number in absent
                for item in answer.missing
                if item.kind == pb.Missing.KIND_HEADER
            ]
            held = answer.reason == "witness_insufficient" and any(named)
            needed += held
            evidence.expect(held, f"block {block.number} without its {gone} oldest headers: {answer}")
    if tried:
        evidence.expect(needed > 0, "no header is needed for any BLOCKHASH")
    evidence.note(f"{tried} shortened chains, {needed} of them too short")


async def _dropped(subject: Subject, evidence: Evidence, part: str) -> None:
    blocks = _chosen(subject, evidence, DROPPED)
    cases = [(block, index) for block in blocks for index in range(len(getattr(block.content.witness, part)))]
    tried = needed = 0
    for block, index in within(subject.sample_time, spread(cases)):
        gone = keccak256(getattr(block.content.witness, part)[index])
        answer = await subject.ask(block, without(block.content, part, index))
        tried += 1
        needed += _judge(evidence, block, answer, gone, f"without 0x{gone.hex()[:8]}…")
    if tried and not evidence.breaches:
        evidence.expect(needed > 0, f"{tried} dropped, and none of them was needed")
    numbers = ", ".join(str(number) for number in sorted(block.number for block in blocks))
    evidence.note(f"{tried} of {len(cases)} dropped in turn, {needed} were needed; blocks {numbers}")


def _judge(evidence: Evidence, block: BundledBlock, answer: Answer, gone: bytes, what: str) -> bool:
    """Whether it abstained, rightly; a breach unless it did, or computed what the header says without it."""
    if right(answer, block):
        return False
    return evidence.expect(answer.names(gone), f"block {block.number} {what}: {answer}")


def _damages(element: bytes) -> tuple[bytes, ...]:
    middle = len(element) // 2
    changed = element[:middle] + bytes([element[middle] ^ 0x40]) + element[middle + 1 :] if element else b"\1"
    return changed, element[:-1], element + b"\0", b"\xa5" * 32


def _on_root(content: BlockWitness, root: bytes) -> BlockWitness:
    """The block on a parent with another state root."""
    parent = list(rlp.decode(bytes(content.witness.headers[-1])))
    parent[POSITION["state_root"]] = root
    block = decoded(content)
    block[0][POSITION["parent_hash"]] = keccak256(rlp.encode(parent))
    return rebuilt(with_part(content, "headers", [rlp.encode(parent)]), block)


def spread(cases: Sequence[T]) -> list[T]:
    """The cases in an order whose every beginning is a fair sample; the same order every time."""
    shuffled = list(cases)
    random.Random(SEED).shuffle(shuffled)  # noqa: S311 - no secret
    return shuffled


def within(seconds: float, cases: Sequence[T]) -> Iterator[T]:
    """The cases from the first on, until the time is over; at least one."""
    started = time.monotonic()
    for index, case in enumerate(cases):
        if index and time.monotonic() - started > seconds:
            return
        yield case


def _chosen(subject: Subject, evidence: Evidence, numbers: tuple[int, ...]) -> list[BundledBlock]:
    chosen = subject.chosen(numbers)
    if not chosen:
        evidence.not_applicable(NO_BLOCKS)
    return chosen
