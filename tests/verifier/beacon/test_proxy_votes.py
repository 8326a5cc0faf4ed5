"""What the attestation gate does with answers and requests that carry votes."""

import asyncio
import gzip
import json
from typing import Any

import pytest
from aiohttp import web

from tests.verifier.beacon.votes import (
    BLOCKS,
    DATA,
    POOL,
    SYNC,
    chain,
    data_answer,
    node,
)
from verifier.domain.gate import GateMode

from . import messages
from .beacon_node import json_answer, ssz_answer
from .gateway import LIMIT, SHORT, gateway, run
from .messages import data_ssz, hexadecimal, root, single_json
from .reports import undecided, verified
from .waiting import until


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
