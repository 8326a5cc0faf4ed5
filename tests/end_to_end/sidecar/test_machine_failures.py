"""A full disk, clocks that differ, secrets that do: what the gates let out, and what the operator sees."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest

from tests.end_to_end.sidecar.conftest import SharedChain
from tests.end_to_end.sidecar.faulty_execution import Fault, Guarding
from tests.end_to_end.sidecar.guarded_chain import GuardedChain
from tests.peers.process import PeerError
from verifier.demo.errors import CallError

SKEW = 90.0  # seconds; the Engine API allows 60


@contextmanager
def full_disk(chain: GuardedChain, room: int = 1) -> Iterator[None]:
    """No file of the sidecar can grow beyond `room` bytes: writing fails as on a full disk (RLIMIT_FSIZE)."""
    process = psutil.Process(chain.sidecar.process.pid)
    before = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        with suppress(psutil.NoSuchProcess):
            process.rlimit(psutil.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full(on_a_chain: SharedChain) -> None:
    async def scenario(chain: GuardedChain) -> None:
        since, head = chain.sidecar.mark(), chain.beacon.head
        block, other, third = await chain.siblings(3)
        with full_disk(chain):
            await chain.withheld(block)
            chain.sidecar.wait_for_alarm("ledger_failed", since)
            chain.sidecar.wait_for_alarm("witness_store_failed", since)
            code, unmet = await chain.conditions()
            assert code == 503
            assert "cannot be written" in unmet["ledger"]
            assert (await chain.attest(head))[0] == 200  # what was verified before stays so
            assert (await chain.driver.adopt(block))["status"] == "SYNCING"
            # What closes a block needs no room.
            invalid = chain.spoilt(other, lie=False)
            assert (await chain.driver.submit(invalid))["status"] == "INVALID"
            chain.spoilt(other, lie=True)
            assert (await chain.driver.submit(invalid))["status"] == "INVALID"
        chain.sidecar.wait_for_alarm("ledger_recovered", since)
        await chain.settle(third)
        assert (await chain.driver.submit(invalid))["status"] == "INVALID"
        assert chain.audit.status(bytes.fromhex(invalid.hash[2:])) == "invalid"

    on_a_chain(scenario)


def test_no_room_for_the_ledger_alone(on_a_chain: SharedChain) -> None:
    async def scenario(chain: GuardedChain) -> None:
        log = chain.sidecar.ledger.with_name("ledger.sqlite-wal")
        await asyncio.to_thread(chain.sidecar.stop)
        await chain.restart()  # with an empty log, which then grows beyond what a witness takes
        await chain.until(chain.ready, "ready")
        await chain.advance()
        largest = max(each.stat().st_size for each in (chain.sidecar.directory / "witnesses").iterdir())
        while log.stat().st_size < 2 * largest:
            await chain.advance()
        since = chain.sidecar.mark()
        block = await chain.build()
        with full_disk(chain, 2 * largest):
            await chain.withheld(block)  # although all votes are there
            chain.sidecar.wait_for_log(f'"hash": "{block.hash}", "verdict": "ATTEST"', since)
            assert "witness_store_failed" not in chain.sidecar.alarms(since)
            text = chain.sidecar.wait_for_alarm("ledger_failed", since)
            assert "cannot be written" in text
        await chain.until_attested(chain.propose(block))  # by itself: the votes were not lost
        await chain.settle(block)

    on_a_chain(scenario)


def test_a_disk_that_is_full_when_the_sidecar_is_killed(on_a_chain: SharedChain) -> None:
    async def scenario(chain: GuardedChain) -> None:
        block = await chain.build()
        with full_disk(chain):
            await chain.withheld(block)
            await chain.kill()
        await chain.restart()
        await chain.settle(block)

    on_a_chain(scenario)


@pytest.mark.parametrize("skew", [SKEW, -SKEW])
def test_a_consensus_client_with_another_clock(skew: float, on_a_chain: SharedChain) -> None:
    async def scenario(chain: GuardedChain) -> None:
        block = await chain.build()
        before = sum(chain.execution.methods.values())
        elsewhen = chain.consensus(clock=lambda: time.time() + skew)
        with pytest.raises(CallError, match=r"401.*do the clocks differ"):
            await elsewhen.call("engine_newPayloadV4", block.payload, *block.parameters)
        with pytest.raises(CallError, match=r"401.*do the clocks differ"):
            await elsewhen.call("engine_forkchoiceUpdatedV3", {"headBlockHash": block.hash}, None)
        assert sum(chain.execution.methods.values()) == before  # nothing of it got behind the gate

    on_a_chain(scenario)


def test_a_consensus_client_with_another_secret(on_a_chain: SharedChain) -> None:
    async def scenario(chain: GuardedChain) -> None:
        before = sum(chain.execution.methods.values())
        for secret in (bytes(32), chain.geth.secret):  # also the one that it had before the sidecar came
            with pytest.raises(CallError, match=r"401.*signed with another secret"):
                await chain.consensus(secret).call("eth_chainId")
        assert sum(chain.execution.methods.values()) == before

    on_a_chain(scenario)


def another_clock(chain: GuardedChain) -> Fault:
    """An execution client whose clock is ahead."""
    return Guarding(chain.geth.secret, ahead=SKEW)


def another_secret(chain: GuardedChain) -> Fault:
    """An execution client that has been given a new secret."""
    return Guarding(bytes(32))


@pytest.mark.parametrize("guarding", [another_clock, another_secret])
def test_an_execution_client_that_refuses_our_tokens(
    guarding: Callable[[GuardedChain], Fault], on_a_chain: SharedChain
) -> None:
    async def scenario(chain: GuardedChain) -> None:
        await chain.until_asked()
        since, head = chain.sidecar.mark(), chain.beacon.head
        block = await chain.build()
        chain.execution.fault = guarding(chain)
        with pytest.raises(CallError, match="compare the JWT secrets and the clocks"):
            await chain.driver.submit(block)
        text = chain.sidecar.wait_for_alarm("execution_client_unreachable", since)
        assert "compare the JWT secrets and the clocks" in text
        code, unmet = await chain.conditions()
        assert code == 503
        assert "compare the JWT secrets and the clocks" in unmet["execution_client"]
        async with chain.proposed(block) as proposed:
            assert (await chain.attest(proposed))[0] == 503
        assert (await chain.attest(head))[0] == 200
        chain.execution.fault = None
        await chain.settle(block)

    on_a_chain(scenario)


def test_a_start_with_the_wrong_secret_is_refused(on_a_chain: SharedChain) -> None:
    async def scenario(chain: GuardedChain) -> None:
        await asyncio.to_thread(chain.sidecar.stop)
        right = chain.sidecar.secret("execution.jwt")
        chain.sidecar.write_secret("execution.jwt", bytes(31) + b"\x01")
        with pytest.raises(PeerError, match="sidecar ended"):
            await chain.restart()
        assert chain.sidecar.process.wait_ended(10) == 2
        last = chain.sidecar.process.lines[-1]
        assert last.startswith("verifier: the execution client refuses this verifier's token"), last
        chain.sidecar.write_secret("execution.jwt", right)
        await chain.restart()

    on_a_chain(scenario)
