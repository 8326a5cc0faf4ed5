"""The proxy: what is not judged goes through byte for byte, both ways, and no failure behind it comes out as more."""

import asyncio
import gzip
import json
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import ClientSession, web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.verifier.engine.fake_execution import NOW
from tests.verifier.engine.gate_harness import CALLER_SECRET, HEADER, Harness, call, forkchoice, harness, new_payload
from verifier.domain.event import Alarm, GateAnswered
from verifier.engine.errors import EngineListenError
from verifier.engine.messages import MalformedRequestError, parse_request
from verifier.engine.proxy import EngineProxy
from verifier.executors.jwt import encode_token

# A loaded machine must not fail a test that is about values.
FUZZ = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
ODD = b'{"result" :  1e400,"id":1.50, "x":"\\u0041"}'  # JSON that no parser would write so


async def odd(_: web.Request, body: bytes) -> web.StreamResponse:
    return web.Response(body=ODD, status=299, reason="Odd", headers={"X-Odd": "1", "Content-Type": "odd/odd"})


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[asyncio.Runner, Harness]]:
    """One gate for all the examples of a property."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        built = runner.run(stack.enter_async_context(harness()))
        built.execution.reply = odd
        yield runner, built
        runner.run(stack.aclose())


json_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=8) | st.sampled_from(["eth_call", "engine_getPayloadV5", "method"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "method", "params"]), inner),
    max_leaves=6,
)


@FUZZ
@given(
    body=st.binary(max_size=100) | json_values.map(lambda value: json.dumps(value).encode()),
    path=st.sampled_from(["/", "/a/b%2Fc?d=%20e&f", "//x"]),
)
def test_what_arrives_behind_is_what_came(served: tuple[asyncio.Runner, Harness], body: bytes, path: str) -> None:
    runner, built = served
    built.execution.requests.clear()

    async def scenario() -> None:
        response, answer = await built.post(body, path)
        try:
            gated = parse_request(body).gated
        except MalformedRequestError:
            assert json.loads(answer)["error"]["code"] == -32700
            assert built.execution.requests == []
            return
        assert not gated
        assert (response.status, response.reason, answer) == (299, "Odd", ODD)
        assert (response.headers["X-Odd"], response.headers["Content-Type"]) == ("1", "odd/odd")
        (received,) = built.execution.requests
        assert (received.method, received.body) == ("POST", body)
        assert received.path == path

    runner.run(scenario())


def test_headers_are_kept_but_for_those_of_a_connection() -> None:
    async def scenario() -> None:
        async with harness() as built:
            built.execution.reply = odd
            sent = {
                "X-One": "1",
                "X-Secret": "s",
                "Connection": "keep-alive, X-Secret",
                "TE": "trailers",
                "Accept": "a/b",
            }
            await built.post(b"{}", **sent)
            headers = built.execution.requests[-1].headers
            assert (headers["X-One"], headers["Accept"], headers["Content-Length"]) == ("1", "a/b", "2")
            assert headers["Content-Type"] == "application/json"
            assert not {"X-Secret", "TE", "User-Agent-Of-Ours"} & set(headers)
            ours = built.token()["Authorization"]
            assert headers.getall("Authorization") != [ours]  # the other secret's, which the fake has checked
            assert headers.getall("Host") == [built.execution.url.split("/")[2]]

    asyncio.run(scenario())


def test_requests_without_the_right_token_reach_nobody() -> None:
    async def scenario() -> None:
        async with harness() as built:
            before = len(built.execution.requests)
            tokens = [
                {},
                {"Authorization": "Bearer x.y.z"},
                {"Authorization": f"Bearer {encode_token(built.execution.secret, NOW)}"},
                {"Authorization": f"Bearer {encode_token(CALLER_SECRET, NOW - 61)}"},
            ]
            for token in tokens:
                body = json.dumps(call("eth_chainId", [])).encode()
                async with built.session.post(built.proxy.url, data=body, headers=token) as response:
                    text = await response.text()
                    assert response.status == 401
                    assert CALLER_SECRET.hex() not in text
            assert len(built.execution.requests) == before

    asyncio.run(scenario())


def test_websockets_are_refused() -> None:
    """Nothing in them would be judged."""

    async def scenario() -> None:
        async with harness() as built:
            upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "a" * 22 + "=="}
            async with built.session.get(built.proxy.url, headers=built.token() | upgrade) as response:
                assert response.status == 501

    asyncio.run(scenario())


def test_bodies_chunked_and_compressed() -> None:
    async def scenario() -> None:
        async with harness(results={"eth_chainId": "0x1"}) as built:
            body = json.dumps(call("eth_chainId", [])).encode()

            async def pieces() -> Any:
                yield body[:5]
                yield body[5:]

            async with built.session.post(built.proxy.url, data=pieces(), headers=built.token()) as response:
                assert (await response.json())["result"] == "0x1"
            assert built.execution.bodies[-1] == body
            _, answer = await built.post(gzip.compress(body), **{"Content-Encoding": "gzip"})
            assert json.loads(answer)["result"] == "0x1"
            assert built.execution.bodies[-1] == body
            response, _ = await built.post(b"no gzip", **{"Content-Encoding": "gzip"})
            assert response.status == 400
            assert built.heard.of(Alarm) == []

    asyncio.run(scenario())


def test_answers_compressed_and_chunked_stay_so() -> None:
    async def scenario() -> None:
        compressed = gzip.compress(b'{"jsonrpc":"2.0","id":1,"result":"0x1"}')

        async def reply(request: web.Request, _: bytes) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Encoding": "gzip"})
            response.enable_chunked_encoding()
            await response.prepare(request)
            await response.write(compressed[:10])
            await response.write(compressed[10:])
            await response.write_eof()
            return response

        async with harness() as built:
            built.execution.reply = reply
            response, answer = await built.post(json.dumps(call("eth_chainId", [])).encode())
            assert answer == compressed
            assert response.headers["Content-Encoding"] == "gzip"

    asyncio.run(scenario())


def test_a_compressed_answer_to_a_judged_call_is_read() -> None:
    async def reply(_: web.Request, body: bytes) -> web.StreamResponse:
        answer = {"jsonrpc": "2.0", "id": 1, "result": {"status": "SYNCING", "latestValidHash": None}}
        return web.Response(body=gzip.compress(json.dumps(answer).encode()), headers={"Content-Encoding": "gzip"})

    async def scenario() -> None:
        async with harness() as built:
            built.execution.reply = reply
            assert (await built.ask(new_payload()))["result"]["status"] == "SYNCING"

    asyncio.run(scenario())


def test_large_bodies_both_ways() -> None:
    async def scenario() -> None:
        large = "0x" + "ab" * (12 << 20)
        async with harness(results={"engine_getPayloadV5": large}) as built:
            answer = await built.ask(call("engine_getPayloadV5", [large]))
            assert answer["result"] == large
            assert json.loads(built.execution.bodies[-1])["params"] == [large]

    asyncio.run(scenario())


def test_too_large_a_body_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verifier.engine.proxy.MAX_BODY", 1000)

    async def scenario() -> None:
        async with harness() as built:
            before = len(built.execution.requests)
            response, _ = await built.post(b" " * 1001)
            assert response.status == 413
            assert len(built.execution.requests) == before

    asyncio.run(scenario())


async def cut_off(request: web.Request, body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"result":')
    assert request.transport is not None
    request.transport.abort()
    return response


async def garbage(_: web.Request, body: bytes) -> web.StreamResponse:
    return web.Response(body=b"\xff\x00 no JSON", content_type="application/json")


async def unavailable(_: web.Request, body: bytes) -> web.StreamResponse:
    return web.Response(status=503, text="starting")


async def wrong_shape(_: web.Request, body: bytes) -> web.StreamResponse:
    return web.json_response({"jsonrpc": "2.0", "id": 1, "result": {"status": ["VALID"], "payloadStatus": "VALID"}})


async def refused(_: web.Request, body: bytes) -> web.StreamResponse:
    return web.Response(status=401, text="stale token")


@pytest.mark.parametrize("reply", [cut_off, garbage, unavailable, wrong_shape, refused])
@pytest.mark.parametrize("asked", [new_payload(7), forkchoice(HEADER.hash, id_=7)])
def test_a_failure_behind_a_judged_call_is_an_error(reply: Any, asked: Any) -> None:
    async def scenario() -> None:
        async with harness() as built:
            built.execution.reply = reply
            answer = await built.ask(asked)
            assert answer["id"] == 7
            assert answer["error"]["code"] == -32000
            assert "result" not in answer
            assert built.judge.executions == []
            assert built.heard.of(Alarm)
            (answered,) = built.heard.of(GateAnswered)
            assert (answered.answer, answered.gated) == ("error", False)
            assert answered.reason

    asyncio.run(scenario())


def test_a_failure_behind_anything_else() -> None:
    async def scenario() -> None:
        async with harness() as built:
            body = json.dumps(call("eth_chainId", [])).encode()
            built.execution.reply = refused
            response, answer = await built.post(body)
            assert response.status == 502  # a 401 would say that the consensus client's token is wrong
            assert "refuses this verifier's token" in json.loads(answer)["error"]["message"]
            built.execution.reply = unavailable
            response, answer = await built.post(body)
            assert (response.status, answer) == (503, b"starting")
            built.execution.reply = cut_off
            with pytest.raises(Exception, match=r"not completed|payload|disconnected"):
                await built.post(body)

    asyncio.run(scenario())


def test_an_execution_client_that_is_not_there() -> None:
    async def scenario() -> None:
        async with harness() as built:
            await built.gate.client.close()
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            built.gate.client.url = built.gate.client.url.with_port(port)
            built.gate.client._session = None
            response, answer = await built.post(json.dumps(call("eth_chainId", [])).encode())
            assert response.status == 502
            assert json.loads(answer)["error"]["code"] == -32000
            assert (await built.ask(new_payload()))["error"]["code"] == -32000
            batch = await built.ask([call("eth_chainId", [], 1), new_payload(2), call("eth_call", [], 3)])
            assert [(each["id"], each["error"]["code"]) for each in batch] == [(n, -32000) for n in (1, 2, 3)]
            assert len([each for each in built.heard.of(Alarm) if each.name == "execution_client_unreachable"]) == 1

    asyncio.run(scenario())


def test_a_consensus_client_that_leaves_does_no_harm() -> None:
    async def scenario() -> None:
        async with harness(results={"eth_chainId": "0x1"}) as built:
            entered, leave = asyncio.Event(), asyncio.Event()

            async def slow(request: web.Request, _: bytes) -> web.StreamResponse:
                entered.set()
                await leave.wait()
                return web.Response(body=b"1" * (1 << 22))

            built.execution.reply = slow
            asking = asyncio.create_task(built.post(json.dumps(call("debug_traceBlock", [])).encode()))
            await entered.wait()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            leave.set()
            built.execution.reply = None
            assert (await built.ask(call("eth_chainId", [])))["result"] == "0x1"
            assert [each for each in built.heard.of(Alarm) if each.name == "gate_failed"] == []

    asyncio.run(scenario())


def test_a_connection_that_was_closed_meanwhile_is_opened_again() -> None:
    """Between two payloads the execution client may have closed what was kept open."""

    async def scenario() -> None:
        async with harness() as built:
            attempts = 0

            async def reply(request: web.Request, _: bytes) -> web.StreamResponse | None:
                nonlocal attempts
                attempts += 1
                if attempts == 1:
                    assert request.transport is not None
                    request.transport.abort()
                return web.json_response({"id": 1, "result": {"status": "SYNCING"}})

            built.execution.reply = reply
            assert (await built.ask(new_payload()))["result"]["status"] == "SYNCING"
            assert attempts == 2
            attempts = 0
            assert (await built.ask(call("engine_getPayloadV2", ["0x1"])))["id"] == 1
            assert attempts == 2

    asyncio.run(scenario())


def test_a_port_that_is_taken() -> None:
    async def scenario() -> None:
        async with harness() as built:
            port = int(built.proxy.url.rpartition(":")[2])
            with pytest.raises(EngineListenError, match=f"127.0.0.1:{port}"):
                await EngineProxy(built.gate, CALLER_SECRET, port=port).start()

    asyncio.run(scenario())


def test_other_methods_than_post() -> None:
    async def scenario() -> None:
        async with harness() as built:
            built.execution.reply = odd
            async with built.session.get(f"{built.proxy.url}/health", headers=built.token()) as response:
                assert await response.read() == ODD
            received = built.execution.requests[-1]
            assert (received.method, received.path, received.body) == ("GET", "/health", b"")
            async with ClientSession() as session, session.head(built.proxy.url, headers=built.token()) as response:
                assert response.status == 299

    asyncio.run(scenario())
