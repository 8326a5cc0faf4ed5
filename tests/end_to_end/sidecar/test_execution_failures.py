"""An execution client that is restarted, slow, talks garbage, or gives no witnesses."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from tests.end_to_end.sidecar.conftest import SharedChain
from tests.end_to_end.sidecar.faulty_execution import Fault, Garbage, Lacking, Slow, Twisted
from tests.end_to_end.sidecar.guarded_chain import GuardedChain
from verifier.demo.errors import CallError

NEW_PAYLOAD = ("engine_newPayload",)
WITNESSES = ("debug_executionWitness",)


def test_one_that_is_killed_and_started_again(on_a_chain: SharedChain) -> None:
    async def scenario(chain: GuardedChain) -> None:
        await chain.until_asked()
        since, head = chain.sidecar.mark(), chain.beacon.head
        block = await chain.build()
        slow = chain.execution.fault = Slow("engine_newPayload")
        asking = asyncio.create_task(chain.driver.submit(block))
        await slow.waiting.wait()
        await chain.execution.stop()  # while it has the payload
        await asyncio.to_thread(chain.geth.kill)
        with pytest.raises(CallError, match=r"-32000.*execution client"):
            await asking
        with pytest.raises(CallError, match=r"-32000.*execution client"):  # now nobody listens
            await chain.driver.submit(block)
        chain.sidecar.wait_for_alarm("execution_client_unreachable", since)
        code, unmet = await chain.conditions()
        assert code == 503
        assert "execution_client" in unmet
        async with chain.proposed(block) as proposed:
            assert (await chain.attest(proposed))[0] == 503
        assert (await chain.attest(head))[0] == 200  # what was verified before stays so

        # A sidecar that starts meanwhile waits, and its gates are closed.
        await chain.kill()
        chain.sidecar.launch()
        chain.sidecar.wait_for_log("waiting for the execution client")
        with pytest.raises(CallError, match="no answer from"):
            await chain.driver.submit(block)
        with pytest.raises(aiohttp.ClientError):
            await chain.attest(head)

        chain.execution.fault = None
        await asyncio.to_thread(chain.geth.start)
        await chain.execution.start()
        await asyncio.to_thread(chain.sidecar.wait_ready)
        await chain.settle(block)
        with_witness = chain.execution.methods["engine_newPayloadWithWitnessV4"]
        await chain.until(chain.ready, "ready")
        await chain.advance()
        assert chain.execution.methods["engine_newPayloadWithWitnessV4"] > with_witness  # it was asked what it can do

    on_a_chain(scenario)


def test_one_that_is_slower_than_the_hold(on_a_chain: SharedChain) -> None:
    async def scenario(chain: GuardedChain) -> None:
        since = chain.sidecar.mark()
        block = await chain.build()
        slow = chain.execution.fault = Slow("engine_")
        await chain.withheld(block)
        chain.sidecar.wait_for_log("the execution client has not answered yet", since)
        slow.go.set()
        await chain.until_attested(chain.propose(block))  # its answer still comes, although nobody asks again
        assert (await chain.driver.submit(block))["status"] == "VALID"
        assert (await chain.driver.adopt(block))["status"] == "VALID"

    on_a_chain(scenario)


def rpc(result: Any) -> bytes:
    """An answer with this result."""
    return json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}).encode()


NO_ANSWERS = {
    "nothing": b"",
    "html": b"<html>502</html>",
    "null": b"null",
    "a list": b"[]",
    "cut off": rpc({"status": "VALID", "latestValidHash": f"0x{bytes(32).hex()}"})[:-9],
    "not UTF-8": rpc({"status": "VALID"}).replace(b"VALID", b"VALI\xff"),
    "deep": b"[" * 100_000,
    "no result": b'{"jsonrpc":"2.0","id":1}',
    "null result": rpc(None),
    "another status": rpc({"status": "MAYBE", "latestValidHash": None}),
    "status in lower case": rpc({"status": "valid", "latestValidHash": None}),
    "a number as status": rpc({"status": 1, "latestValidHash": None}),
    "short hash": rpc({"status": "VALID", "latestValidHash": "0x12"}),
    "twice": b'{"result": {"status": "VALID"}, "result": {"status": "SYNCING"}}',
    "error without a message": b'{"error": {}}',
    "error that is text": b'{"error": "VALID", "result": {"status": "VALID"}}',
}


def test_one_that_answers_garbage(on_a_chain: SharedChain) -> None:
    async def scenario(chain: GuardedChain) -> None:
        since = chain.sidecar.mark()
        blocks = await chain.siblings(len(NO_ANSWERS))
        for (name, body), block in zip(NO_ANSWERS.items(), blocks, strict=True):
            for status in (200, 500):
                chain.execution.fault = Garbage(NEW_PAYLOAD, body, status)
                try:
                    answer = await chain.driver.submit(block)
                except CallError:
                    continue  # the consensus client is told that there is no answer
                assert answer["status"] == "SYNCING", name
        chain.sidecar.wait_for_alarm("execution_client_garbage", since)
        chain.execution.fault = Garbage(("engine_forkchoiceUpdated",), NO_ANSWERS["html"])
        with pytest.raises(CallError):
            await chain.driver.adopt(blocks[0])
        async with chain.proposed(blocks[0]) as head:
            assert (await chain.attest(head))[0] == 503
        chain.execution.fault = None
        assert (await chain.driver.submit(blocks[-1]))["status"] in ("VALID", "SYNCING")

    on_a_chain(scenario)


def test_one_that_says_valid_of_what_it_never_executed(on_a_chain: SharedChain) -> None:
    async def scenario(chain: GuardedChain) -> None:
        _, block = await chain.siblings(2)
        chain.execution.fault = Garbage(NEW_PAYLOAD, rpc({"status": "VALID", "latestValidHash": block.hash}))
        since = chain.sidecar.mark()
        await chain.withheld(block)
        chain.sidecar.wait_for_log('"event": "no witness"', since)

    on_a_chain(scenario)


def other_blocks_witness(result: Any) -> Any:
    """A witness in which nothing is of this block."""
    return {**result, "witness": "0xc4c0c0c0c0"}


UNREADABLE: dict[str, Callable[[Any], Any]] = {
    "no hex": lambda result: {**result, "witness": "0xzz"},
    "empty": lambda result: {**result, "witness": "0x"},
    "a number": lambda result: {**result, "witness": 7},
    "cut off": lambda result: {**result, "witness": str(result.get("witness"))[:-200]},
    "no list": lambda result: {**result, "witness": "0x" + "7f" * 999},
    "nothing in it": other_blocks_witness,
}


def test_one_whose_witnesses_are_garbage(on_a_chain: SharedChain) -> None:
    async def scenario(chain: GuardedChain) -> None:
        since = chain.sidecar.mark()
        blocks = await chain.siblings(len(UNREADABLE) + 1)
        for twist, block in zip(UNREADABLE.values(), blocks, strict=False):
            chain.execution.fault = Twisted(("engine_newPayloadWithWitness",), twist)
            status = (await chain.driver.submit(block))["status"]
            assert status in ("VALID", "SYNCING")  # audited; the witness that debug_executionWitness gives is good
        chain.sidecar.wait_for_alarm("witness_unreadable", since)

        def broken(result: Any) -> Any:
            return {**result, "state": result["state"][1:]} if isinstance(result, dict) else result

        without = Lacking(("WithWitness",))
        poor = Twisted(WITNESSES, broken)

        async def both(asked: Any) -> Any:
            return await without(asked) or await poor(asked)

        chain.execution.fault = both
        await chain.withheld(blocks[-1])  # without its first node the witness proves nothing to anybody
        chain.execution.fault = None

        async def abstained() -> bool:
            votes = chain.votes(blocks[-1])
            return all(votes.get(name, "").startswith("ABSTAIN witness_insufficient") for name in ("ethrex", "revm"))

        await chain.until(abstained, "abstained")

    on_a_chain(scenario)


@pytest.mark.parametrize(
    "fault",
    [Lacking(("WithWitness",)), Lacking(WITNESSES)],
    ids=["no newPayloadWithWitness", "no debug_executionWitness"],
)
def test_one_that_gives_witnesses_in_one_way_only(fault: Fault, on_a_chain: SharedChain) -> None:
    async def scenario(chain: GuardedChain) -> None:
        chain.execution.fault = fault
        await chain.until_asked()
        for _ in range(2):
            await chain.advance()
        chain.execution.fault = None
        await chain.until_asked()

    on_a_chain(scenario)


def test_one_that_gives_no_witnesses(on_a_chain: SharedChain) -> None:
    """The embedded executor is opened, executes the chain from its genesis block on, and gives the witness."""

    async def scenario(chain: GuardedChain) -> None:
        since = chain.sidecar.mark()
        chain.execution.fault = Lacking(("WithWitness", *WITNESSES))
        (block,) = await chain.siblings(1)
        await chain.settle(block)
        await asyncio.to_thread(chain.sidecar.wait_for_log, "the embedded executor is open", since)
        chain.execution.fault = None
        await chain.until_asked()

    on_a_chain(scenario)
