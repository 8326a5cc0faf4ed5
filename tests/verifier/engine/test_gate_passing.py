"""What the engine gate takes out of answers, and what it leaves as it came: witnesses, finality, batches, ids."""

import asyncio
import json
from typing import Any

import pytest

from tests.verifier.engine.gate_cases import (
    BOTH,
    FORKCHOICE,
    HASH,
    NEW_PAYLOAD,
    VALID,
    judged_verified,
    payload_status,
)
from tests.verifier.engine.gate_harness import (
    BLOCK,
    CONFIG,
    HEADER,
    PARAMETERS,
    call,
    forkchoice,
    harness,
    invalid,
    new_payload,
    status,
    undecided,
    verified,
)
from verifier.domain.event import Alarm, PayloadExecuted
from verifier.engine.hold import HoldPolicy
from witness.formats.geth_rlp import encode_witness_rlp
from witness.model import Witness


def witness_answer(witness: Any) -> dict[str, Any]:
    return {**VALID, "witness": witness}


WITNESS = Witness(state=[b"\x01" * 40, b"\x02" * 40], codes=[b"\x60"], headers=[])
ENCODED = "0x" + encode_witness_rlp(WITNESS).hex()
WITH_WITNESS = "engine_newPayloadWithWitnessV2"


def test_the_witness_is_taken_out_of_the_answer() -> None:
    async def scenario() -> None:
        results = {WITH_WITNESS: witness_answer(ENCODED)}
        async with harness(capabilities=[WITH_WITNESS], results=results) as built:
            judged_verified(built)
            assert await built.ask(new_payload(5)) == {"jsonrpc": "2.0", "id": 5, "result": VALID}
            assert built.execution.methods == [WITH_WITNESS]
            ((_, witness, valid, _),) = built.judge.executions
            assert valid
            assert witness is not None
            assert (witness.hash, witness.block, list(witness.witness.state)) == (HASH, BLOCK, list(WITNESS.state))
            assert json.loads(bytes(witness.chain_config)) == json.loads(CONFIG)
            assert json.loads(bytes(witness.producer or b"")) == {
                "name": "Fake",
                "version": "v1.2.3",
                "source": WITH_WITNESS,
            }
            assert built.heard.of(PayloadExecuted)[0].with_witness

    asyncio.run(scenario())


@pytest.mark.parametrize("witness", [None, "0x", "0xc0", "junk", 5, []])
def test_a_known_block_or_an_unreadable_witness_has_none(witness: Any) -> None:
    async def scenario() -> None:
        results = {WITH_WITNESS: witness_answer(witness) if witness is not None else VALID}
        async with harness(capabilities=[WITH_WITNESS], results=results) as built:
            judged_verified(built)
            assert payload_status(await built.ask(new_payload())) == VALID
            assert built.judge.executions == [(HASH, None, True, "")]
            assert len(built.heard.of(Alarm)) == (witness is not None)

    asyncio.run(scenario())


def test_a_client_that_lost_its_witness_methods_is_asked_plainly() -> None:
    async def scenario() -> None:
        async with harness(capabilities=[WITH_WITNESS], results=BOTH) as built:
            judged_verified(built)
            built.execution.capabilities = []
            assert payload_status(await built.ask(new_payload())) == VALID
            assert built.execution.methods == [WITH_WITNESS, NEW_PAYLOAD]
            await built.known()
            await built.ask(new_payload())
            assert built.execution.methods[2:] == [NEW_PAYLOAD]

    asyncio.run(scenario())


def test_blocks_that_are_not_judged_at_once_are_asked_for_plainly() -> None:
    async def scenario() -> None:
        asked: list[int] = []

        def at_once(timestamp: int) -> bool:
            asked.append(timestamp)
            return False

        async with harness(at_once=at_once, capabilities=[WITH_WITNESS], results=BOTH) as built:
            judged_verified(built)
            await built.ask(new_payload())
            assert built.execution.methods == [NEW_PAYLOAD]
            assert asked == [HEADER.timestamp]

    asyncio.run(scenario())


def test_a_caller_that_asks_for_the_witness_gets_it_and_is_held() -> None:
    async def scenario() -> None:
        async with harness(results={WITH_WITNESS: witness_answer(ENCODED)}) as built:
            built.chain.gives_up = True
            asked = new_payload(method=WITH_WITNESS)
            assert (await built.ask(asked))["result"]["status"] == "SYNCING"
            built.chain.decide(HASH, verified(HASH))
            assert (await built.ask(asked))["result"] == witness_answer(ENCODED)

    asyncio.run(scenario())


