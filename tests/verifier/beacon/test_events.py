import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.beacon.errors import BeaconNodeError
from verifier.beacon.events import MAX_EVENT, EventSplitter, HeadEvent, event_fields, gated_events
from verifier.beacon.gate import AttestationGate
from verifier.beacon.roots import Executed, FakeExecutionHashes
from verifier.domain.gate import GateMode
from verifier.services.chain_view import FakeChainView

from .messages import hexadecimal, root
from .reports import invalid, undecided, verified
from .waiting import until

LINE = st.sampled_from(
    [b"", b"event: block", b"data: {}", b": a comment", b"id:7", b"data", b"event:head_", b"retry: 1"]
)
END = st.sampled_from([b"\n", b"\r\n", b"\r"])


def head(number: int) -> bytes:
    return b"event: head\ndata: " + json.dumps({"slot": "1", "block": hexadecimal(root(number))}).encode() + b"\n\n"


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(bounds)]


@given(st.lists(st.tuples(LINE, END)), st.lists(st.integers(0, 10_000), max_size=12))
@settings(deadline=None)  # the machine may be busy
def test_the_pieces_are_the_stream_wherever_it_is_cut(lines: list[tuple[bytes, bytes]], places: list[int]) -> None:
    stream = b"".join(line + end for line, end in lines) + b"\n\n"
    splitter = EventSplitter()
    pieces = [piece for chunk in cut(stream, places) for piece in splitter.feed(chunk)]
    assert b"".join(pieces) == stream
    # Each piece is an event of its own: what is read in it is what is read in the whole stream, in order.
    whole = EventSplitter().feed(stream)
    assert [event_fields(piece) for piece in pieces if piece.strip(b"\r\n")] == [
        event_fields(piece) for piece in whole if piece.strip(b"\r\n")
    ]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_goes_on_as_soon_as_it_is_complete(end: bytes) -> None:
    event = b"event: block" + end + b"data: 1" + end + end
    splitter = EventSplitter()
    pieces = [piece for at in range(len(event)) for piece in splitter.feed(event[at : at + 1])]
    assert b"".join(pieces) == event


def test_fields_are_read_as_a_client_reads_them() -> None:
    assert event_fields(b"\xef\xbb\xbfevent:head\r\n:c\r\ndata: a\rdata:b\n\n") == (b"head", b"a\nb")
    assert event_fields(b"event: block\nevent: head\n\n") == (b"head", b"")


def test_an_event_without_an_end_ends_the_stream() -> None:
    splitter = EventSplitter()
    splitter.feed(b"x" * MAX_EVENT)
    with pytest.raises(BeaconNodeError, match="event of more than"):
        splitter.feed(b"x")


class Stream:
    """A gated stream, fed and read by hand."""

    def __init__(self, chain: FakeChainView, mode: GateMode = GateMode.EVERY_BLOCK, *, known: bool = True) -> None:
        execution = FakeExecutionHashes({root(n): Executed(root(100 + n)) for n in range(1, 9)})
        self.reports: list[HeadEvent] = []
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        gate = AttestationGate(mode, chain, execution if known else FakeExecutionHashes())
        self.events = gated_events(self._read(), gate, self.reports.append)

    async def _read(self) -> AsyncIterator[bytes]:
        while (chunk := await self._chunks.get()) is not None:
            yield chunk

    def feed(self, *chunks: bytes | None) -> None:
        for chunk in chunks:
            self._chunks.put_nowait(chunk)

    async def rest(self) -> bytes:
        self.feed(None)
        return b"".join([piece async for piece in self.events])


BLOCK = b"event: block\ndata: {}\n\n"


def run(scenario: Any) -> None:
    async def limited() -> None:
        async with asyncio.timeout(60):
            await scenario

    asyncio.run(limited())


def test_a_verified_head_passes_in_its_place() -> None:
    async def scenario() -> None:
        stream = Stream(FakeChainView({root(101): verified(root(101))}))
        stream.feed(BLOCK + head(1) + b": comment\n\n" + BLOCK)
        assert await stream.rest() == BLOCK + head(1) + b": comment\n\n" + BLOCK
        assert [report.answer for report in stream.reports] == ["passed"]

    run(scenario())


def test_an_undecided_head_waits_while_others_pass() -> None:
    async def scenario() -> None:
        chain = FakeChainView({root(101): undecided(root(101))})
        stream = Stream(chain)
        stream.feed(head(1), BLOCK)
        assert await anext(stream.events) == BLOCK
        chain.decide(root(101), verified(root(101)))
        assert await anext(stream.events) == head(1)
        assert await stream.rest() == b""
        assert [report.answer for report in stream.reports] == ["delayed"]

    run(scenario())


def test_an_overtaken_head_and_an_invalid_one_are_dropped() -> None:
    async def scenario() -> None:
        chain = FakeChainView({root(number): undecided(root(number)) for number in range(101, 104)})
        stream = Stream(chain)
        stream.feed(head(1), head(2), BLOCK)
        assert await anext(stream.events) == BLOCK
        chain.decide(root(101), verified(root(101)))
        chain.decide(root(102), invalid(root(102)))
        following = asyncio.ensure_future(anext(stream.events))
        await until(lambda: len(stream.reports) >= 2)
        assert not following.done()
        stream.feed(head(3))
        chain.decide(root(103), verified(root(103)))
        assert await following == head(3)
        answers = [(report.answer, report.reason) for report in stream.reports]
        assert answers[0] == ("dropped", "overtaken by a newer head")
        assert answers[1][0] == "dropped"
        assert await stream.rest() == b""

    run(scenario())


def test_what_is_held_when_the_stream_ends_never_goes_out() -> None:
    async def scenario() -> None:
        stream = Stream(FakeChainView({root(101): undecided(root(101))}))
        stream.feed(BLOCK, head(1))
        assert await stream.rest() == BLOCK

    run(scenario())


@pytest.mark.parametrize("data", [b"", b"data: {}\n", b"data: garbage\n", b'data: {"block": "0x1"}\n'])
def test_an_unreadable_head_is_dropped(data: bytes) -> None:
    async def scenario() -> None:
        stream = Stream(FakeChainView())
        stream.feed(b"event: head\n" + data + b"\n" + BLOCK)
        assert await stream.rest() == BLOCK
        assert [report.answer for report in stream.reports] == ["dropped"]

    run(scenario())


def test_a_head_that_the_beacon_node_does_not_know_is_dropped() -> None:
    async def scenario() -> None:
        stream = Stream(FakeChainView(), known=False)
        stream.feed(head(1))
        following = asyncio.ensure_future(anext(stream.events))
        await until(lambda: stream.reports)
        stream.feed(BLOCK)
        assert await following == BLOCK
        assert [report.answer for report in stream.reports] == ["dropped"]

    run(scenario())


@given(
    st.lists(st.sampled_from([BLOCK, b":\n\n", b"event: chain_reorg\r\ndata: {}\r\n\r\n", head(1), head(2)])),
    st.lists(st.integers(0, 10_000), max_size=8),
)
@settings(deadline=None)  # the machine may be busy
def test_all_but_undecided_heads_passes_byte_by_byte(events: list[bytes], places: list[int]) -> None:
    async def scenario() -> None:
        stream = Stream(FakeChainView({root(101): verified(root(101)), root(102): undecided(root(102))}))
        stream.feed(*cut(b"".join(events), places))
        assert await stream.rest() == b"".join(event for event in events if event != head(2))

    run(scenario())
