"""A client behind its Engine API: whatever it answers, and whatever happens to it, is no VALID."""

import asyncio
import base64
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.witness.examples import block_witness
from verifier.domain.quorum import decide, quorum_policy
from verifier.domain.result import Abstention, AbstentionReason, Result
from verifier.domain.vote import VoteKind, cast_vote
from verifier.executors.stateless.base import ExecutionRequest
from verifier.executors.stateless.engine_remote import MAX_ANSWER, EngineExecutor
from verifier.executors.stateless.pool import AdapterPool
from verifier.executors.stateless.remotes import EngineRemote
from witness.file import write_witness_file
from witness.header import decode_block_header, decode_header

CONTENT = block_witness()
HEADER = decode_block_header(CONTENT.block)
EQUAL = {
    "status": "VALID",
    "stateRoot": "0x" + "00" * 31 + "01",
    "receiptsRoot": "0x" + HEADER.receipts_root.hex(),
}
DEADLINE = 20.0  # seconds; only a hanging client needs it


class FakeClient:
    """A client's Engine API: `execute` answers stateless payloads; what it was sent is kept."""

    def __init__(self, execute: Callable[[web.Request], Awaitable[web.StreamResponse]], chain_id: Any = "0x7") -> None:
        self.execute = execute
        self.chain_id = chain_id
        self.methods: list[str] = []
        self.authorizations: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        method = (await request.json())["method"]
        self.methods.append(method)
        self.authorizations.append(request.headers.get("Authorization", ""))
        if method == "eth_chainId":
            return web.json_response({"jsonrpc": "2.0", "id": 1, "result": self.chain_id})
        return await self.execute(request)

    def server(self) -> TestServer:
        app = web.Application()
        app.router.add_post("/", self.handle)
        return TestServer(app, host="127.0.0.1")


def result_of(result: Any) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def execute(_: web.Request) -> web.StreamResponse:
        return web.json_response({"jsonrpc": "2.0", "id": 1, "result": result})

    return execute


def remote(url: Any, tmp_path: Path) -> EngineRemote:
    secret = tmp_path / "jwt.hex"
    if not secret.exists():
        secret.write_text(secrets.token_hex(32))
    return EngineRemote("node", "geth", str(url), secret)


def request_for_it(tmp_path: Path, deadline: float = DEADLINE) -> ExecutionRequest:
    root = decode_header(CONTENT.witness.headers[-1]).state_root
    return ExecutionRequest(write_witness_file(CONTENT, tmp_path, sync=False), CONTENT.hash, root, deadline)


def ask(client: FakeClient, tmp_path: Path, times: int = 1, deadline: float = DEADLINE) -> list[Result]:
    async def scenario() -> list[Result]:
        async with client.server() as server:
            executor = EngineExecutor(remote(server.make_url("/"), tmp_path))
            try:
                request = request_for_it(tmp_path, deadline)
                return [await executor.execute(request) for _ in range(times)]
            finally:
                await executor.close()

    return asyncio.run(scenario())


def reason_of(result: Result) -> AbstentionReason:
    assert isinstance(result.outcome, Abstention)
    return result.outcome.reason


def test_equal_roots_are_no_valid(tmp_path: Path) -> None:
    client = FakeClient(result_of(EQUAL | {"stateRoot": "0x" + HEADER.parent_hash.hex()}))
    (result,) = ask(client, tmp_path)
    vote = cast_vote(replace(HEADER, state_root=HEADER.parent_hash), result)
    assert (vote.kind, vote.differences) == (VoteKind.ABSTAIN, ())
    assert "did not compute logs_bloom, gas_used" in (vote.reason or "")


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        (EQUAL, "state_root"),
        ({"status": "INVALID", "validationError": "invalid gas used"}, "rules"),
    ],
)
def test_a_contradiction_is_seen_and_counts_for_neither_side(tmp_path: Path, answer: Any, field: str) -> None:
    (result,) = ask(FakeClient(result_of(answer)), tmp_path)
    vote = cast_vote(HEADER, result)
    assert vote.kind is VoteKind.ABSTAIN  # it does not tell a missing node from an account that does not exist
    assert [difference.field for difference in vote.differences] == [field]
    decision = decide(quorum_policy({"a": "a", "node": "geth"}, 1, 1), [vote])
    assert decision.disagreement
    assert not decision.invalid
    assert not decision.valid


