"""What the execution client can do: known from the start, asked again after it was away, and without side effects."""

import asyncio
import json
import socket
from typing import Any

import pytest

from tests.verifier.engine.fake_execution import NOW, FakeExecution, fake_execution
from tests.verifier.engine.gate_harness import Recorder, call, harness
from verifier.domain.event import Alarm
from verifier.engine.capabilities import Capabilities
from verifier.engine.execution_client import EngineApi

WITH_WITNESS = "engine_newPayloadWithWitnessV4"


def lists_given(execution: FakeExecution) -> list[Any]:
    """The parameters of every engine_exchangeCapabilities that came."""
    bodies = [json.loads(each.body) for each in execution.requests]
    return [each["params"] for each in bodies if each["method"] == "engine_exchangeCapabilities"]


def test_known_from_the_start() -> None:
    async def scenario() -> None:
        async with harness(capabilities=[WITH_WITNESS, 5, None]) as built:
            capabilities = built.gate.capabilities
            assert capabilities.version == "Fake/v1.2.3"
            assert capabilities.witness_method(4) == WITH_WITNESS
            assert capabilities.witness_method(5) is None
            assert lists_given(built.execution) == [[[]]]

    asyncio.run(scenario())


@pytest.mark.parametrize(("code", "lineage"), [("GE", "geth"), ("RH", "revm"), ("FK", None), (7, None)])
def test_the_lineage_is_told_to_whoever_counts_its_vote(code: Any, lineage: str | None) -> None:
    async def scenario() -> None:
        async with harness(results={"engine_getClientVersionV1": [{"code": code}]}) as built:
            assert built.judge.lineages == [lineage]

    asyncio.run(scenario())


def test_the_consensus_clients_list_is_passed_on_and_said_again() -> None:
    async def scenario() -> None:
        async with harness(capabilities=["a"]) as built:
            listed = [["engine_getBlobsV4", "engine_newPayloadV5"]]
            answer = await built.ask(call("engine_exchangeCapabilities", listed, 9))
            assert answer == {"jsonrpc": "2.0", "id": 9, "result": ["a"]}
            await built.known()
            assert lists_given(built.execution) == [[[]], listed, listed]

    asyncio.run(scenario())


@pytest.mark.parametrize("answer", [None, 5, {"a": 1}, [[]], [{"name": 5}]])
def test_any_other_answer_means_that_it_can_nothing_more(answer: Any) -> None:
    async def scenario() -> None:
        async with harness(
            results={"engine_exchangeCapabilities": answer, "engine_getClientVersionV1": answer}
        ) as built:
            assert built.gate.capabilities.methods == frozenset()
            assert built.gate.capabilities.version == ""

    asyncio.run(scenario())


def test_asked_until_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verifier.engine.capabilities.RETRY", 0.001)

    async def scenario() -> None:
        heard = Recorder()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            client = EngineApi(f"http://127.0.0.1:{free.getsockname()[1]}", b"\xee" * 32, clock=lambda: NOW)
            capabilities = Capabilities(client, heard)
            capabilities.start()
            await heard.until(Alarm)
            assert capabilities.witness_method(4) is None
        async with fake_execution(capabilities=[WITH_WITNESS]) as execution:
            client.url = client.url.with_port(int(execution.url.rpartition(":")[2].rstrip("/")))
            await capabilities.answered()
            assert capabilities.witness_method(4) == WITH_WITNESS
            assert [each.name for each in heard.of(Alarm)] == ["execution_client_unreachable"]
            await capabilities.close()
            await client.close()

    asyncio.run(scenario())
