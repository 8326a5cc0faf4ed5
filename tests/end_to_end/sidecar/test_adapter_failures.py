"""Adapters that are killed, hang, are slow, or are all gone: what the gates let out, and what the operator sees."""

import asyncio

import psutil

from tests.end_to_end.sidecar.conftest import SharedChain
from tests.end_to_end.sidecar.guarded_chain import LIVE, GuardedChain
from tests.end_to_end.sidecar.sidecar_process import wait_gone
from verifier.demo.driver import Built


def adapter(chain: GuardedChain, name: str) -> psutil.Process:
    """The one process of an adapter."""
    (process,) = chain.sidecar.adapters(f"{name}-adapter")
    return process


async def until_voted(chain: GuardedChain, block: Built, name: str, vote: str) -> None:
    """Waits until the adapter's vote on the block is recorded, and is this one."""

    async def voted() -> bool:
        return chain.votes(block).get(name, "").startswith(vote)

    await chain.until(voted, f"block {block.number}: {name} {vote}")


def test_one_that_is_killed_is_missed_by_nobody_and_comes_back(on_a_chain: SharedChain) -> None:
    async def scenario(chain: GuardedChain) -> None:
        since = chain.sidecar.mark()
        killed = adapter(chain, "ethrex")
        killed.suspend()  # so that it dies with a block in its hands
        block = await chain.build()
        await chain.settle(block)  # by geth and revm, two of three
        killed.kill()
        chain.sidecar.wait_for_log("adapter=ethrex event=crashed reason='killed by signal 9", since)
        await chain.until(chain.ready, "all adapters ready")
        await until_voted(chain, block, "ethrex", "VALID")  # the request that it died with is made once more
        following = await chain.advance()
        await until_voted(chain, following, "ethrex", "VALID")

    on_a_chain(scenario)


def test_one_that_hangs_is_missed_by_nobody_and_is_started_again(on_a_chain: SharedChain) -> None:
    async def scenario(chain: GuardedChain) -> None:
        since = chain.sidecar.mark()
        hung = adapter(chain, "revm")
        hung.suspend()
        block = await chain.advance()
        honest = await chain.build()
        # Now the execution client lies. Two of three, but one of them contradicts: no quorum, either way.
        await chain.withheld(chain.spoilt(honest, lie=True))
        await chain.settle(honest)
        await until_voted(chain, block, "revm", "ABSTAIN timeout")
        # Nobody wakes it: that a request ran on after its deadline is noticed, and it is replaced.
        chain.sidecar.wait_for_log("adapter=revm event=crashed reason='a request ran on for", since)
        wait_gone([hung])
        await chain.until(chain.ready, "all adapters ready")
        following = await chain.advance()
        await until_voted(chain, following, "revm", "VALID")

    on_a_chain(scenario)


def test_slow_ones_decide_later_and_nothing_gets_out_before(on_a_chain: SharedChain) -> None:
    async def scenario(chain: GuardedChain) -> None:
        since = chain.sidecar.mark()
        slow = [adapter(chain, name) for name in LIVE]
        block = await chain.build()
        for each in slow:
            each.suspend()
        await chain.withheld(block)
        assert (await chain.driver.adopt(block))["status"] == "SYNCING"
        chain.sidecar.wait_for_log('"verdict": "HOLD".*"expired": true', since)
        asking = asyncio.create_task(chain.driver.submit(block))  # held once more, and the votes come meanwhile
        for each in slow:
            each.resume()
        assert (await asking)["status"] in ("VALID", "SYNCING")  # SYNCING where the machine is slower than the hold
        await chain.settle(block)
        chain.sidecar.wait_for_log('"verdict": "ATTEST".*"was": "HOLD"', since)

    on_a_chain(scenario)


def test_when_all_are_gone_nothing_gets_out_until_they_are_back(on_a_chain: SharedChain) -> None:
    async def scenario(chain: GuardedChain) -> None:
        since = chain.sidecar.mark()
        head = chain.beacon.head
        block = await chain.build()
        chain.adapters.remove()
        gone = chain.sidecar.adapters()
        assert len(gone) == len(LIVE)
        for each in gone:
            each.kill()
        await chain.withheld(block)
        for name in LIVE:
            chain.sidecar.wait_for_log(f"adapter={name} event=crashed", since)
        code, unmet = await chain.conditions()
        assert code == 503
        assert "not ready: ethrex, revm" in unmet["adapters"]
        assert (await chain.attest(head))[0] == 200  # what was verified before stays so
        lie = chain.spoilt(block, lie=True)
        await chain.withheld(lie)
        chain.adapters.restore()
        await chain.settle(block)
        assert (await chain.driver.submit(lie))["status"] == "SYNCING"

    on_a_chain(scenario)