def test_finality_is_told_where_the_execution_client_agrees() -> None:
    async def scenario() -> None:
        final = b"\x0f" * 32
        async with harness(results=dict(BOTH)) as built:
            built.chain.gives_up = True
            await built.ask(forkchoice(HASH, finalized=final))
            await built.ask(forkchoice(HASH))
            assert built.judge.final == [final]
            built.execution.results[FORKCHOICE] = {"payloadStatus": status("SYNCING"), "payloadId": None}
            await built.ask(forkchoice(HASH, finalized=b"\x0e" * 32))
            assert built.judge.final == [final]

    asyncio.run(scenario())


def test_attributes_are_forwarded_at_once_and_the_payload_is_given_only_on_what_stands() -> None:
    async def scenario() -> None:
        async with harness(results=BOTH) as built:
            built.chain.gives_up = True
            asked = forkchoice(HASH)
            asked["params"][1] = {"timestamp": "0x1"}
            assert (await built.ask(asked))["result"]["payloadId"] is None
            assert json.loads(built.execution.bodies[0]) == asked
            built.chain.decide(HASH, verified(HASH))
            assert (await built.ask(asked))["result"]["payloadId"] == "0x0102030405060708"

    asyncio.run(scenario())


def test_a_batch_keeps_its_order_and_what_is_not_judged() -> None:
    async def scenario() -> None:
        results = {**BOTH, "eth_chainId": "0x1", "eth_blockNumber": "0x2"}
        async with harness(results=results) as built:
            built.chain.reports[HASH] = undecided(HASH)
            batch = [
                call("eth_chainId", [], 1),
                call("eth_blockNumber", [], "two"),
                new_payload(3),
                forkchoice(HASH, id_=4),
                {"jsonrpc": "2.0", "method": NEW_PAYLOAD, "params": PARAMETERS},  # wants no answer
                call("eth_unknown", [], 5),
            ]
            asking = asyncio.create_task(built.ask(batch))
            await built.execution.until(5)  # forwarded to the end, before anything is decided
            assert not asking.done()
            built.chain.decide(HASH, verified(HASH))
            answers = await asking
            assert [each["id"] for each in answers] == [1, "two", 3, 4, 5]
            assert [each.get("result") for each in answers] == ["0x1", "0x2", VALID, BOTH[FORKCHOICE], None]
            bodies = [json.loads(body) for body in built.execution.bodies]
            assert bodies == [batch[:2], batch[2], batch[3], batch[4], [batch[5]]]

    asyncio.run(scenario())


def test_a_batch_without_anything_to_judge_is_not_touched() -> None:
    async def scenario() -> None:
        async with harness(results={"eth_chainId": "0x1"}) as built:
            body = b'[ {"id": 1,"method":"eth_chainId"} , 5 ]'
            await built.post(body)
            assert built.execution.bodies == [body]

    asyncio.run(scenario())


def test_nothing_is_answered_to_notifications() -> None:
    async def scenario() -> None:
        async with harness(results=BOTH) as built:
            built.chain.gives_up = True
            asked = {"jsonrpc": "2.0", "method": NEW_PAYLOAD, "params": PARAMETERS}
            for body in (asked, [asked]):
                response, answer = await built.post(json.dumps(body).encode())
                assert (response.status, answer) == (200, b"")
            assert len(built.execution.bodies) == 2

    asyncio.run(scenario())


@pytest.mark.parametrize("id_", [0, -5, 2**80, "a", "", None, "\u20ac\ud800"])
def test_ids_are_answered_as_they_came(id_: Any) -> None:
    async def scenario() -> None:
        async with harness(results=BOTH) as built:
            built.chain.reports[HASH] = invalid(HASH)
            assert (await built.ask(new_payload(id_)))["id"] == id_
            built.chain.reports[HASH] = verified(HASH)
            assert (await built.ask(new_payload(id_)))["id"] == id_

    asyncio.run(scenario())


def test_hold_is_within_what_consensus_clients_wait_for() -> None:
    policy = HoldPolicy(payload_seconds=60, forkchoice_seconds=60)
    assert [policy.payload(version) for version in (1, 4, 5, 6, None)] == [7, 7, 5, 5, 5]
    assert policy.forkchoice() == 7
    assert HoldPolicy(payload_seconds=2).payload(5) == 2


def test_closing_lets_nothing_out() -> None:
    async def scenario() -> None:
        async with harness(results=BOTH) as built:
            built.chain.reports[HASH] = undecided(HASH)
            asking = asyncio.create_task(built.ask(new_payload()))
            await built.chain.waiting.wait()
            await built.proxy.close()
            with pytest.raises(Exception, match="disconnected"):
                await asking

    asyncio.run(scenario())
