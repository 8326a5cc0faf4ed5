"""None"""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.verifier.beacon.votes import (
    DATA,
    POOL,
    chain,
    data_answer,
    node,
)
from verifier.domain.gate import GateMode

from .beacon_node import json_answer
from .gateway import gateway, run
from .messages import hexadecimal, root, single_json
from .reports import verified
from .waiting import until

PATH = st.text("abcXYZ09-._~%/:;=+,!", max_size=30).map(lambda text: "/" + text.replace("%", "%2F"))
QUERY = st.one_of(
    st.just(""), st.text("abc09=&%+/:,[]|{}", min_size=1, max_size=30).map(lambda text: "?" + text.replace("%", "%3D"))
)
TOKEN = st.text("abcdefghij", min_size=1, max_size=8).map(lambda name: "X-" + name)
VALUE = st.text("abc /;=,", max_size=20).map(str.strip)


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]),
    PATH,
    QUERY,
    st.dictionaries(TOKEN, VALUE, max_size=4),
    st.binary(max_size=3000),
    st.binary(max_size=3000),
    st.sampled_from([200, 201, 202, 400, 404, 500, 503]),
    st.sampled_from(["application/json", "application/octet-stream", "text/plain"]),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_carries_no_votes_arrives_as_it_was_sent(
    method: str, path: str, query: str, headers: dict[str, str], body: bytes, answer: bytes, status: int, media: str
) -> None:
    async def scenario() -> None:
        beacon = node()
        beacon.answers[path] = web.Response(
            status=status, body=answer, headers={**headers, "Content-Type": media}, reason="Whatever It Says"
        )
        async with gateway(beacon, chain()) as gate:
            sent = body if method in ("POST", "PUT", "PATCH") else None
            async with gate.asking(method, path + query, sent, {**headers, "Content-Type": media}) as got:
                assert (got.status, got.reason, await got.read()) == (status, "Whatever It Says", answer)
                assert got.headers["Content-Type"] == media
                assert {name: got.headers[name] for name in headers} == headers
            (asked,) = beacon.asked
            assert (asked.method, asked.target, asked.body) == (method, path + query, sent or b"")
            assert {name: asked.header(name) for name in headers} == {name: [headers[name]] for name in headers}
            assert asked.header("Content-Type") == [media]
            assert gate.events.seen == []

    run(scenario())


def test_compressed_bodies_pass_as_they_are() -> None:
    async def scenario() -> None:
        beacon, packed = node(), gzip.compress(b"x" * 1000)
        beacon.answers["/eth/v2/beacon/blocks/head"] = web.Response(body=packed, headers={"Content-Encoding": "gzip"})
        async with gateway(beacon, chain()) as gate:
            headers = {"Accept-Encoding": "gzip", "Content-Encoding": "gzip", "Content-Type": "application/json"}
            assert await gate.ask("GET", "/eth/v2/beacon/blocks/head", headers=headers) == (200, packed)
            await gate.ask("POST", "/eth/v2/beacon/blocks", packed, headers)
            assert beacon.asked[0].header("Accept-Encoding") == ["gzip"]
            assert beacon.bodies("/eth/v2/beacon/blocks") == [packed]

    run(scenario())


def test_bodies_stream_in_both_directions() -> None:
    async def scenario() -> None:
        first_arrived, answer_read = asyncio.Event(), asyncio.Event()

        async def stream(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"one")
            await answer_read.wait()
            await response.write(b"two")
            return response

        beacon = node()
        beacon.answers["/eth/v2/debug/beacon/states/head"] = stream
        async with gateway(beacon, chain()) as gate:
            async with gate.asking("GET", "/eth/v2/debug/beacon/states/head") as got:
                assert await got.content.readany() == b"one"
                answer_read.set()
                assert await got.content.read() == b"two"

            async def upload() -> AsyncIterator[bytes]:
                yield b"a" * 100_000
                first_arrived.set()
                yield b"b"

            await gate.ask("POST", "/eth/v2/beacon/blocks", upload())
            assert first_arrived.is_set()
            assert beacon.bodies("/eth/v2/beacon/blocks") == [b"a" * 100_000 + b"b"]

    run(scenario())


def test_connection_headers_do_not_pass() -> None:
    async def scenario() -> None:
        beacon = node()
        beacon.answers["/x"] = web.Response(headers={"Keep-Alive": "timeout=1", "X-Own": "1"}, body=b"")
        async with gateway(beacon, chain()) as gate:
            headers = {"Connection": "X-Private, keep-alive", "X-Private": "1", "TE": "trailers", "X-Own": "2"}
            async with gate.asking("GET", "/x", headers=headers) as got:
                assert "Keep-Alive" not in got.headers
                assert got.headers["X-Own"] == "1"
            asked = beacon.asked[0]
            assert not asked.header("X-Private") + asked.header("TE")
            assert asked.header("X-Own") == ["2"]
            assert asked.header("Host") == [beacon.url.removeprefix("http://")]

    run(scenario())


