"""The client of a running execution client, against a server that answers what a test wants."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import aiohttp
import pytest
import rlp
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verifier.services.builders import block_witness, header_rlp
from verifier.errors import InputError
from verifier.executors.stateful import engine_api
from verifier.executors.stateful.base import ImportOutcome
from verifier.executors.stateful.engine_api import (
    ExecutionClientSource,
    ExecutionRpc,
    RpcError,
    find_chain_config,
)
from verifier.executors.stateful.errors import ExecutionClientError, NoWitnessError
from witness.file import encode_witness
from witness.formats.rpc_block import block_to_objects
from witness.formats.rpc_json import document_of
from witness.header import decode_block_header
from witness.model import BlockWitness

T = TypeVar("T")
Answers = dict[str, Any]
NOT_FOUND = {"code": -32601, "message": "the method does not exist/is not available"}


class Fault(Exception):  # noqa: N818 - what a server answers
    """An error to answer."""

    def __init__(self, error: Any) -> None:
        super().__init__(error)
        self.error = error


def against(answers: Answers, scenario: Callable[[ExecutionRpc], Awaitable[T]]) -> T:
    """Runs a scenario with a client of a server. An answer is a result, a Fault, or a function of the parameters."""

    async def handle(request: web.Request) -> web.Response:
        call = json.loads(await request.read())
        answer = answers.get(call["method"], Fault(NOT_FOUND))
        try:
            if callable(answer):
                answer = answer(*call["params"])
            if isinstance(answer, Exception):
                raise answer
        except Fault as fault:
            return web.json_response({"jsonrpc": "2.0", "id": call["id"], "error": fault.error})
        if isinstance(answer, web.Response):
            return answer
        return web.json_response({"jsonrpc": "2.0", "id": call["id"], "result": answer})

    async def run() -> T:
        application = web.Application()
        application.router.add_post("/", handle)
        async with TestServer(application) as server, aiohttp.ClientSession() as session:
            return await scenario(ExecutionRpc(str(server.make_url("/")), session))

    return asyncio.run(run())


@pytest.fixture(scope="module")
def content(sample_outcomes: tuple[ImportOutcome, ...]) -> BlockWitness:
    """A block of the sample chain, as the embedded executor witnessed it."""
    found = sample_outcomes[-1].witness
    assert found is not None
    return found


def rpc_block(content: BlockWitness) -> dict[str, Any]:
    header, transactions, _, withdrawals = block_to_objects(content.block)
    return {**header, "transactions": transactions, "uncles": [], "withdrawals": withdrawals}


async def witness_of(client: ExecutionRpc, content: BlockWitness) -> BlockWitness:
    recorded = await ExecutionClientSource(client, bytes(content.chain_config)).witness(bytes(content.block))
    assert (recorded.origin, recorded.accepted) == ("debug", True)
    return recorded.content


@pytest.mark.parametrize("shape", ["objects", "rlp"])
def test_a_witness_in_either_shape(content: BlockWitness, shape: Any) -> None:
    document = document_of(content, headers=shape)["witness"]
    fetched = against({"debug_executionWitness": document}, lambda client: witness_of(client, content))
    assert (fetched.hash, fetched.block) == (content.hash, content.block)
    assert encode_witness(fetched.witness) == encode_witness(content.witness)
    assert (fetched.chain_id, fetched.chain_config) == (content.chain_id, content.chain_config)


def test_clients_that_want_a_number_or_another_method(content: BlockWitness) -> None:
    document = document_of(content)["witness"]
    invalid = Fault({"code": -32602, "message": "invalid block number"})

    def by_number(named: str) -> Any:
        return document if named == hex(content.number) else invalid

    asked: list[str] = []

    def by_hash(named: str) -> Any:
        asked.append(named)
        return document

    answers: Answers = {"debug_executionWitness": by_number, "eth_getBlockByNumber": rpc_block(content)}
    assert against(answers, lambda client: witness_of(client, content)).hash == content.hash
    answers["debug_executionWitnessByBlockHash"] = by_hash
    assert against(answers, lambda client: witness_of(client, content)).hash == content.hash
    assert asked == [f"0x{content.hash.hex()}"]


def test_what_works_is_asked_for_first_the_next_time(content: BlockWitness) -> None:
    asked = []

    def refuse(*_: Any) -> Fault:
        asked.append("first")
        return Fault(NOT_FOUND)

    async def twice(client: ExecutionRpc) -> None:
        source = ExecutionClientSource(client, bytes(content.chain_config))
        for _ in range(2):
            await source.witness(bytes(content.block))

    document = document_of(content)["witness"]
    against({"debug_executionWitness": refuse, "debug_executionWitnessByBlockHash": document}, twice)
    assert asked == ["first"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Fault({"code": -32000, "message": "block 0x12 not found"}), "block 0x12 not found"),
        (Fault(NOT_FOUND), "serves no witnesses"),
        (None, "has no witness of block"),
        ({"state": [], "codes": [], "headers": []}, "header of the parent"),
        ({"state": ["0xzz"]}, "not hexadecimal"),
        ({"codes": []}, "state is missing"),
        ([1, 2], "is not a JSON object"),
        ("0xc0", "debug_executionWitness: "),
        (7, "is not a JSON object"),
        ({"state": [], "codes": [], "headers": ["0xc101"]}, "witness header"),
    ],
)
def test_answers_that_are_no_witness(content: BlockWitness, answer: Any, said: str) -> None:
    with pytest.raises(NoWitnessError, match=said) as caught:
        against({"debug_executionWitness": answer}, lambda client: witness_of(client, content))
    assert "\n" not in str(caught.value)


def test_the_witness_of_another_block_at_that_number(
    content: BlockWitness, sample_outcomes: tuple[ImportOutcome, ...]
) -> None:
    other = sample_outcomes[-2].witness
    assert other is not None
    document = document_of(other)["witness"]
    with pytest.raises(NoWitnessError, match="header of the parent"):
        against({"debug_executionWitness": document}, lambda client: witness_of(client, content))


def test_the_witness_of_a_sibling_at_that_number(content: BlockWitness) -> None:
    """It has the same parent, so that nothing in it tells; to take it for an acceptance would make up a vote."""
    sibling = {**rpc_block(content), "extraData": "0x66", "hash": None}
    document = document_of(content)["witness"]

    def by_number(named: str) -> Any:
        return document if named == hex(content.number) else Fault({"code": -32602, "message": "invalid block number"})

    answers: Answers = {"debug_executionWitness": by_number, "eth_getBlockByNumber": sibling}
    with pytest.raises(NoWitnessError, match="another block is canonical"):
        against(answers, lambda client: witness_of(client, content))


@pytest.mark.parametrize("part", [1, 3])
def test_a_body_that_is_not_the_headers(content: BlockWitness, part: int) -> None:
    """Clients would call it a broken rule, and so a good block INVALID for what was lost on the way."""
    block = rlp.decode(bytes(content.block))
    assert block[part]
    block[part] = block[part][:-1]
    raw = f"0x{rlp.encode(block).hex()}"
    with pytest.raises(ExecutionClientError, match=r"debug_getRawBlock: the (transactions|withdrawals) do not have"):
        against({"debug_getRawBlock": raw}, lambda client: client.block(content.hash))


def test_blocks_and_headers(content: BlockWitness) -> None:
    header = decode_block_header(content.block)
    document = rpc_block(content)
    raw = f"0x{bytes(content.block).hex()}"

    async def scenario(client: ExecutionRpc) -> None:
        assert await client.header(content.hash) == header
        assert await client.header_at(content.number) == header
        assert await client.header_at("finalized") == header
        assert await client.block(content.hash) == content.block
        assert await ExecutionClientSource(client, b"").block(content.hash) == content.block
        assert await ExecutionClientSource(client, b"").header(content.hash) == header

    for answers in ({"debug_getRawBlock": raw}, {}):
        against({"eth_getBlockByHash": document, "eth_getBlockByNumber": document, **answers}, scenario)


def test_what_is_not_there(content: BlockWitness) -> None:
    async def scenario(client: ExecutionRpc) -> None:
        assert await client.header(content.hash) is None
        assert await client.block(content.hash) is None
        assert await client.header_at("finalized") is None

    for final in (None, Fault({"code": -39001, "message": "Unknown block"}), Fault({"message": "header not found"})):
        against({"eth_getBlockByHash": None, "eth_getBlockByNumber": final}, scenario)


def test_another_block_than_was_asked_for(content: BlockWitness) -> None:
    document = rpc_block(content)
    raw = f"0x{bytes(content.block).hex()}"
    answers = {"eth_getBlockByHash": document, "eth_getBlockByNumber": document, "debug_getRawBlock": raw}
    asking: list[Callable[[ExecutionRpc], Awaitable[Any]]] = [
        lambda client: client.header(b"\x77" * 32),
        lambda client: client.block(b"\x77" * 32),
        lambda client: client.header_at(content.number + 1),
    ]
    for ask in asking:
        with pytest.raises(ExecutionClientError, match="asked for"):
            against(answers, ask)


def test_a_header_that_its_hash_does_not_bind(content: BlockWitness) -> None:
    document = {**rpc_block(content), "stateRoot": f"0x{'66' * 32}"}
    with pytest.raises(ExecutionClientError, match="eth_getBlockByHash"):
        against({"eth_getBlockByHash": document}, lambda client: client.header(content.hash))


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (web.Response, "not JSON-RPC"),
        (lambda: web.Response(body=b"\xff\xfe"), "not JSON-RPC"),
        (lambda: web.Response(body=b"[" * 100_000), "not JSON-RPC"),
        (lambda: web.Response(body=b"[]"), "not JSON-RPC"),
        (lambda: web.Response(body=b"{}"), "neither result nor error"),
        (lambda: web.Response(status=401, body=b"missing token"), "refuses the request: HTTP 401"),
        (lambda: web.Response(status=503), "HTTP 503"),
        (lambda: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}), "HTTP 302"),
        (lambda: web.Response(body=b'{"error": "just text"}'), "just text"),
        (lambda: web.Response(body=b'{"error": {"code": "x", "message": "two\\nlines"}}'), "two lines"),
        (lambda: web.json_response({"result": 7}), "is no text"),
    ],
)
def test_garbage(response: Callable[[], web.Response], said: str) -> None:
    with pytest.raises(ExecutionClientError, match=said) as caught:
        against({"web3_clientVersion": lambda: response()}, lambda client: client.version())
    assert "\n" not in str(caught.value)


def test_an_answer_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_api, "LARGEST_ANSWER", 1000)
    with pytest.raises(ExecutionClientError, match="more than 1000 bytes"):
        against({"web3_clientVersion": "x" * 2000}, lambda client: client.version())


def test_nobody_there_or_nobody_who_answers() -> None:
    async def nobody() -> None:
        async with aiohttp.ClientSession() as session:
            await ExecutionRpc("http://127.0.0.1:9/", session).version()

    with pytest.raises(ExecutionClientError, match="cannot be reached"):
        asyncio.run(nobody())

    async def silent() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:  # it accepts, and nobody reads
            port = listening.getsockname()[1]
            async with aiohttp.ClientSession() as session:
                await ExecutionRpc(f"http://127.0.0.1:{port}/", session).call("eth_chainId", timeout=0.05)

    with pytest.raises(ExecutionClientError, match="does not answer"):
        asyncio.run(silent())


def test_a_token_goes_with_every_request() -> None:
    seen = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        return web.json_response({"result": "0x1"})

    async def run() -> None:
        application = web.Application()
        application.router.add_post("/", handle)
        tokens = iter(["Bearer one", "Bearer two"])
        async with TestServer(application) as server, aiohttp.ClientSession() as session:
            url = str(server.make_url("/"))
            client = ExecutionRpc(url, session, lambda: {"Authorization": next(tokens)})
            assert [await client.chain_id(), await client.chain_id()] == [1, 1]

    asyncio.run(run())
    assert seen == ["Bearer one", "Bearer two"]


CONFIG = {"chainId": 1337, "terminalTotalDifficulty": 0}


@pytest.mark.parametrize(
    "answers",
    [
        {"debug_chainConfig": CONFIG},
        {"admin_nodeInfo": {"protocols": {"eth": {"config": CONFIG}}}},
        {"admin_nodeInfo": {"protocols": {}}, "debug_chainConfig": CONFIG},
    ],
)
def test_the_chain_config_as_clients_tell_it(answers: Answers) -> None:
    found = against({"eth_chainId": "0x539", **answers}, find_chain_config)
    assert json.loads(found) == CONFIG


def test_the_chain_config_where_they_do_not() -> None:
    assert b'"chainId":1,' in against({"eth_chainId": "0x1", "admin_nodeInfo": []}, find_chain_config)
    with pytest.raises(InputError, match="chain 1337 is not known"):
        against({"eth_chainId": "0x539"}, find_chain_config)
    with pytest.raises(InputError, match="is of chain 2, the execution client is on chain 1337"):
        against({"eth_chainId": "0x539"}, lambda client: find_chain_config(client, b'{"chainId":2}'))
    with pytest.raises(InputError, match="chain config"):
        against({"eth_chainId": "0x539"}, lambda client: find_chain_config(client, b"{"))
    with pytest.raises(ExecutionClientError, match="chainId"):
        against({"eth_chainId": "0x539", "debug_chainConfig": {"chainId": []}}, find_chain_config)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("0x00"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["state", "codes", "headers", "number", "hash"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(json_values)
def test_nothing_that_is_answered_is_more_than_an_error(value: Any) -> None:
    class Answering(ExecutionRpc):
        def __init__(self) -> None:
            pass

        async def call(self, method: str, *params: object, timeout: float = 0.0) -> Any:  # noqa: ASYNC109
            return value

    async def ask() -> None:
        client = Answering()
        source = ExecutionClientSource(client, b'{"chainId":1}')
        block = bytes(block_witness(1, header_rlp(0, bytes(32)))[0].block)
        for asking in (
            client.version(),
            client.chain_id(),
            client.chain_config(),
            client.header(bytes(32)),
            client.header_at("latest"),
            client.block(bytes(32)),
            source.witness(block),
        ):
            with contextlib.suppress(ExecutionClientError):
                await asking

    asyncio.run(ask())


def test_an_error_keeps_its_code() -> None:
    with pytest.raises(RpcError) as caught:
        against({}, lambda client: client.version())
    assert caught.value.code == -32601
