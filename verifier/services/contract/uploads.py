"""Checks of uploads: a file that was brought is executed as one that lies on the disk, and nothing else is held."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import grpc

from verifier.rpc.v1 import executor_pb2 as pb
from witness.file import encode_witness_file

from .answer import Answer
from .bundled_block import BundledBlock
from .deadlines import CANCEL_AFTER
from .evidence import Evidence
from .execution import NO_BLOCKS
from .requests import EXTRA_SECTION, LARGE_CONTENT, LARGE_TIMEOUT
from .subject import Subject, request_for, right
from .traces import alike
from .tracing import read_whole

PART = 1 << 20  # bytes; the most that one part may hold
SMALL_PART = 1000  # bytes; many parts for a small file
HELD = 4  # uploads that are held at least
HELD_SIZE = 15 << 20  # bytes of each of them: together less than the 64 MiB that are held at least
TOO_LARGE = 1 << 40  # bytes; more than anyone may take, as a witness file has 2^30 at most
REFUSAL_TIMEOUT = 10.0  # seconds to refuse what the first part of a stream shows
NO_UPLOADS = "Describe does not say that it takes uploads"


async def execute(subject: Subject, evidence: Evidence) -> None:
    """An uploaded file gets the same answer as by `path`, again and again, however it was cut into parts."""
    blocks = _blocks(subject, evidence)[-4:]
    for block, size in zip(blocks, (PART, SMALL_PART, PART, SMALL_PART), strict=False):
        content = block.path.read_bytes()
        uploaded = await subject.upload(parts(content, size))
        if not evidence.expect(uploaded.status is grpc.StatusCode.OK, f"block {block.number}: Upload {uploaded}"):
            continue
        by_path = await subject.ask(block)
        for _ in range(2):
            answer = await _execute(subject, block, digest(content))
            evidence.expect(alike(answer, by_path), f"block {block.number}: {answer} uploaded, {by_path} by path")
            evidence.expect(right(answer, block), f"block {block.number}: {answer}")
        if subject.description.traces:
            found = await read_whole(subject.trace(_request(block, digest(content))))
            evidence.expect(right(found.outcome, block), f"block {block.number}: Trace {found.outcome}")
    evidence.note(f"{len(blocks)} uploads, in parts of {PART} and {SMALL_PART} bytes")


async def unknown(subject: Subject, evidence: Evidence) -> None:
    """An upload that it does not hold is NOT_FOUND; a digest of another length is INVALID_ARGUMENT."""
    for block in _blocks(subject, evidence)[-1:]:
        answer = await _execute(subject, block, digest(b"never sent"))
        evidence.expect(answer.status is grpc.StatusCode.NOT_FOUND, f"never sent: {answer}")
        for name, named in (("31 bytes", bytes(31)), ("33 bytes", bytes(33)), ("no bytes", b"")):
            answer = await _execute(subject, block, named)
            evidence.expect(answer.status is grpc.StatusCode.INVALID_ARGUMENT, f"a digest of {name}: {answer}")
        if subject.description.traces:
            found = await read_whole(subject.trace(_request(block, digest(b"never sent"))))
            evidence.expect(found.outcome.status is grpc.StatusCode.NOT_FOUND, f"never sent, Trace: {found.outcome}")
    evidence.note("a digest never sent, and three that are none")


async def wrong_digest(subject: Subject, evidence: Evidence) -> None:
    """What has not the digest of the first part is INVALID_ARGUMENT, and is held under neither digest."""
    for block in _blocks(subject, evidence)[-1:]:
        content = _of_its_own(block, 1)
        other = digest(b"another file")
        await _refused(subject, evidence, "another digest", parts(content, digest_=other), block, content)
        answer = await _execute(subject, block, other)
        evidence.expect(answer.status is grpc.StatusCode.NOT_FOUND, f"by the digest that it has not: {answer}")
        for name, digest_ in (("no digest", b""), ("a digest of 31 bytes", digest(content)[1:])):
            await _refused(subject, evidence, name, parts(content, digest_=digest_), block, content)
        await _refused(subject, evidence, "no parts at all", iter(()), block, content)
    evidence.note("another digest, none, a short one, and no parts")


async def wrong_length(subject: Subject, evidence: Evidence) -> None:
    """What has not the length of the first part is INVALID_ARGUMENT, and is not held; too much is not taken in."""
    for block in _blocks(subject, evidence)[-1:]:
        content = _of_its_own(block, 2)
        for name, length in (("a byte less", len(content) - 1), ("a byte more", len(content) + 1), ("no bytes", 0)):
            await _refused(subject, evidence, f"a length of {name}", parts(content, length=length), block, content)
        # No end of the stream comes: that it is too much is known from what has arrived.
        over = asyncio.Event()
        pieces = list(parts(content + bytes(PART - len(content)), digest_=digest(content), length=len(content)))
        uploaded = await subject.upload(_stalled(pieces, over), REFUSAL_TIMEOUT)
        over.set()
        await _judge_refusal(subject, evidence, "far more than its length", uploaded, block, content)
    evidence.note("a byte less, a byte more, no length, and 1 MiB of a few bytes")


async def broken(subject: Subject, evidence: Evidence) -> None:
    """A stream that ends or breaks early leaves nothing behind, and the file can be sent again as a whole."""
    for block in _blocks(subject, evidence)[-1:]:
        content = _of_its_own(block, 3, size=2 * PART)
        pieces = list(parts(content))
        await _refused(subject, evidence, "without its last part", iter(pieces[:-1]), block, content)
        over = asyncio.Event()
        task = asyncio.create_task(subject.upload(_stalled(pieces[:-1], over)))
        await asyncio.sleep(CANCEL_AFTER)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        over.set()
        answer = await _execute(subject, block, digest(content))
        evidence.expect(answer.status is grpc.StatusCode.NOT_FOUND, f"after a stream that broke: {answer}")
        # Once more from the middle: what came before it is not there to be continued.
        await _refused(subject, evidence, "the last part alone", iter(pieces[-1:]), block, content)
        uploaded = await subject.upload(parts(content))
        evidence.expect(uploaded.status is grpc.StatusCode.OK, f"sent again as a whole: Upload {uploaded}")
        answer = await _execute(subject, block, digest(content))
        evidence.expect(right(answer, block), f"sent again as a whole: {answer}")
    evidence.note("ended early, cancelled, continued, and sent again")


async def held(subject: Subject, evidence: Evidence) -> None:
    """The last four uploads of 60 MiB together are held; the least recently used one is the first to go."""
    for block in _blocks(subject, evidence)[-1:]:
        contents = [_of_its_own(block, 10 + index, size=HELD_SIZE) for index in range(HELD + 1)]
        for content in contents[:HELD]:
            uploaded = await subject.upload(parts(content))
            evidence.expect(uploaded.status is grpc.StatusCode.OK, f"Upload {uploaded}")
        # The first one is used last, so that the second one is the least recently used.
        for index in (1, 2, 3, 0):
            answer = await _execute(subject, block, digest(contents[index]))
            evidence.expect(right(answer, block), f"upload {index} of {HELD}: {answer}")
        uploaded = await subject.upload(parts(contents[HELD]))
        evidence.expect(uploaded.status is grpc.StatusCode.OK, f"Upload {uploaded}")
        for index in (0, 2, 3, 4):
            answer = await _execute(subject, block, digest(contents[index]))
            evidence.expect(right(answer, block), f"after one more, upload {index}, used lately: {answer}")
        answer = await _execute(subject, block, digest(contents[1]))
        gone = answer.status is grpc.StatusCode.NOT_FOUND
        evidence.expect(gone or right(answer, block), f"the least recently used one: {answer}")
        evidence.note(f"{HELD} of {HELD_SIZE >> 20} MiB, and one more; the fifth last is {'gone' if gone else 'held'}")


async def large(subject: Subject, evidence: Evidence) -> None:
    """A file close to 256 MiB is taken and executed as any other."""
    for block in _blocks(subject, evidence)[-1:]:
        content = _of_its_own(block, 4, size=LARGE_CONTENT)
        uploaded = await subject.upload(parts(content), LARGE_TIMEOUT)
        evidence.expect(uploaded.status is grpc.StatusCode.OK, f"{LARGE_CONTENT >> 20} MiB: Upload {uploaded}")
        answer = await subject.execute(_request(block, digest(content)), LARGE_TIMEOUT)
        evidence.expect(right(answer, block), f"{LARGE_CONTENT >> 20} MiB: {answer}")
        evidence.note(f"{LARGE_CONTENT >> 20} MiB in {uploaded.elapsed:.1f} s, executed in {answer.elapsed:.1f} s")


async def too_large(subject: Subject, evidence: Evidence) -> None:
    """A file larger than it takes is RESOURCE_EXHAUSTED as soon as its length is known."""
    for block in _blocks(subject, evidence)[-1:]:
        first = pb.UploadPart(digest=digest(b"large"), length=TOO_LARGE, content=bytes(SMALL_PART))
        # No further part comes: that the file is too large is known from the first one.
        over = asyncio.Event()
        answer = await subject.upload(_stalled([first], over), REFUSAL_TIMEOUT)
        over.set()
        evidence.expect(answer.status is grpc.StatusCode.RESOURCE_EXHAUSTED, f"{TOO_LARGE} bytes: Upload {answer}")
        content = _of_its_own(block, 5)
        uploaded = await subject.upload(parts(content))
        evidence.expect(uploaded.status is grpc.StatusCode.OK, f"afterwards: Upload {uploaded}")
    evidence.note(f"a length of {TOO_LARGE} bytes")


def digest(content: bytes) -> bytes:
    """SHA-256: 32 bytes."""
    return hashlib.sha256(content).digest()


def parts(
    content: bytes, size: int = PART, *, digest_: bytes | None = None, length: int | None = None
) -> Iterator[pb.UploadPart]:
    """The parts of an upload, `size` bytes each. digest_, length: what the first one says, where it is not true."""
    first = pb.UploadPart(
        digest=digest(content) if digest_ is None else digest_, length=len(content) if length is None else length
    )
    for start in range(0, len(content), size):
        part = first if not start else pb.UploadPart()
        part.content = content[start : start + size]
        yield part


async def _stalled(pieces: list[pb.UploadPart], over: asyncio.Event) -> AsyncIterator[pb.UploadPart]:
    """These parts, and then nothing, without an end until it is over."""
    for piece in pieces:
        yield piece
    await over.wait()


async def _refused(
    subject: Subject,
    evidence: Evidence,
    name: str,
    pieces: Iterator[pb.UploadPart],
    block: BundledBlock,
    content: bytes,
) -> None:
    await _judge_refusal(subject, evidence, name, await subject.upload(pieces), block, content)


async def _judge_refusal(
    subject: Subject, evidence: Evidence, name: str, uploaded: Answer, block: BundledBlock, content: bytes
) -> None:
    """Judges the end of an upload that is wrong: INVALID_ARGUMENT, and the file is not held."""
    evidence.expect(uploaded.status is grpc.StatusCode.INVALID_ARGUMENT, f"{name}: Upload {uploaded}")
    answer = await _execute(subject, block, digest(content))
    evidence.expect(answer.status is grpc.StatusCode.NOT_FOUND, f"{name}, and then Execute: {answer}")


def _of_its_own(block: BundledBlock, number: int, size: int = 0) -> bytes:
    """A witness file of the block that no other check sends. size: bytes that are added to it."""
    extra = {**block.content.extra, EXTRA_SECTION: number.to_bytes(8, "big") + bytes(size)}
    return encode_witness_file(replace(block.content, extra=extra))


def _request(block: BundledBlock, uploaded: bytes) -> pb.ExecuteRequest:
    return request_for(block, block.path, uploaded=uploaded)


async def _execute(subject: Subject, block: BundledBlock, uploaded: bytes) -> Answer:
    return await subject.execute(_request(block, uploaded))


def _blocks(subject: Subject, evidence: Evidence) -> tuple[BundledBlock, ...]:
    if not subject.description.uploads:
        evidence.not_applicable(NO_UPLOADS)
        return ()
    if not subject.blocks:
        evidence.not_applicable(NO_BLOCKS)
    return subject.blocks