def test_heads_of_answers_without_bodies() -> None:
    async def scenario() -> None:
        beacon = node()
        beacon.answers["/size"] = web.Response(body=b"12345")
        beacon.answers["/nothing"] = web.Response(status=204)
        async with gateway(beacon, chain()) as gate:
            async with gate.asking("HEAD", "/size") as got:
                assert got.headers["Content-Length"] == "5"
            assert await gate.ask("GET", "/nothing") == (204, b"")
            assert await gate.ask("POST", "/size", b"") == (200, b"12345")

    run(scenario())


def head_event(number: int) -> bytes:
    return f'event: head\ndata: {{"slot":"1","block":"{hexadecimal(root(number))}"}}\n\n'.encode()


@pytest.mark.parametrize("mode", [GateMode.EVERY_BLOCK, GateMode.MONITOR])
def test_head_events_are_delayed_and_a_client_that_leaves_ends_the_stream(mode: GateMode) -> None:
    async def scenario() -> None:
        left = asyncio.Event()

        async def stream(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            await response.write(head_event(1) + head_event(2))
            await response.write(b"event: block\ndata: {}\n\n")
            try:
                await asyncio.Event().wait()
            finally:
                left.set()
            return response

        beacon, view = node(), chain()
        beacon.answers["/eth/v1/events"] = stream
        async with gateway(beacon, view, mode) as gate:
            async with gate.asking("GET", "/eth/v1/events?topics=head,block") as got:
                seen = b""
                while b"event: block" not in seen:
                    seen += await got.content.readany()
                assert (head_event(2) in seen) is (mode is GateMode.MONITOR)
                view.decide(root(102), verified(root(102)))
                while head_event(2) not in seen:
                    seen += await got.content.readany()
                got.close()
            await left.wait()

    run(scenario())


def test_a_stream_that_cannot_be_read_is_refused() -> None:
    async def scenario() -> None:
        beacon = node()
        beacon.answers["/eth/v1/events"] = web.Response(body=head_event(2), content_type="text/plain")
        async with gateway(beacon, chain()) as gate:
            assert (await gate.ask("GET", "/eth/v1/events?topics=head"))[0] == 503
            beacon.answers["/eth/v1/events"] = json_answer({"code": 400, "message": "topics"}, 400)
            assert (await gate.ask("GET", "/eth/v1/events"))[0] == 400

    run(scenario())


def test_a_stream_opens_before_its_first_event() -> None:
    async def scenario() -> None:
        async def stream(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await response.prepare(request)
            await asyncio.Event().wait()
            return response

        beacon = node()
        beacon.answers["/eth/v1/events"] = stream
        async with gateway(beacon, chain()) as gate, gate.asking("GET", "/eth/v1/events?topics=head") as got:
            assert got.status == 200

    run(scenario())


def test_beyond_what_may_be_held_requests_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verifier.beacon.proxy.MAX_HELD", 2)

    async def scenario() -> None:
        beacon, view = node(), chain()
        beacon.answers[DATA] = data_answer(2)
        async with gateway(beacon, view) as gate:
            held = [asyncio.create_task(gate.ask("GET", DATA)) for _ in range(2)]
            await until(lambda: len([each for each in beacon.asked if each.target == DATA]) == 2)
            status, body = await gate.ask("GET", DATA)
            assert status == 503
            assert "too many" in json.loads(body)["message"]
            assert (await gate.ask("GET", "/eth/v1/node/version"))[0] == 404  # what carries no votes passes
            view.decide(root(102), verified(root(102)))
            assert [status for status, _ in await asyncio.gather(*held)] == [200, 200]
            assert (await gate.ask("GET", DATA))[0] == 200

    run(scenario())


def test_bodies_count_as_held_while_they_come_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verifier.beacon.proxy.MAX_HELD_BYTES", 1000)

    async def scenario() -> None:
        beacon, never = node(), asyncio.Event()
        beacon.answers[POOL] = web.Response()
        body = json.dumps([single_json(root(1), root(1))]).encode()

        async def endless() -> AsyncIterator[bytes]:
            yield body.ljust(1001)
            await never.wait()

        async with gateway(beacon, chain()) as gate:
            status, answer = await gate.post_json(POOL, endless())
            assert (status, "too many" in json.loads(answer)["message"]) == (503, True)
            for _ in range(2):  # what was counted is given back
                assert await gate.post_json(POOL, body.ljust(900)) == (200, b"")

    run(scenario())


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verifier.beacon.proxy.BODY_SECONDS", 0.01)

    async def scenario() -> None:
        beacon, never = node(), asyncio.Event()

        async def stuck() -> AsyncIterator[bytes]:
            yield b"["
            await never.wait()

        async with gateway(beacon, chain()) as gate:
            status, body = await gate.post_json(POOL, stuck())
            assert (status, json.loads(body)["code"]) == (408, 408)
            assert beacon.asked == []

    run(scenario())


def test_more_different_votes_than_a_slot_has_are_refused() -> None:
    async def scenario() -> None:
        beacon = node()
        body = json.dumps([single_json(root(1), root(1), index=number) for number in range(300)]).encode()
        async with gateway(beacon, chain()) as gate:
            assert (await gate.post_json(POOL, body))[0] == 400
            assert beacon.asked == []

    run(scenario())
