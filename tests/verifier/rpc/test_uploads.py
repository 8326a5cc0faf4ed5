"""Uploads: what is taken, what is held and for how long, and requests that name one."""

import hashlib
from collections.abc import Iterator

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.rpc.block_example import example, request
from tests.verifier.rpc.conftest import PATIENCE, FakeAdapter
from verifier.rpc.host import uploads as module
from verifier.rpc.host.uploads import MAX_LENGTH, MAX_PART, UploadError, Uploads, UploadTooLargeError
from verifier.rpc.v1 import executor_pb2 as pb
from witness.file import encode_witness_file


def digest_of(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def parts(content: bytes, size: int = MAX_PART) -> list[pb.UploadPart]:
    pieces = [content[at : at + size] for at in range(0, max(1, len(content)), size)]
    first, *rest = [pb.UploadPart(content=piece) for piece in pieces]
    first.digest, first.length = digest_of(content), len(content)
    return [first, *rest]


@given(content=st.binary(max_size=200), size=st.integers(1, 60))
def test_content_is_assembled(content: bytes, size: int) -> None:
    uploads = Uploads()
    uploads.receive(parts(content, size))
    assert uploads.get(digest_of(content)) == content


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        [pb.UploadPart(content=b"x", length=1)],
        [pb.UploadPart(content=b"x", length=1, digest=b"short")],
        [pb.UploadPart(content=b"x", length=1, digest=digest_of(b"y"))],
        [pb.UploadPart(content=b"x", length=2, digest=digest_of(b"x"))],
        [pb.UploadPart(content=b"xy", length=1, digest=digest_of(b"xy"))],
        [pb.UploadPart(content=b"x", length=1, digest=digest_of(b"x")), pb.UploadPart(content=b"y")],
        [pb.UploadPart(content=bytes(MAX_PART + 1), length=MAX_PART + 1, digest=digest_of(bytes(MAX_PART + 1)))],
    ],
)
def test_what_is_not_as_announced(wrong: list[pb.UploadPart]) -> None:
    uploads = Uploads()
    with pytest.raises(UploadError):
        uploads.receive(wrong)
    for part in wrong:
        assert uploads.get(part.digest) is None


def test_too_large_is_refused_before_it_arrives() -> None:
    first = pb.UploadPart(digest=bytes(32), length=MAX_LENGTH + 1)

    def sent() -> Iterator[pb.UploadPart]:
        yield first
        raise AssertionError("more is asked for")

    with pytest.raises(UploadTooLargeError):
        Uploads().receive(sent())


def test_broken_stream_leaves_nothing_and_frees_its_place() -> None:
    uploads = Uploads()

    def broken() -> Iterator[pb.UploadPart]:
        yield parts(b"content", 3)[0]
        raise ConnectionError("gone")

    for _ in range(2 * module.AT_ONCE):
        with pytest.raises(ConnectionError):
            uploads.receive(broken())
    assert uploads.get(digest_of(b"content")) is None


def test_no_more_at_once_than_there_are_places() -> None:
    uploads = Uploads()

    def nested(depth: int) -> Iterator[pb.UploadPart]:
        if depth < module.AT_ONCE:
            uploads.receive(nested(depth + 1))
        yield from parts(bytes([depth]))

    with pytest.raises(UploadTooLargeError):
        uploads.receive(nested(0))
    uploads.receive(parts(b"fine again"))
    assert uploads.get(digest_of(b"fine again"))


def test_least_recently_used_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_BYTES", 60)
    uploads = Uploads()
    files = [bytes([number]) * 20 for number in range(6)]
    for content in files[:4]:
        uploads.receive(parts(content))  # 80 bytes, but four are always held
    assert all(uploads.get(digest_of(content)) for content in files[:4])
    assert uploads.get(digest_of(files[0]))
    uploads.receive(parts(files[4]))
    assert [uploads.get(digest_of(content)) is not None for content in files[:5]] == [True, False, True, True, True]
    small = [bytes([number]) for number in range(100, 110)]
    for content in small:
        uploads.receive(parts(content))
    held = sum(len(uploads.get(digest_of(content)) or b"") for content in (*files, *small))
    assert held <= 60
    assert all(uploads.get(digest_of(content)) for content in small)


def test_the_same_twice_is_held_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_BYTES", 10)
    monkeypatch.setattr(module, "HELD_FILES", 1)
    uploads = Uploads()
    for _ in range(3):
        uploads.receive(parts(b"x" * 9))
    uploads.receive(parts(b"y"))
    assert uploads.get(digest_of(b"x" * 9)) is not None


def test_number_of_files_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FILES", 10)
    uploads = Uploads()
    for number in range(30):
        uploads.receive(parts(bytes([number])))
    assert [number for number in range(30) if uploads.get(digest_of(bytes([number])))] == list(range(20, 30))


def test_uploaded_file_is_executed_and_traced(fake_adapter: FakeAdapter) -> None:
    assert fake_adapter.stub.Describe(pb.DescribeRequest()).uploads
    content = example()
    encoded = encode_witness_file(content)
    asked = request(content)
    asked.uploaded = digest_of(encoded)
    with pytest.raises(grpc.RpcError) as caught:
        fake_adapter.execute(asked)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    fake_adapter.stub.Upload(iter(parts(encoded, 100)), timeout=PATIENCE)
    for _ in range(2):
        assert fake_adapter.execute(asked).computed.state_root == b"\x11" * 32
    *_, last = fake_adapter.stub.Trace(pb.TraceRequest(execution=asked), timeout=PATIENCE)
    assert last.outcome.computed.state_root == b"\x11" * 32
    asked.uploaded = b"short"
    with pytest.raises(grpc.RpcError) as caught:
        fake_adapter.execute(asked)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("part", "code"),
    [
        (pb.UploadPart(digest=bytes(32), length=1, content=b"x"), grpc.StatusCode.INVALID_ARGUMENT),
        (pb.UploadPart(digest=bytes(32), length=1 << 40), grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
)
def test_upload_that_is_not_taken(fake_adapter: FakeAdapter, part: pb.UploadPart, code: grpc.StatusCode) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        fake_adapter.stub.Upload(iter([part]), timeout=PATIENCE)
    assert caught.value.code() == code


def test_large_upload(fake_adapter: FakeAdapter) -> None:
    content = bytes(40 << 20)
    fake_adapter.stub.Upload(iter(parts(content)), timeout=PATIENCE)
    asked = request(example())
    asked.uploaded = digest_of(content)
    assert fake_adapter.execute(asked).abstention.reason == pb.ABSTENTION_REASON_REFUSED
