"""Checks of requests that are not well formed, and of what is no request at all."""

import asyncio
import contextlib
import random
from dataclasses import replace
from typing import Any

import grpc
import rlp

from verifier.rpc.v1 import executor_pb2 as pb
from witness.file import encode_witness_file
from witness.rlp_encoding import encode_list

from .bundle import TAMPERED
from .connection import GrpcConnection
from .evidence import Evidence
from .missing import SEED
from .subject import ANSWER_TIMEOUT, Subject, request_for, right, with_part
from .tampering import decoded

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # RFC 9113, section 3.4
SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"  # an empty SETTINGS frame, section 6.5
LARGEST_FRAME = b"\xff\xff\xff\x00\x00\x00\x00\x00\x01"  # a DATA frame of 16 MiB, far above what any server allows
ENDLESS_BYTES = 8 << 20  # bytes sent without an end of frame
HALF_OPEN = 32  # connections on which nothing more is said
SEND_TIMEOUT = 5.0  # seconds to get rid of garbage; an adapter may read it as slowly as it likes
LARGE_CONTENT = 250 << 20  # bytes; with the other fields below the 256 MiB that have to be accepted
LARGE_TIMEOUT = 180.0  # seconds; it is copied several times, and its checksum computed
EXTRA_SECTION = 0x6B6974  # a kind that no reader knows, and skips (docs/witness-format.md)
DEPTH = 20_000  # nested RLP lists
MESSAGES = 12  # random ones


async def malformed(subject: Subject, evidence: Evidence) -> None:
    """A request that is not well formed is the gRPC error INVALID_ARGUMENT."""
    block = (subject.blocks or subject.bundle.blocks)[-1]
    cases: dict[str, dict[str, Any]] = {
        "block_hash of 31 bytes": {"block_hash": block.header.hash[1:]},
        "block_hash of 33 bytes": {"block_hash": block.header.hash + b"\0"},
        "no block_hash": {"block_hash": b""},
        "pre_state_root of 31 bytes": {"pre_state_root": block.root[1:]},
        "no pre_state_root": {"pre_state_root": b""},
        "ancestor hash of 31 bytes": {"ancestor_hashes": [{"number": 1, "hash": bytes(31)}]},
        "relative path": {"path": "blocks/1.witness"},
        "empty path": {"path": ""},
        "unknown mode": {"mode": 99},
    }
    for name, fields in cases.items():
        answer = await subject.execute(request_for(block, block.path, **fields))
        evidence.expect(answer.status is grpc.StatusCode.INVALID_ARGUMENT, f"{name}: {answer}")
    bare = pb.ExecuteRequest(block_hash=block.header.hash, pre_state_root=block.root, mode=pb.MODE_PROOF)
    for name, request in (("no witness", bare), ("nothing at all", pb.ExecuteRequest())):
        answer = await subject.execute(request)
        evidence.expect(answer.status is grpc.StatusCode.INVALID_ARGUMENT, f"{name}: {answer}")
    evidence.note(f"{len(cases) + 2} requests")


async def garbage_messages(subject: Subject, evidence: Evidence) -> None:
    """Bytes that are no message get an error, and the next request its answer."""
    chance = random.Random(SEED)  # noqa: S311 - no secret
    messages = [chance.randbytes(chance.randrange(1, 4000)) for _ in range(MESSAGES)]
    for message in messages:
        answer = await subject.execute(b"\xff" + message)
        alive = answer.status not in (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE)
        evidence.expect(alive, f"{len(message)} random bytes: {answer}")
    await _still_answers(subject, evidence)
    evidence.note(f"{len(messages)} messages that are none")


