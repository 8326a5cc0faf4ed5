import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verifier.domain.gate import GateMode
from verifier.services.chain_view import FakeChainView

from . import messages
from .beacon_node import FakeBeaconNode, json_answer, ssz_answer
from .gateway import LIMIT, SHORT, gateway, run
from .messages import data_json, data_ssz, hexadecimal, root, single_json
from .reports import invalid, undecided, verified
from .waiting import until

# Beacon blocks 1 to 3 and the execution blocks in them: 1 is verified, 2 undecided, 3 invalid.
BLOCKS = {root(number): root(100 + number) for number in (1, 2, 3)}
DATA = "/eth/v1/validator/attestation_data"
POOL = "/eth/v2/beacon/pool/attestations"
SYNC = "/eth/v1/beacon/pool/sync_committees"


def chain() -> FakeChainView:
    return FakeChainView(
        {root(101): verified(root(101)), root(102): undecided(root(102)), root(103): invalid(root(103))}
    )


def node(**answers: Any) -> FakeBeaconNode:
    return FakeBeaconNode(blocks=BLOCKS)


def data_answer(head: int, target: int = 1) -> web.Response:
    return json_answer({"data": data_json(root(head), root(target))})


# What passes

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


# Votes in answers


@pytest.mark.parametrize("mode", list(GateMode))
@pytest.mark.parametrize(
    ("head", "target", "passes"), [(1, 1, True), (2, 1, False), (1, 2, False), (3, 1, False), (1, 3, False)]
)
@pytest.mark.parametrize("ssz", [False, True])
def test_attestation_data(head: int, target: int, passes: bool, ssz: bool, mode: GateMode) -> None:
    if mode is GateMode.MONITOR or (mode is GateMode.EPOCH_TARGET and head == 2):
        passes = True

    async def scenario() -> None:
        beacon = node()
        answer = ssz_answer(data_ssz(root(head), root(target))) if ssz else data_answer(head, target)
        beacon.answers[DATA] = answer
        async with gateway(beacon, chain(), mode, hold=SHORT if 2 in (head, target) and not passes else LIMIT) as gate:
            status, body = await gate.ask("GET", DATA + "?slot=1&committee_index=0")
            if passes:
                assert (status, body) == (200, answer.body)
            else:
                error = json.loads(body)
                assert status == error["code"] == 503
                which = root(head) if head != 1 else root(target)
                if which == root(3):  # an undecided one's hold can end before its payload is looked up
                    assert f"0x{BLOCKS[which].hex()[:8]}…" in error["message"]
            if mode is not GateMode.MONITOR:
                assert gate.events.answers() == [
                    ("GET /eth/v1/validator/attestation_data", "passed" if passes else "refused", not passes)
                ]

    run(scenario())


def test_attestation_data_is_held_until_decided() -> None:
    async def scenario() -> None:
        beacon = node()
        beacon.answers[DATA] = data_answer(2)
        view = chain()
        async with gateway(beacon, view, hold=30) as gate:
            asked = [asyncio.create_task(gate.ask("GET", f"{DATA}?slot=1&committee_index={n}")) for n in range(50)]
            await until(
                lambda: view.waited_for and len(beacon.asked) > 50
            )  # all of them, and one look-up for two roots each
            view.decide(root(102), verified(root(102)))
            answers = await asyncio.gather(*asked)
            assert {status for status, _ in answers} == {200}
            assert len([each for each in beacon.asked if "blinded_blocks" in each.target]) == 2

    run(scenario())


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (
            "/eth/v1/validator/aggregate_attestation",
            lambda n: json_answer({"data": messages.attestation_json(root(n), root(1))}),
        ),
        (
            "/eth/v2/validator/aggregate_attestation",
            lambda n: json_answer({"version": "electra", "data": messages.attestation_json(root(n), root(1))}),
        ),
        (
            "/eth/v2/validator/aggregate_attestation",
            lambda n: ssz_answer(messages.attestation_ssz(data_ssz(root(n), root(1)), "electra"), "electra"),
        ),
        (
            "/eth/v1/validator/sync_committee_contribution",
            lambda n: json_answer({"data": messages.contribution_json(root(n))}),
        ),
        ("/eth/v1/validator/sync_committee_contribution", lambda n: ssz_answer(messages.contribution_ssz(root(n)))),
        (
            "/eth/v1/validator/payload_attestation_data/7",
            lambda n: ssz_answer(messages.payload_data_ssz(root(n), 1), "gloas"),
        ),
    ],
)
def test_other_answers_with_votes(path: str, answer: Any) -> None:
    async def scenario() -> None:
        beacon = node()
        async with gateway(beacon, chain()) as gate:
            beacon.answers[path] = answer(1)
            assert await gate.ask("GET", path) == (200, answer(1).body)
            beacon.answers[path] = answer(3)
            assert (await gate.ask("GET", path))[0] == 503

    run(scenario())


