"""The demonstration's execution client: the bundled chain through its Engine API, and blocks that it builds itself."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from verifier.app import bundled_chain
from verifier.demo.execution_client import ExecutionClient
from verifier.demo.private_chain import PrivateChain
from verifier.executors.jwt import encode_token
from verifier.executors.stateful.embedded.sample_chain import Recipe
from verifier.executors.stateful.genesis import Genesis
from verifier.services.conformance.loaders.genesis import load_genesis
from verifier.services.conformance.loaders.rlp_chain import load_blocks
from witness.formats.engine_payload import engine_parameters, requests_hash
from witness.formats.geth_rlp import decode_witness_rlp
from witness.formats.json_field import as_octets
from witness.formats.rpc_block import block_from_json
from witness.formats.rpc_json import witness_from_json
from witness.header import decode_block_header

SECRET = bytes(range(32))
ZERO = f"0x{bytes(32).hex()}"
Call = Callable[..., Awaitable[Any]]


@pytest.fixture(scope="module")
def genesis() -> Genesis:
    return load_genesis(bundled_chain() / "genesis.json")


@pytest.fixture(scope="module")
def blocks() -> list[bytes]:
    return list(islice(load_blocks(bundled_chain() / "chain.rlp"), 3))


@pytest.fixture
def chain(tmp_path: Path, genesis: Genesis) -> Iterator[PrivateChain]:
    with PrivateChain(tmp_path, genesis) as chain:
        yield chain


def run(chain: PrivateChain, scenario: Callable[[Call], Awaitable[None]], **options: bool) -> None:
    """Runs a scenario against a served client."""

    async def serve() -> None:
        with ExecutionClient(chain, SECRET, **options) as client:
            async with TestClient(TestServer(client.application())) as http:

                async def call(method: str, *parameters: Any) -> Any:
                    token = {"Authorization": f"Bearer {encode_token(SECRET, int(time.time()))}"}
                    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": parameters}
                    async with http.post("/", json=body, headers=token) as response:
                        answer = await response.json()
                    assert answer["id"] == 7
                    return answer["result"] if "result" in answer else answer["error"]

                call.http = http  # type: ignore[attr-defined]
                await scenario(call)

    asyncio.run(serve())


def hash_of(block: bytes) -> str:
    return f"0x{decode_block_header(block).hash.hex()}"


def new_payload(block: bytes) -> tuple[str, list[Any]]:
    version, parameters = engine_parameters(block)
    return f"engine_newPayloadV{version}", parameters


def choice(head: str) -> dict[str, str]:
    return {"headBlockHash": head, "safeBlockHash": ZERO, "finalizedBlockHash": ZERO}


def test_the_bundled_chain_is_executed_and_witnessed(chain: PrivateChain, blocks: list[bytes]) -> None:
    async def scenario(call: Call) -> None:
        for block in blocks[:2]:
            method, parameters = new_payload(block)
            answer = await call(method.replace("Payload", "PayloadWithWitness"), *parameters)
            assert (answer["status"], answer["latestValidHash"]) == ("VALID", hash_of(block))
            brought = decode_witness_rlp(as_octets(answer["witness"], "witness"))
            asked = witness_from_json(await call("debug_executionWitness", hash_of(block)))
            assert [bytes(each) for each in brought.state] == list(asked.state)
            assert [bytes(each) for each in brought.headers] == list(asked.headers)
        again = await call(method, *parameters)
        assert again["status"] == "VALID"
        updated = await call("engine_forkchoiceUpdatedV2", choice(hash_of(blocks[1])), None)
        assert updated["payloadStatus"]["status"] == "VALID"
        latest = await call("eth_getBlockByNumber", "latest", True)
        assert block_from_json(latest) == blocks[1]
        assert await call("debug_getRawBlock", "0x2") == f"0x{blocks[1].hex()}"
        assert await call("eth_getBlockByNumber", "finalized", False) is None

    run(chain, scenario)


def test_what_it_cannot_execute_or_must_refuse(chain: PrivateChain, blocks: list[bytes]) -> None:
    async def scenario(call: Call) -> None:
        method, parameters = new_payload(blocks[1])
        assert (await call(method, *parameters))["status"] == "SYNCING"  # its parent is not there
        method, parameters = new_payload(blocks[0])
        forged = {**parameters[0], "gasUsed": "0x1"}
        answer = await call(method, forged)
        assert (answer["status"], answer["latestValidHash"]) == ("INVALID", None)  # of another hash
        head = hash_of(blocks[1])
        assert (await call("engine_forkchoiceUpdatedV2", choice(head)))["payloadStatus"]["status"] == "SYNCING"
        assert (await call("engine_nothing"))["code"] == -32601
        assert (await call(method))["code"] == -32602
        assert (await call(method, "0x"))["code"] == -32602
        http = call.http  # type: ignore[attr-defined]
        async with http.post("/", data=b"{}") as response:
            assert response.status == 401

    run(chain, scenario)


def test_it_builds_what_it_then_accepts_and_keeps_its_head(
    chain: PrivateChain, genesis: Genesis, tmp_path: Path
) -> None:
    built: list[str] = []

    async def scenario(call: Call) -> None:
        start = (await call("eth_getBlockByNumber", "latest", False))["hash"]
        good = [each for each in Recipe().transactions(1) if each[:1] != b"\x03"]
        for transaction in [*good, b"\x02\xc0"]:  # the last is none: it is left out
            assert str(await call("eth_sendRawTransaction", f"0x{transaction.hex()}")).startswith("0x")
        attributes = {
            "timestamp": hex(1_700_000_012),
            "prevRandao": ZERO,
            "suggestedFeeRecipient": f"0x{bytes(20).hex()}",
            "withdrawals": [],
        }
        started = await call("engine_forkchoiceUpdatedV2", choice(start), attributes)
        payload = (await call("engine_getPayloadV2", started["payloadId"]))["executionPayload"]
        assert len(payload["transactions"]) == len(good)
        assert (await call("engine_newPayloadV2", payload))["status"] == "VALID"
        updated = await call("engine_forkchoiceUpdatedV2", choice(payload["blockHash"]), None)
        assert updated["payloadStatus"]["status"] == "VALID"
        built.append(payload["blockHash"])
        assert (await call("engine_getPayloadV2", "0xff"))["code"] == -38001

    run(chain, scenario)
    assert len(chain.pool) == 1  # what was included is gone
    chain.close()
    with PrivateChain(tmp_path, genesis) as again:
        assert f"0x{again.head().hash.hex()}" == built[0]


def test_without_witness_methods_it_offers_none(chain: PrivateChain) -> None:
    async def scenario(call: Call) -> None:
        offered = await call("engine_exchangeCapabilities", [])
        assert "engine_newPayloadV4" in offered
        assert not [name for name in offered if "Witness" in name]
        assert (await call("debug_executionWitness", "0x1"))["code"] == -32601

    run(chain, scenario, witness_calls=False, debug_calls=False)


def test_a_block_comes_with_its_requests(genesis: Genesis, tmp_path: Path) -> None:
    """As payloads need them: deposits, withdrawal and consolidation requests (EIP-7685)."""
    kinds: set[int] = set()
    with PrivateChain(tmp_path, genesis) as chain:
        for block in islice(load_blocks(bundled_chain() / "chain.rlp"), 20):
            requests = chain.import_block(block).requests
            assert decode_block_header(block).requests_hash in (None, requests_hash(requests))
            kinds |= {each[0] for each in requests}
    assert kinds == {0, 1, 2}