async def garbage_bytes(subject: Subject, evidence: Evidence) -> None:
    """Random bytes, half-open connections and frames without an end do not keep it from answering."""
    chance = random.Random(SEED)  # noqa: S311 - no secret
    garbage = {
        "random bytes": chance.randbytes(64 << 10),
        "another protocol": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "a TLS greeting": bytes.fromhex("16030100c8010000c40303") + chance.randbytes(190),
        "half a preface": PREFACE[:11],
        "an oversized frame": PREFACE + SETTINGS + LARGEST_FRAME + bytes(64 << 10),
        "random frames": PREFACE + SETTINGS + chance.randbytes(64 << 10),
        "an endless frame": PREFACE + SETTINGS + LARGEST_FRAME + bytes(ENDLESS_BYTES),
    }
    for name, octets in garbage.items():
        await _send(subject, octets)
        await _still_answers(subject, evidence, f"after {name}: ")
    writers = []
    try:
        for index in range(HALF_OPEN):
            with contextlib.suppress(OSError):
                _, writer = await subject.address.open()
                writers.append(writer)
                writer.write((PREFACE + SETTINGS)[: index * 2])
        await _still_answers(subject, evidence, f"beside {len(writers)} half-open connections: ")
    finally:
        for writer in writers:
            writer.close()
    await _still_answers(subject, evidence, "after half-open connections: ")
    evidence.note(f"{len(garbage)} kinds of garbage, {HALF_OPEN} half-open connections")


async def large_content(subject: Subject, evidence: Evidence) -> None:
    """A witness in `content` close to 256 MiB is executed as any other."""
    if not subject.blocks:
        evidence.not_applicable("no bundled block is of a fork that it lists")
        return
    block = subject.blocks[-1]
    large = replace(block.content, extra={**block.content.extra, EXTRA_SECTION: bytes(LARGE_CONTENT)})
    answer = await subject.execute(request_for(block, block.path, content=encode_witness_file(large)), LARGE_TIMEOUT)
    evidence.expect(right(answer, block), f"{LARGE_CONTENT >> 20} MiB: {answer}")
    evidence.note(f"{LARGE_CONTENT >> 20} MiB in {answer.elapsed:.1f} s")


async def hostile_blocks(subject: Subject, evidence: Evidence) -> None:
    """Deep nesting, huge and empty elements become an answer; the process stays up."""
    blocks = subject.chosen(TAMPERED)[:1]
    if not blocks:
        evidence.not_applicable("no bundled block is of a fork that it lists")
        return
    (block,) = blocks
    nested = b""
    for _ in range(DEPTH):
        nested = encode_list(nested)
    own = rlp.encode(decoded(block.content)[0])
    cases = {
        "a body nested deeply": replace(block.content, block=encode_list(own + nested)),
        "a node nested deeply": with_part(block.content, "state", [*block.content.witness.state, nested]),
        "a code of 4 MiB": with_part(block.content, "codes", [*block.content.witness.codes, b"\x5b" * (4 << 20)]),
        "empty elements": with_part(
            with_part(block.content, "state", [b"", *block.content.witness.state]),
            "codes",
            [b"", *block.content.witness.codes],
        ),
        "100,000 small nodes": with_part(
            block.content, "state", [*block.content.witness.state, *(i.to_bytes(4, "big") for i in range(100_000))]
        ),
    }
    for name, content in cases.items():
        answer = await subject.ask(block, content)
        evidence.expect(answer.kind != "", f"{name}: {answer}")
        unharmed = "body" in name or right(answer, block)
        evidence.expect(unharmed, f"{name}, which nothing refers to: {answer}")
    await _still_answers(subject, evidence)
    evidence.note(f"{len(cases)} blocks")


async def _send(subject: Subject, octets: bytes) -> None:
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(SEND_TIMEOUT):
            _, writer = await subject.address.open()
            try:
                writer.write(octets)
                await writer.drain()
                writer.close()
                await writer.wait_closed()
            finally:
                writer.transport.abort()  # an adapter that reads no more would let a closing connection wait for ever


async def _still_answers(subject: Subject, evidence: Evidence, what: str = "") -> None:
    """On the connection that there is, and on a new one."""
    block = subject.blocks[-1] if subject.blocks else None
    fresh = GrpcConnection(subject.address)
    try:
        for connection, name in ((subject.connection, "the same"), (fresh, "a new")):
            if block is None:
                evidence.expect(await connection.describe() is not None, f"{what}no answer on {name} connection")
                continue
            answer = await connection.execute(request_for(block, block.path), ANSWER_TIMEOUT)
            evidence.expect(right(answer, block), f"{what}{name} connection: {answer}")
    finally:
        await fresh.close()