def test_its_token_is_fresh_and_signed(tmp_path: Path) -> None:
    client = FakeClient(result_of(EQUAL))
    ask(client, tmp_path, times=2)
    assert client.methods == ["eth_chainId", *["engine_executeStatelessPayloadV2"] * 2]
    for authorization in client.authorizations:
        scheme, token = authorization.split()
        claims = token.split(".")[1]
        assert scheme == "Bearer"
        issued = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["iat"]
        assert abs(issued - time.time()) < 60


async def garbage(_: web.Request) -> web.StreamResponse:
    return web.Response(body=b"\xff{")


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" " * MAX_ANSWER)


async def broken(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def status(code: int) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def execute(_: web.Request) -> web.StreamResponse:
        return web.Response(status=code)

    return execute


@pytest.mark.parametrize(
    ("execute", "reason"),
    [
        (garbage, AbstentionReason.CRASHED),
        (endless, AbstentionReason.CRASHED),
        (broken, AbstentionReason.CRASHED),
        (result_of(None), AbstentionReason.CRASHED),
        (status(500), AbstentionReason.CRASHED),
        (status(302), AbstentionReason.CRASHED),
        (status(401), AbstentionReason.UNAVAILABLE),
    ],
)
def test_what_it_may_do_instead_of_answering(
    tmp_path: Path, execute: Callable[[web.Request], Awaitable[web.StreamResponse]], reason: AbstentionReason
) -> None:
    (result,) = ask(FakeClient(execute), tmp_path)
    assert reason_of(result) is reason


def test_a_client_that_hangs_costs_the_deadline(tmp_path: Path) -> None:
    async def hang(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    (result,) = ask(FakeClient(hang), tmp_path, deadline=0.3)
    assert reason_of(result) is AbstentionReason.TIMEOUT


@pytest.mark.parametrize(("chain_id", "reason"), [("0x1", AbstentionReason.REFUSED), ([], AbstentionReason.CRASHED)])
def test_a_client_of_another_chain_is_not_asked(tmp_path: Path, chain_id: Any, reason: AbstentionReason) -> None:
    client = FakeClient(result_of(EQUAL), chain_id)
    (result,) = ask(client, tmp_path)
    assert reason_of(result) is reason
    assert client.methods == ["eth_chainId"]


def test_a_client_that_is_not_there(tmp_path: Path) -> None:
    async def scenario() -> Result:
        async with FakeClient(result_of(EQUAL)).server() as server:
            url = server.make_url("/")
        executor = EngineExecutor(remote(url, tmp_path))
        try:
            return await executor.execute(request_for_it(tmp_path))
        finally:
            await executor.close()

    assert reason_of(asyncio.run(scenario())) is AbstentionReason.UNAVAILABLE


def test_in_the_pool_it_is_asked_and_traces_nothing(tmp_path: Path) -> None:
    async def scenario() -> tuple[list[Result], list[Any]]:
        async with (
            FakeClient(result_of(EQUAL)).server() as server,
            AdapterPool([], [remote(server.make_url("/"), tmp_path)]) as pool,
        ):
            await pool.wait_ready()
            request = request_for_it(tmp_path)
            results = [await executor.execute(request) for executor in pool.executors]
            return results, [item async for item in pool.tracers[0].trace(request)]

    results, traced = asyncio.run(scenario())
    assert [(result.adapter, result.lineage) for result in results] == [("node", "geth")]
    assert [reason_of(result) for result in traced] == [AbstentionReason.REFUSED]
