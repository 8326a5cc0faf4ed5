"""The gate: no VALID for a block before it stands, INVALID sticks, and whoever judges hears everything."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from tests.verifier.engine.fake_execution import Refusal
from tests.verifier.engine.gate_cases import (
    ASKED,
    BOTH,
    FORKCHOICE,
    HASH,
    NEW_PAYLOAD,
    SHORT,
    VALID,
    changed,
    judged_verified,
    payload_status,
)
from tests.verifier.engine.gate_harness import (
    BLOCK,
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
from tests.witness.formats.test_engine_payload import parameters_of
from verifier.domain.event import Alarm, GateAnswered, PayloadExecuted, PayloadReceived
from verifier.domain.gate import GateMode, HoldAnswer
from verifier.domain.standing import StandingReport
from verifier.domain.status import ExecutorStatus
from verifier.engine.hold import HoldPolicy


def test_valid_goes_out_once_the_block_is_verified() -> None:
    async def scenario() -> None:
        async with harness(results=BOTH) as built:
            judged_verified(built)
            assert await built.ask(new_payload(5)) == {"jsonrpc": "2.0", "id": 5, "result": VALID}
            assert await built.ask(forkchoice(HASH)) == {"jsonrpc": "2.0", "id": 1, "result": BOTH[FORKCHOICE]}
            assert built.judge.blocks == {HASH: BLOCK}
            assert built.judge.executions == [(HASH, None, True, "")]
            assert built.execution.bodies[0] == json.dumps(new_payload(5)).encode()
            (received,), (executed,) = built.heard.of(PayloadReceived), built.heard.of(PayloadExecuted)
            assert (received.block, received.gas_used) == (executed.block, HEADER.gas_used)
            assert (executed.status, executed.with_witness) == (ExecutorStatus.VALID, False)
            answered = built.heard.of(GateAnswered)
            assert [(each.request, each.answer, each.gated, each.block_hash) for each in answered] == [
                (NEW_PAYLOAD, "VALID", False, HASH),
                (FORKCHOICE, "VALID", False, HASH),
            ]

    asyncio.run(scenario())


@pytest.mark.parametrize("asked", ASKED)
def test_the_answer_waits_for_the_decision(asked: Any) -> None:
    async def scenario() -> None:
        async with harness(results=BOTH) as built:
            built.chain.reports[HASH] = undecided(HASH)
            asking = asyncio.create_task(built.ask(asked))
            await built.chain.waiting.wait()
            assert not asking.done()
            ((block_hash, seconds),) = built.chain.waited_for
            assert block_hash == HASH
            assert 0 < seconds <= HoldPolicy().payload_seconds
            built.chain.decide(HASH, verified(HASH))
            assert payload_status(await asking)["status"] == "VALID"

    asyncio.run(scenario())


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("known", [True, False])
def test_syncing_at_the_deadline(asked: Any, known: bool) -> None:
    async def scenario() -> None:
        async with harness(results=BOTH) as built:
            built.chain.gives_up = True
            if known:
                built.chain.reports[HASH] = undecided(HASH)
            answer = await built.ask(asked)
            assert answer["id"] == 5
            assert payload_status(answer) == {"status": "SYNCING", "latestValidHash": None, "validationError": None}
            assert answer["result"].get("payloadId") is None
            (answered,) = built.heard.of(GateAnswered)
            assert (answered.answer, answered.gated) == ("SYNCING", True)
            assert len(built.chain.waited_for) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("asked", ASKED)
def test_an_error_at_the_deadline(asked: Any) -> None:
    async def scenario() -> None:
        async with harness(HoldPolicy(answer=HoldAnswer.ERROR), results=BOTH) as built:
            built.chain.gives_up = True
            assert (await built.ask(asked))["error"]["code"] == -32000

    asyncio.run(scenario())


@pytest.mark.parametrize("asked", ASKED)
def test_passed_at_the_deadline(asked: Any) -> None:
    async def scenario() -> None:
        async with harness(HoldPolicy(answer=HoldAnswer.PASS), results=BOTH) as built:
            built.chain.gives_up = True
            assert payload_status(await built.ask(asked)) == VALID
            (answered,) = built.heard.of(GateAnswered)
            assert (answered.answer, answered.gated) == ("VALID", True)

    asyncio.run(scenario())


@pytest.mark.parametrize("asked", ASKED)
def test_monitor_holds_nothing_and_says_what_it_would_have_done(asked: Any) -> None:
    async def scenario() -> None:
        async with harness(HoldPolicy(mode=GateMode.MONITOR), results=BOTH) as built:
            built.chain.reports[HASH] = undecided(HASH)
            assert payload_status(await built.ask(asked)) == VALID
            assert built.heard.of(GateAnswered) == []
            await built.chain.waiting.wait()
            built.chain.decide(HASH, invalid(HASH))
            await built.heard.until(GateAnswered)
            (answered,) = built.heard.of(GateAnswered)
            assert (answered.answer, answered.gated) == ("VALID", True)
            assert "would answer INVALID" in answered.reason
            assert payload_status(await built.ask(asked)) == VALID  # also once it is invalid: it is forwarded

    asyncio.run(scenario())


@pytest.mark.parametrize("asked", ASKED)
def test_epoch_target_waits_for_no_block_that_nothing_speaks_against(asked: Any) -> None:
    async def scenario() -> None:
        async with harness(HoldPolicy(mode=GateMode.EPOCH_TARGET), results=BOTH) as built:
            built.chain.reports[HASH] = undecided(HASH)
            assert payload_status(await built.ask(asked)) == VALID
            assert built.chain.waited_for == []
            built.chain.reports[HASH] = replace(undecided(HASH), disputed=True)
            asking = asyncio.create_task(built.ask(asked))
            await built.chain.waiting.wait()
            built.chain.decide(HASH, verified(HASH))
            await asking

    asyncio.run(scenario())


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("word", ["SYNCING", "ACCEPTED", "INVALID"])
def test_what_is_not_valid_is_passed_on_at_once(asked: Any, word: str) -> None:
    async def scenario() -> None:
        said = status(word, None, "why" if word == "INVALID" else None)
        results = {NEW_PAYLOAD: said, FORKCHOICE: {"payloadStatus": said, "payloadId": None, "more": 1}}
        async with harness(results=results) as built:
            answer = await built.ask(asked)
            assert answer["result"] == results[asked["method"]]
            assert built.chain.waited_for == []
            executed = [(HASH, None, False, "why")] if word == "INVALID" and asked["method"] == NEW_PAYLOAD else []
            assert built.judge.executions == executed

    asyncio.run(scenario())


@pytest.mark.parametrize("asked", ASKED)
def test_an_error_of_the_execution_client_is_passed_on(asked: Any) -> None:
    async def scenario() -> None:
        def refuse(_: Any) -> Any:
            raise Refusal(-38005, "Unsupported fork")

        async with harness(results={NEW_PAYLOAD: refuse, FORKCHOICE: refuse}) as built:
            error = {"code": -38005, "message": "Unsupported fork"}
            assert await built.ask(asked) == {"jsonrpc": "2.0", "id": 5, "error": error}
            assert built.judge.executions == []

    asyncio.run(scenario())


@pytest.mark.parametrize("asked", ASKED)
def test_invalid_sticks_without_asking_anybody(asked: Any) -> None:
    async def scenario() -> None:
        async with harness(results=BOTH) as built:
            built.chain.reports[HASH] = invalid(HASH)
            built.chain.latest_valid[HASH] = HEADER.parent_hash
            answer = await built.ask(asked)
            assert payload_status(answer) == status("INVALID", HEADER.parent_hash, "a dispute concluded so")
            assert answer["result"].get("payloadId") is None
            assert built.execution.bodies == []

    asyncio.run(scenario())


def test_a_child_of_an_invalid_block_is_invalid_and_not_forwarded() -> None:
    async def scenario() -> None:
        async with harness(results=BOTH) as built:
            built.chain.reports[HEADER.parent_hash] = invalid(HEADER.parent_hash)
            built.chain.latest_valid[HEADER.parent_hash] = b"\x07" * 32
            assert payload_status(await built.ask(new_payload())) == status(
                "INVALID", b"\x07" * 32, "a dispute concluded so"
            )
            assert [header.hash for header in built.judge.received] == [HASH]
            assert built.execution.bodies == []

    asyncio.run(scenario())


def test_monitor_forwards_what_is_invalid() -> None:
    async def scenario() -> None:
        async with harness(HoldPolicy(mode=GateMode.MONITOR), results=BOTH) as built:
            built.chain.reports[HASH] = built.chain.reports[HEADER.parent_hash] = invalid(HASH)
            for asked in (new_payload(), forkchoice(HASH), forkchoice(b"\x01" * 32, safe=HASH)):
                assert payload_status(await built.ask(asked)) == VALID
            assert len(built.execution.bodies) == 3

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["safe", "finalized"])
def test_a_safe_or_finalized_block_that_is_invalid_is_never_forwarded(name: str) -> None:
    async def scenario() -> None:
        async with harness(results=BOTH) as built:
            built.chain.reports[HASH] = verified(HASH)
            bad = b"\x09" * 32
            built.chain.reports[bad] = invalid(bad)
            answer = await built.ask(forkchoice(HASH, **{name: bad}))
            assert answer["error"]["code"] == -38002
            assert built.execution.bodies == []
            assert [each.name for each in built.heard.of(Alarm)] == ["invalid_forkchoice_state"]

    asyncio.run(scenario())


def test_a_verified_block_that_the_execution_client_rejects_is_loud() -> None:
    async def scenario() -> None:
        said = status("INVALID", HEADER.parent_hash, "its bug")
        async with harness(results={NEW_PAYLOAD: said}) as built:
            built.chain.reports[HASH] = verified(HASH)
            built.chain.latest_valid[HASH] = HEADER.parent_hash
            assert payload_status(await built.ask(new_payload())) == said
            assert built.judge.executions == [(HASH, None, False, "its bug")]
            (alarm,) = built.heard.of(Alarm)
            assert alarm.name == "execution_client_contradicts"
            assert "its bug" in alarm.text

    asyncio.run(scenario())


def test_invalid_decided_while_waiting() -> None:
    async def scenario() -> None:
        async with harness(results=BOTH) as built:
            built.judge.on_executed = lambda header: built.chain.decide(HASH, invalid(HASH))
            assert payload_status(await built.ask(new_payload()))["status"] == "INVALID"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        (NEW_PAYLOAD, changed(PARAMETERS, stateRoot="0x" + "00" * 32)),  # not the block that it says
        (NEW_PAYLOAD, changed(PARAMETERS, blockHash=None)),
        (NEW_PAYLOAD, changed(PARAMETERS, gasUsed=5)),
        (NEW_PAYLOAD, []),
        (NEW_PAYLOAD, {"payload": 1}),
        (NEW_PAYLOAD, None),
        ("engine_newPayloadV9", PARAMETERS),  # of a fork to come
        ("engine_newPayload", PARAMETERS),
        ("engine_forkchoiceUpdatedV2", [{"headBlockHash": "0x12"}, None]),
        ("engine_forkchoiceUpdatedV2", None),
    ],
)
def test_what_cannot_be_judged_is_forwarded_and_never_valid(method: str, parameters: Any) -> None:
    async def scenario() -> None:
        async with harness(results={**BOTH, method: BOTH.get(method, VALID)}) as built:
            built.chain.gives_up = True
            built.chain.reports[HASH] = verified(HASH)  # of the hash that is stated, not of what is in the payload
            answer = await built.ask(call(method, parameters))
            assert payload_status(answer)["status"] == "SYNCING"
            assert built.execution.bodies == [json.dumps(call(method, parameters)).encode()]
            assert (built.judge.received, built.judge.executions) == ([], [])

    asyncio.run(scenario())


def test_wrong_blob_hashes_beside_a_payload_say_nothing_about_its_block() -> None:
    """Else a proposer could make a good payload invalid by a second beacon block with other commitments."""

    async def scenario() -> None:
        parameters = parameters_of(4)
        parameters[1] = []
        said = status("INVALID", None, "blob hashes")
        async with harness(results={"engine_newPayloadV4": said}) as built:
            assert payload_status(await built.ask(call("engine_newPayloadV4", parameters))) == said
            assert (built.judge.received, built.judge.executions) == ([], [])

    asyncio.run(scenario())


def test_valid_of_another_block_is_no_word_on_this_one() -> None:
    async def scenario() -> None:
        async with harness(results={NEW_PAYLOAD: status("VALID", HEADER.parent_hash)}) as built:
            judged_verified(built)
            answer = await built.ask(new_payload())
            assert "error" in answer
            assert [each.name for each in built.heard.of(Alarm)] == ["execution_client_garbage"]
            assert built.judge.executions == []

    asyncio.run(scenario())


@pytest.mark.parametrize("mode", [GateMode.EVERY_BLOCK, GateMode.MONITOR])
def test_invalid_for_what_the_client_itself_lacks_is_no_word_on_the_block(mode: GateMode) -> None:
    """INVALID is kept for good. geth says it of a good block, too, when a node of its own state is gone."""

    async def scenario() -> None:
        said = status("INVALID", HEADER.parent_hash, f"missing trie node {'ab' * 32} (path 0c) state 0x12 is absent")
        async with harness(HoldPolicy(mode), results={NEW_PAYLOAD: said}) as built:
            built.chain.latest_valid[HASH] = HEADER.parent_hash
            answer = await built.ask(new_payload())
            if mode is GateMode.MONITOR:
                assert payload_status(answer) == said
            else:
                assert "missing trie node" in answer["error"]["message"]
            assert "execution_client_damaged" in [each.name for each in built.heard.of(Alarm)]
            assert built.judge.executions == []

    asyncio.run(scenario())


def test_what_a_client_says_of_an_invalid_block_is_kept_short() -> None:
    async def scenario() -> None:
        said = status("INVALID", HEADER.parent_hash, "bad\n" * 100_000)
        async with harness(results={NEW_PAYLOAD: said}) as built:
            built.chain.latest_valid[HASH] = HEADER.parent_hash
            assert payload_status(await built.ask(new_payload())) == said
            ((_, _, valid, detail),) = built.judge.executions
            assert (valid, detail[:8], len(detail) < 1000) == (False, "bad bad ", True)

    asyncio.run(scenario())


def test_a_chain_or_judge_that_fails_lets_nothing_out() -> None:
    async def scenario() -> None:
        async with harness(results=BOTH) as built:
            built.chain.gives_up = True
            built.judge.fail_with = OSError("disk full")
            assert payload_status(await built.ask(new_payload()))["status"] == "SYNCING"
            assert payload_status(await built.ask(forkchoice(HASH, finalized=HASH)))["status"] == "SYNCING"

            def fail(block_hash: bytes) -> StandingReport:
                raise OSError("disk full")

            built.chain.standing = fail  # type: ignore[method-assign]
            assert payload_status(await built.ask(new_payload()))["status"] == "SYNCING"
            assert payload_status(await built.ask(forkchoice(HASH)))["status"] == "SYNCING"
            assert {each.name for each in built.heard.of(Alarm)} == {"gate_failed"}

    asyncio.run(scenario())


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize(("policy", "expected"), [(HoldAnswer.SYNCING, "SYNCING"), (HoldAnswer.ERROR, "error")])
def test_a_slow_execution_client_is_not_waited_for_but_heard(asked: Any, policy: HoldAnswer, expected: str) -> None:
    async def scenario() -> None:
        go_on = asyncio.Event()

        async def slow(_: web.Request, body: bytes) -> None:
            await go_on.wait()

        async with harness(replace(SHORT, answer=policy), results=BOTH) as built:
            built.execution.reply = slow
            answer = await built.ask(asked)
            assert ("error" in answer) if expected == "error" else (payload_status(answer)["status"] == expected)
            assert built.judge.executions == []
            executed = asyncio.Event()
            built.judge.on_executed = lambda _: executed.set()
            go_on.set()
            if asked["method"] == NEW_PAYLOAD:
                await executed.wait()  # although nobody waits for the answer any more

    asyncio.run(scenario())


def test_a_caller_that_leaves_does_not_end_the_execution() -> None:
    async def scenario() -> None:
        entered, go_on, executed = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def slow(_: web.Request, body: bytes) -> None:
            entered.set()
            await go_on.wait()

        async with harness(results=BOTH) as built:
            built.execution.reply = slow
            built.judge.on_executed = lambda _: executed.set()
            asking = asyncio.create_task(built.ask(new_payload()))
            await entered.wait()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            go_on.set()
            await executed.wait()

    asyncio.run(scenario())


def test_the_same_payload_twice_at_once_is_handed_over_once() -> None:
    async def scenario() -> None:
        go_on = asyncio.Event()
        arrived = 0

        async def slow(_: web.Request, body: bytes) -> None:
            nonlocal arrived
            arrived += 1
            if arrived == 2:
                go_on.set()
            await go_on.wait()

        async with harness(results=BOTH) as built:
            built.execution.reply = slow
            judged_verified(built)
            answers = await asyncio.gather(built.ask(new_payload(1)), built.ask(new_payload(2)))
            assert [(each["id"], each["result"]) for each in answers] == [(1, VALID), (2, VALID)]
            assert len(built.execution.bodies) == 2
            assert built.judge.executions == [(HASH, None, True, "")]

    asyncio.run(scenario())


def test_the_second_of_two_is_handed_over_where_the_first_fails() -> None:
    async def scenario() -> None:
        arrived = 0
        both = asyncio.Event()

        async def first_fails(_: web.Request, body: bytes) -> web.StreamResponse | None:
            nonlocal arrived
            arrived += 1
            if arrived == 2:
                both.set()
                return None
            await both.wait()
            return web.Response(status=500)

        async with harness(results=BOTH) as built:
            built.execution.reply = first_fails
            judged_verified(built)
            answers = await asyncio.gather(built.ask(new_payload(1)), built.ask(new_payload(2)))
            assert sorted("error" in each for each in answers) == [False, True]
            assert built.judge.executions == [(HASH, None, True, "")]

    asyncio.run(scenario())
