"""What stands before a right execution client and misquotes it: of chosen blocks only, and consistently."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from verifier.app import bundled_chain
from verifier.demo.driver import Built
from verifier.demo.json_rpc import JsonRpc
from verifier.demo.misquoting import Misquoting
from verifier.executors.stateful.engine_versions import ENGINE_VERSIONS
from verifier.services.conformance.loaders.rlp_chain import load_blocks
from witness.formats.engine_payload import decode_engine_payload, engine_parameters
from witness.header import decode_block_header

BLOCK = next(islice(load_blocks(bundled_chain() / "chain.rlp"), 1))
VERSION, PARAMETERS = engine_parameters(BLOCK)
VERSIONS = next(each for each in ENGINE_VERSIONS.values() if each.new_payload == VERSION)
HONEST = Built(PARAMETERS[0], tuple(PARAMETERS[1:]), VERSIONS)


@dataclass
class Client:
    """An execution client at two ports, that tells its own block whatever it is asked. asked: port → calls."""

    asked: dict[str, list[Any]] = field(default_factory=dict)

    def at(self, port: str) -> web.Application:
        async def answer(request: web.Request) -> web.Response:
            call = await request.json()
            self.asked.setdefault(port, []).append((call, request.headers.get("Authorization")))
            return web.json_response({"jsonrpc": "2.0", "id": call["id"], "result": HONEST.payload})

        application = web.Application()
        application.router.add_post("/", answer)
        return application


Scenario = Callable[[Misquoting, JsonRpc, Client], Awaitable[None]]


def run(scenario: Scenario) -> None:
    async def serve() -> None:
        client = Client()
        async with (
            aiohttp.ClientSession() as session,
            TestServer(client.at("engine")) as engine,
            TestServer(client.at("rpc")) as rpc,
        ):
            misquoting = Misquoting(str(engine.make_url("/")), str(rpc.make_url("/")), session)
            async with TestServer(misquoting.application()) as server:
                await scenario(misquoting, JsonRpc(session, str(server.make_url("/")), bytes(32)), client)

    asyncio.run(serve())


def test_at_first_everything_passes() -> None:
    async def scenario(misquoting: Misquoting, calls: JsonRpc, client: Client) -> None:
        assert misquoting.told(HONEST) == HONEST
        assert await calls.call("eth_getBlockByHash", HONEST.hash) == HONEST.payload
        ((call, token),) = client.asked["engine"]
        assert call["params"] == [HONEST.hash]
        assert token.startswith("Bearer ")
        await calls.call("debug_traceBlockByHash", HONEST.hash)
        ((call, token),) = client.asked["rpc"]
        assert (call["method"], token) == ("debug_traceBlockByHash", None)

    run(scenario)


def test_a_block_is_told_as_another_and_asked_about_as_its_own() -> None:
    async def scenario(misquoting: Misquoting, calls: JsonRpc, client: Client) -> None:
        misquoting.active = True
        bad = misquoting.told(HONEST)
        assert (bad.hash != HONEST.hash, bad.payload["stateRoot"] != HONEST.payload["stateRoot"]) == (True, True)
        found = decode_engine_payload(VERSION, [bad.payload, *bad.parameters])
        assert not found.misfit
        assert await calls.call(f"engine_newPayloadV{VERSION}", bad.payload, *bad.parameters) == bad.payload
        ((call, _),) = client.asked["engine"]
        assert call["params"][0] == HONEST.payload
        # The witness of a block above has this one's header in it, as RLP: it is told alike.
        header = decode_block_header(BLOCK)
        assert header.state_root.hex() not in json.dumps(bad.payload)

    run(scenario)


def test_a_client_that_is_gone() -> None:
    async def scenario(misquoting: Misquoting, _: JsonRpc, __: Client) -> None:
        async with aiohttp.ClientSession() as session:
            lost = Misquoting("http://127.0.0.1:1", "http://127.0.0.1:1", session)
            async with TestServer(lost.application()) as server, session.post(server.make_url("/"), data=b"{}") as gone:
                assert gone.status == 502
        assert misquoting.transactions() == ()

    run(scenario)