def test_a_contribution_is_judged_by_the_root_that_was_asked_for_too() -> None:
    path = "/eth/v1/validator/sync_committee_contribution"

    async def scenario() -> None:
        beacon = node()
        beacon.answers[path] = json_answer({"data": messages.contribution_json(root(1))})
        async with gateway(beacon, chain()) as gate:
            for asked, status in ((hexadecimal(root(1)), 200), (hexadecimal(root(3)), 503), ("head", 503)):
                assert (await gate.ask("GET", f"{path}?beacon_block_root={asked}"))[0] == status

    run(scenario())


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(body=b"garbage", content_type="application/json"),
        web.Response(body=b"{}", content_type="application/json"),
        web.Response(body=b"x" * 127, content_type="application/octet-stream"),
        web.Response(body=data_ssz(root(1), root(1)), content_type="text/plain"),
        web.Response(body=gzip.compress(b"{}"), content_type="application/json", headers={"Content-Encoding": "gzip"}),
        web.Response(body=b" " * (2 << 20), content_type="application/json"),
        web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
        web.Response(status=206, body=data_ssz(root(1), root(1)), content_type="application/octet-stream"),
    ],
)
def test_answers_that_cannot_be_read_are_refused(answer: web.Response) -> None:
    async def scenario() -> None:
        beacon = node()
        beacon.answers[DATA] = answer
        async with gateway(beacon, chain()) as gate:
            status, body = await gate.ask("GET", DATA)
            assert status == json.loads(body)["code"] == 503
            assert [answer for _, answer, _ in gate.events.answers()] in (["refused"], ["unavailable"])

    run(scenario())


def test_the_beacon_nodes_own_errors_pass() -> None:
    async def scenario() -> None:
        beacon = node()
        beacon.answers[DATA] = json_answer({"code": 503, "message": "syncing"}, 503)
        async with gateway(beacon, chain()) as gate:
            assert json.loads((await gate.ask("GET", DATA))[1])["message"] == "syncing"
            assert gate.events.answers() == [("GET " + DATA, "passed", False)]

    run(scenario())


def test_versions_to_come_are_refused() -> None:
    async def scenario() -> None:
        beacon = node()
        async with gateway(beacon, chain()) as gate:
            status, body = await gate.post_json("/eth/v3/beacon/pool/attestations", b"[]")
            assert status == 503
            assert "version 3" in json.loads(body)["message"]
            assert beacon.asked == []

    run(scenario())


# Votes in requests


@pytest.mark.parametrize("mode", [GateMode.EVERY_BLOCK, GateMode.MONITOR])
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/eth/v1/beacon/pool/attestations", lambda n: messages.attestation_json(root(n), root(1))),
        (POOL, lambda n: single_json(root(n), root(1))),
        ("/eth/v1/validator/aggregate_and_proofs", lambda n: messages.aggregate_and_proof_json(root(n), root(1))),
        ("/eth/v2/validator/aggregate_and_proofs", lambda n: messages.aggregate_and_proof_json(root(n), root(1))),
        (SYNC, lambda n: messages.sync_message_json(root(n))),
        ("/eth/v1/validator/contribution_and_proofs", lambda n: messages.contribution_and_proof_json(root(n))),
    ],
)
def test_lists_of_messages(path: str, message: Any, mode: GateMode) -> None:
    async def scenario() -> None:
        beacon = node()
        beacon.answers[path] = web.Response(status=200)
        async with gateway(beacon, chain(), mode) as gate:
            good = json.dumps([message(1), message(1)], indent=1).encode()
            assert await gate.post_json(path, good) == (200, b"")
            assert beacon.bodies(path) == [good]
            bad = json.dumps([message(3), message(3)]).encode()
            status, body = await gate.post_json(path, bad)
            mixed = json.dumps([message(3), message(1), message(3)]).encode()
            if mode is GateMode.MONITOR:
                assert status == 200
                assert (await gate.post_json(path, mixed))[0] == 200
                assert beacon.bodies(path) == [good, bad, mixed]
                await until(lambda: len(gate.events.seen) >= 3)
                assert sorted(gate.events.answers()) == sorted(
                    [("POST " + path, "passed", False)] + 2 * [("POST " + path, "passed", True)]
                )
                return
            assert status == json.loads(body)["code"] == 503
            status, body = await gate.post_json(path, mixed)
            assert status == json.loads(body)["code"] == 400
            assert [failure["index"] for failure in json.loads(body)["failures"]] == [0, 2]
            assert [json.loads(each) for each in beacon.bodies(path)[1:]] == [[message(1)]]
            answers = [("POST " + path, answer, answer != "passed") for answer in ("passed", "refused", "split")]
            assert gate.events.answers() == answers

    run(scenario())


