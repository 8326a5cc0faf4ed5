"""The demonstration's validator client, at the demonstration's beacon node: what is refused is not sent."""

import asyncio

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from verifier.demo.beacon_node import BeaconNode
from verifier.demo.validator import Attempt, Validator

EXECUTION = b"\7" * 32


def attempt(application: web.Application) -> Attempt:
    async def scenario() -> Attempt:
        async with TestServer(application, host="127.0.0.1") as server, aiohttp.ClientSession() as session:
            return await Validator(session, str(server.make_url("")).rstrip("/")).attest(1)

    return asyncio.run(scenario())


def test_it_attests_to_the_head() -> None:
    node = BeaconNode(0, seconds_per_slot=4, slots_per_epoch=8)
    block = node.add(1, EXECUTION)
    done = attempt(node.application())
    assert done.sent
    assert done.head == f"0x{block.root.hex()}"
    (received,) = node.received["/eth/v1/beacon/pool/attestations"]
    assert received["data"]["beacon_block_root"] == done.head


def test_a_refusal_is_its_result_and_nothing_is_sent() -> None:
    posted: list[str] = []

    async def refuse(request: web.Request) -> web.Response:
        posted.append(request.method)
        return web.json_response({"code": 503, "message": "not attested"}, status=503)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", refuse)
    assert attempt(application).result == "503 not attested"
    assert posted == ["GET"]


def test_nobody_there() -> None:
    async def scenario() -> Attempt:
        async with aiohttp.ClientSession() as session:
            return await Validator(session, "http://127.0.0.1:9").attest(1)

    assert asyncio.run(scenario()).result.startswith("no answer")
