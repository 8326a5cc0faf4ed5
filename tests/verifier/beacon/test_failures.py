"""What comes out where the beacon node is away, slow, or answers garbage: an error, and never a vote."""

import asyncio
import json

import pytest

from verifier.beacon.errors import ServingError
from verifier.beacon.server import serve_beacon_gate
from verifier.beacon.upstream import BeaconNode
from verifier.domain.event import GateAnswered
from verifier.domain.gate import GateMode
from verifier.errors import UsageError
from verifier.services.chain_view import FakeChainView

from .beacon_node import FakeBeaconNode, hang_up, json_answer, listening, saying
from .gateway import SHORT, Events, gateway, run
from .messages import data_json, root, single_json
from .reports import verified

DATA, POOL, NODE = "/eth/v1/validator/attestation_data", "/eth/v2/beacon/pool/attestations", "/eth/v1/node/version"
VOTE = json.dumps([single_json(root(1), root(1))]).encode()


def chain() -> FakeChainView:
    return FakeChainView({root(101): verified(root(101))})


def away(url: str) -> FakeBeaconNode:
    """A beacon node that the gate looks for elsewhere."""
    return FakeBeaconNode(url=url)


def unavailable(answer: tuple[int, bytes]) -> str:
    status, body = answer
    error = json.loads(body)
    assert status == error["code"] == 503
    return str(error["message"])


@pytest.mark.parametrize("mode", [GateMode.EVERY_BLOCK, GateMode.MONITOR])
def test_a_node_that_is_away(mode: GateMode) -> None:
    async def scenario() -> None:
        async with listening(saying(b"")) as url:
            pass  # nobody listens there any more
        async with gateway(away(url), chain(), mode) as gate:
            for answer in (await gate.ask("GET", NODE), await gate.ask("GET", DATA)):
                assert "does not answer" in unavailable(answer)
            status, body = await gate.post_json(POOL, VOTE)
            assert status == json.loads(body)["code"] == 503
            answered = [event.answer for event in gate.events.seen if isinstance(event, GateAnswered)]
            assert answered == ["unavailable", "refused" if mode is GateMode.EVERY_BLOCK else "unavailable"]

    run(scenario())


@pytest.mark.parametrize(
    "said",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"",
    ],
)
def test_a_node_that_does_not_speak_http(said: bytes) -> None:
    async def scenario() -> None:
        async with listening(saying(said)) as url, gateway(away(url), chain()) as gate:
            for target in (NODE, DATA):
                assert "the beacon node" in unavailable(await gate.ask("GET", target))

    run(scenario())


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
    ],
)
def test_an_answer_that_breaks_off_does_not_look_complete(said: bytes) -> None:
    async def scenario() -> None:
        async with listening(saying(said)) as url, gateway(away(url), chain()) as gate:
            reader, writer = await asyncio.open_connection(*gate.url.removeprefix("http://").split(":"))
            writer.write(f"GET {NODE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            received = b""
            try:
                while chunk := await reader.read(1 << 16):
                    received += chunk
            except ConnectionError:
                pass
            await hang_up(writer)
            assert not received.endswith(b"0\r\n\r\n")
            assert b"Content-Length: 5\r\n" not in received
            assert "broke off" in unavailable(await gate.ask("GET", DATA))

    run(scenario())


def test_a_node_that_never_answers_holds_nothing_after_its_client_left() -> None:
    async def scenario() -> None:
        asked, dropped = asyncio.Event(), asyncio.Event()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.set()
            assert await reader.read() == b""
            dropped.set()

        async with listening(talk) as url, gateway(away(url), chain()) as gate:
            for target in (NODE, DATA):
                asked.clear()
                dropped.clear()
                request = asyncio.create_task(gate.ask("GET", target))
                await asked.wait()
                request.cancel()
                await asyncio.wait([request])
                await dropped.wait()

    run(scenario())


def test_a_node_that_tells_no_payloads() -> None:
    async def scenario() -> None:
        async def never(request: object) -> None:
            await asyncio.Event().wait()

        node = FakeBeaconNode({DATA: json_answer({"data": data_json(root(1), root(1))})})
        node.answers["/eth/v1/beacon/blinded_blocks/0x" + root(1).hex()] = never  # type: ignore[assignment]
        async with gateway(node, chain(), hold=SHORT) as gate:
            assert "did not tell in time" in unavailable(await gate.ask("GET", DATA))
            assert "did not tell in time" in unavailable(await gate.post_json(POOL, VOTE))
            assert node.bodies(POOL) == []

    run(scenario())


def test_what_is_no_http_request_is_answered_and_nothing_else_suffers() -> None:
    async def scenario() -> None:
        node = FakeBeaconNode({NODE: json_answer({})})
        async with gateway(node, chain()) as gate:
            for said in (b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET http://elsewhere/ HTTP/1.1\r\nHost: x\r\n\r\n"):
                reader, writer = await asyncio.open_connection(*gate.url.removeprefix("http://").split(":"))
                writer.write(said)
                assert (await reader.readline()).split()[1] == b"400"
                await hang_up(writer)
            assert (await gate.ask("GET", NODE))[0] == 200
            assert len(node.asked) == 1

    run(scenario())


def test_an_address_in_use() -> None:
    async def scenario() -> None:
        async with gateway(FakeBeaconNode(), chain()) as gate:
            port = int(gate.url.rpartition(":")[2])
            with pytest.raises(ServingError, match=str(port)):
                async with serve_beacon_gate("http://x", GateMode.MONITOR, chain(), Events(), port=port):
                    pytest.fail("served")

    run(scenario())


@pytest.mark.parametrize("url", ["", "localhost:5052", "ftp://x", "http://", "http://x?y=1", "http://[::1"])
def test_urls_that_cannot_be_used(url: str) -> None:
    with pytest.raises(UsageError):
        BeaconNode(url)


def test_a_path_and_a_password_in_the_nodes_url() -> None:
    async def scenario() -> None:
        node = FakeBeaconNode({"/below/it" + NODE: json_answer({})})
        async with node.serving() as url:
            async with BeaconNode(url.replace("http://", "http://user:secret@") + "/below/it/") as upstream:
                assert await upstream.read(NODE, 100) == (200, b"{}")
                assert "secret" not in upstream.name
            assert node.asked[0].header("Authorization") == ["Basic dXNlcjpzZWNyZXQ="]

    run(scenario())


@pytest.mark.parametrize("path", [b"/\xff\xfe", b"/\xc3\xa9", b"/eth/v1/validator/attestation_data\xff", b"/%ff%00"])
def test_paths_of_any_bytes_are_answered(path: bytes) -> None:
    async def scenario() -> None:
        async with gateway(FakeBeaconNode(), chain()) as gate:
            reader, writer = await asyncio.open_connection(*gate.url.removeprefix("http://").split(":"))
            writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readline()).split()[1] in (b"400", b"404", b"503")
            await hang_up(writer)

    run(scenario())