def test_messages_in_ssz() -> None:
    async def scenario() -> None:
        beacon = node()
        beacon.answers[POOL] = web.Response(status=200)
        headers = {"Content-Type": "application/octet-stream", "Eth-Consensus-Version": "electra"}
        one, two = (messages.single_ssz(data_ssz(root(n), root(1))) for n in (1, 3))
        async with gateway(beacon, chain()) as gate:
            assert (await gate.ask("POST", POOL, one + one, headers))[0] == 200
            assert (await gate.ask("POST", POOL, two, headers))[0] == 503
            assert (await gate.ask("POST", POOL, one + two + one, headers))[0] == 400
            assert beacon.bodies(POOL) == [one + one, one + one]
            assert beacon.asked[-1].header("Content-Length") == [str(len(one + one))]

    run(scenario())


def test_failures_of_both_in_one_answer() -> None:
    async def scenario() -> None:
        beacon = node()
        beacon.answers[POOL] = json_answer(
            {"code": 400, "message": "x", "failures": [{"index": 1, "message": "old"}]}, 400
        )
        body = json.dumps([single_json(root(n), root(1)) for n in (3, 1, 3, 1)]).encode()
        async with gateway(beacon, chain()) as gate:
            status, answer = await gate.post_json(POOL, body)
            failures = {each["index"]: each["message"] for each in json.loads(answer)["failures"]}
            assert status == 400
            assert sorted(failures) == [0, 2, 3]
            assert failures[3] == "old"
            beacon.answers[POOL] = json_answer({"code": 500, "message": "broken"}, 500)
            assert (await gate.post_json(POOL, body))[0] == 500

    run(scenario())


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"garbage", {"Content-Type": "application/json"}, 400),
        (b"{}", {"Content-Type": "application/json"}, 400),
        (b"[{}]", {"Content-Type": "application/json; charset=utf-8"}, 400),
        (b"[]", {"Content-Type": "application/json; charset=utf-16"}, 415),
        (b"[]", {"Content-Type": "text/plain"}, 415),
        (b"[]", {}, 415),
        (gzip.compress(b"[]", mtime=0), {"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
        (b"[]", {"Content-Type": "application/json", "Eth-Consensus-Version": "heze"}, 415),
        (b"x", {"Content-Type": "application/octet-stream", "Eth-Consensus-Version": "fulu"}, 400),
        (b"x" * 240, {"Content-Type": "application/octet-stream"}, 415),
        (b" " * ((16 << 20) + 1), {"Content-Type": "application/json"}, 413),
    ],
    ids=[
        "garbage",
        "object",
        "empty object",
        "utf-16",
        "text",
        "untyped",
        "gzip",
        "fork",
        "ssz",
        "no fork",
        "too long",
    ],
)
def test_requests_that_cannot_be_read_are_refused(body: bytes, headers: dict[str, str], status: int) -> None:
    async def scenario() -> None:
        beacon = node()
        async with gateway(beacon, chain()) as gate:
            got, answer = await gate.ask("POST", POOL, body, headers)
            assert got == json.loads(answer)["code"] == status
            assert beacon.asked == []
            assert gate.events.answers() == [("POST " + POOL, "refused", True)]

    run(scenario())


def test_what_the_connection_drops_says_nothing_of_the_body() -> None:
    """A header that `Connection` names does not go on: the node would read the body as something else than we did."""

    async def scenario() -> None:
        beacon = node()
        headers = {"Content-Type": "application/json", "Connection": "keep-alive, content-type"}
        async with gateway(beacon, chain()) as gate:
            assert (await gate.ask("POST", POOL, b"[]", headers))[0] == 415
            assert beacon.asked == []

    run(scenario())


def test_a_block_disputed_while_another_vote_is_held() -> None:
    async def scenario() -> None:
        beacon, view = node(), chain()
        beacon.answers[POOL] = web.Response()
        body = json.dumps([single_json(root(1), root(1)), single_json(root(2), root(2))]).encode()
        async with gateway(beacon, view) as gate:
            asking = asyncio.create_task(gate.post_json(POOL, body))
            await view.waiting.wait()  # for the second: the first could go
            view.decide(root(101), undecided(root(101)))
            view.decide(root(102), verified(root(102)))
            status, answer = await asking
            assert (status, [each["index"] for each in json.loads(answer)["failures"]]) == (400, [0])
            assert [json.loads(each) for each in beacon.bodies(POOL)] == [[single_json(root(2), root(2))]]

    run(scenario())


# The stream of events


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


# Bounds


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
