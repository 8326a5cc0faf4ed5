import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from verifier.beacon.gate import AttestationGate, Ruling, hold_seconds
from verifier.beacon.messages import VotedBlocks
from verifier.beacon.roots import ZERO_HASH, Executed, FakeExecutionHashes
from verifier.domain.gate import GateMode
from verifier.domain.standing import Standing, StandingReport
from verifier.domain.status import BlockStatus
from verifier.services.chain_view import FakeChainView

from .messages import root
from .reports import invalid, stands, undecided, verified
from .waiting import until

HEAD, TARGET = root(101), root(102)  # the execution blocks of the beacon blocks root(1) and root(2)
VOTE = VotedBlocks(root(1), root(2))
BLOCKS = {root(1): Executed(HEAD), root(2): Executed(TARGET)}
LONG = 30.0  # seconds: no test waits for it to pass


def run(scenario: Coroutine[Any, Any, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(60):
            await scenario

    asyncio.run(limited())


def ruling(
    reports: dict[bytes, StandingReport],
    voted: VotedBlocks = VOTE,
    mode: GateMode = GateMode.EVERY_BLOCK,
    blocks: dict[bytes, Executed] | None = None,
    seconds: float = 0.02,
) -> Ruling:
    async def scenario() -> Ruling:
        gate = AttestationGate(mode, FakeChainView(reports), FakeExecutionHashes(BLOCKS if blocks is None else blocks))
        found = await gate.rule(voted, seconds)
        await gate.close()
        return found

    return asyncio.run(scenario())


def test_hold_follows_the_slot() -> None:
    assert hold_seconds(12) == 2.5
    assert hold_seconds(24) == 2.5
    assert hold_seconds(3) == 0.625


def test_both_verified_passes_at_once() -> None:
    found = ruling({HEAD: verified(HEAD), TARGET: verified(TARGET)}, seconds=LONG)
    assert found.permission.allowed
    assert found.block_hash == HEAD


@pytest.mark.parametrize("other", [Standing.UNDECIDED, Standing.INVALID, Standing.UNKNOWN])
@pytest.mark.parametrize("which", [HEAD, TARGET])
def test_either_not_verified_is_refused_and_named(which: bytes, other: Standing) -> None:
    found = ruling({HEAD: verified(HEAD), TARGET: verified(TARGET)} | {which: stands(other, which)})
    assert not found.permission.allowed
    assert found.permission.gated
    assert (
        found.permission.reason == f"{'head' if which == HEAD else 'target'} 0x{which.hex()[:8]}… {other}: is {other}"
    )


def test_only_the_head_counts_where_there_is_no_target() -> None:
    assert ruling({HEAD: verified(HEAD)}, VotedBlocks(root(1))).permission.allowed
    assert not ruling({HEAD: undecided(HEAD)}, VotedBlocks(root(1))).permission.allowed


def test_a_block_before_the_merge_executed_nothing() -> None:
    blocks = {root(1): Executed(HEAD), root(2): Executed(ZERO_HASH)}
    assert ruling({HEAD: verified(HEAD)}, blocks=blocks).permission.allowed
    assert ruling({}, VotedBlocks(root(2)), blocks=blocks).permission.allowed


def test_a_root_that_nobody_knows_is_refused() -> None:
    found = ruling({}, blocks={})
    assert not found.permission.allowed
    assert "does not know block 0x01010101" in found.permission.reason


def test_waits_until_both_are_decided() -> None:
    async def scenario() -> None:
        chain = FakeChainView({HEAD: undecided(HEAD), TARGET: undecided(TARGET)})
        gate = AttestationGate(GateMode.EVERY_BLOCK, chain, FakeExecutionHashes(BLOCKS))
        asked = asyncio.create_task(gate.rule(VOTE, LONG))
        await until(lambda: len(chain.waited_for) >= 2)
        chain.decide(HEAD, verified(HEAD))
        await asyncio.sleep(0)
        assert not asked.done()
        chain.decide(TARGET, verified(TARGET))
        assert (await asked).permission.allowed
        await gate.close()

    run(scenario())


def test_invalid_ends_the_wait() -> None:
    async def scenario() -> None:
        chain = FakeChainView({HEAD: undecided(HEAD), TARGET: undecided(TARGET)})
        gate = AttestationGate(GateMode.EVERY_BLOCK, chain, FakeExecutionHashes(BLOCKS))
        asked = asyncio.create_task(gate.rule(VOTE, LONG))
        await until(lambda: len(chain.waited_for) >= 2)
        chain.decide(TARGET, invalid(TARGET))
        assert not (await asked).permission.allowed
        await gate.close()

    run(scenario())


def test_however_many_ask_a_block_is_waited_for_once() -> None:
    async def scenario() -> None:
        chain = FakeChainView({HEAD: undecided(HEAD), TARGET: verified(TARGET)})
        gate = AttestationGate(GateMode.EVERY_BLOCK, chain, FakeExecutionHashes(BLOCKS))
        asked = [asyncio.create_task(gate.rule(VOTE, LONG)) for _ in range(500)]
        await until(lambda: chain.waited_for)
        chain.decide(HEAD, verified(HEAD))
        assert all(found.permission.allowed for found in await asyncio.gather(*asked))
        assert len(chain.waited_for) == 1
        await gate.close()

    run(scenario())


def test_one_that_gives_up_takes_nothing_from_the_others() -> None:
    async def scenario() -> None:
        chain = FakeChainView({HEAD: undecided(HEAD), TARGET: verified(TARGET)})
        gate = AttestationGate(GateMode.EVERY_BLOCK, chain, FakeExecutionHashes(BLOCKS))
        first, second = (asyncio.create_task(gate.rule(VOTE, LONG)) for _ in range(2))
        await until(lambda: chain.waited_for)
        first.cancel()
        await asyncio.wait([first])
        chain.decide(HEAD, verified(HEAD))
        assert (await second).permission.allowed
        await gate.close()

    run(scenario())


def test_a_chain_that_fails_lets_nothing_out() -> None:
    class Failing(FakeChainView):
        def standing(self, block_hash: bytes) -> StandingReport:
            raise RuntimeError("disk full")

    async def scenario() -> None:
        gate = AttestationGate(GateMode.EVERY_BLOCK, Failing(), FakeExecutionHashes(BLOCKS))
        found = await gate.rule(VOTE, LONG)
        assert not found.permission.allowed
        assert "disk full" in found.permission.reason

    run(scenario())


def test_a_wait_that_fails_lets_nothing_out() -> None:
    class Failing(FakeChainView):
        async def wait(self, block_hash: bytes, seconds: float) -> StandingReport:
            raise RuntimeError("closed")

    async def scenario() -> None:
        chain = Failing({HEAD: undecided(HEAD), TARGET: verified(TARGET)})
        gate = AttestationGate(GateMode.EVERY_BLOCK, chain, FakeExecutionHashes(BLOCKS))
        found = await gate.rule(VOTE, LONG)
        assert not found.permission.allowed
        assert "closed" in found.permission.reason

    run(scenario())


def test_epoch_target_waits_for_the_target_alone() -> None:
    async def scenario() -> None:
        chain = FakeChainView({HEAD: undecided(HEAD), TARGET: undecided(TARGET)})
        gate = AttestationGate(GateMode.EPOCH_TARGET, chain, FakeExecutionHashes(BLOCKS))
        asked = asyncio.create_task(gate.rule(VOTE, LONG))
        await until(lambda: chain.waited_for)
        # Its ancestors were never judged: it stays undecided with them, and nobody wakes who waits.
        chain.reports[TARGET] = stands(Standing.UNDECIDED, TARGET, BlockStatus.VERIFIED)
        assert (await asked).permission.allowed
        assert {block for block, _ in chain.waited_for} == {TARGET}
        await gate.close()

    run(scenario())


def test_monitor_lets_everything_out_and_says_what_it_would_have_done() -> None:
    found = ruling({HEAD: verified(HEAD), TARGET: invalid(TARGET)}, mode=GateMode.MONITOR)
    assert found.permission.allowed
    assert found.permission.gated
    assert found.permission.reason.startswith("would refuse: target")
    found = ruling({}, blocks={}, mode=GateMode.MONITOR)
    assert found.permission.allowed
    assert found.permission.gated


@pytest.mark.parametrize(
    ("index", "payload_verified", "parent_verified", "allowed"),
    [
        (0, False, True, True),  # says nothing about the payload
        (0, True, False, False),
        (1, False, True, False),  # says that the payload is part of the chain
        (1, True, False, True),  # (whose standing covers its parent, in a real chain)
        (2, True, True, False),
    ],
)
def test_gloas_votes_for_a_payload_by_index(
    index: int, payload_verified: bool, parent_verified: bool, allowed: bool
) -> None:
    payload, parent = root(103), root(104)
    blocks = {root(1): Executed(payload, parent), root(2): Executed(TARGET)}
    reports = {
        TARGET: verified(TARGET),
        payload: verified(payload) if payload_verified else undecided(payload),
        parent: verified(parent) if parent_verified else undecided(parent),
    }
    assert ruling(reports, VotedBlocks(root(1), root(2), index), blocks=blocks).permission.allowed is allowed
