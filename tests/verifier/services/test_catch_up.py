"""Unknown ancestors: found down to a known block, bounded, and bound by their hashes."""

import asyncio

import pytest

from tests.verifier.services.judging_setting import Blocks
from tests.verifier.services.observing import Recorder
from verifier.executors.stateful.errors import ExecutionClientError
from verifier.executors.stateful.source import FakeSource
from verifier.ledger.base import FakeLedger
from verifier.services.catch_up import CatchUp, tracked_from
from verifier.services.chain import Chain

LENGTH = 6


def setting(anchor: int = 0, depth: int = 100) -> tuple[Blocks, Chain, FakeSource, CatchUp, Recorder]:
    blocks, recorder = Blocks(LENGTH), Recorder()
    chain = Chain(FakeLedger(), recorder)
    chain.trust(tracked_from(1337, blocks.headers[anchor]), "configured")
    source = blocks.source()
    return blocks, chain, source, CatchUp(chain, source, recorder, 1337, depth=depth), recorder


def test_everything_down_to_what_is_known() -> None:
    blocks, chain, _, catch_up, _ = setting()
    assert asyncio.run(catch_up.reach(blocks.hash(5))) == ""
    assert set(chain.blocks) == {blocks.hash(number) for number in range(6)}
    assert asyncio.run(catch_up.reach(blocks.hash(5))) == ""


@pytest.mark.parametrize(("depth", "said"), [(5, ""), (4, "no known ancestor within 4 blocks")])
def test_no_deeper_than_configured(depth: int, said: str) -> None:
    blocks, chain, _, catch_up, recorder = setting(depth=depth)
    for _ in range(2):
        assert asyncio.run(catch_up.reach(blocks.hash(5))).startswith(said)
    assert len(chain.blocks) == (6 if not said else 1)
    assert recorder.alarms() == (["catch_up_too_deep"] if said else [])


def test_a_block_below_the_anchor_or_beside_it() -> None:
    blocks, chain, _, catch_up, _ = setting(anchor=3)
    beside = Blocks(LENGTH)
    assert "is not on a trusted block: its ancestor 2 is another" in asyncio.run(catch_up.reach(beside.hash(2)))
    assert set(chain.blocks) == {blocks.hash(3)}


def test_what_the_client_does_not_have() -> None:
    blocks, chain, source, catch_up, _ = setting()
    assert "does not have block 0x7777" in asyncio.run(catch_up.reach(b"\x77" * 32))
    del source.contents[blocks.hash(2)], source.contents[blocks.hash(3)]  # 2 is still known by its child's witness

    assert "does not have block" in asyncio.run(catch_up.reach(blocks.hash(5)))
    assert len(chain.blocks) == 1

    def fail() -> None:
        raise ExecutionClientError("it does not answer")

    source.fail = fail
    assert asyncio.run(catch_up.reach(blocks.hash(5))) == "it does not answer"


def test_a_given_number_of_headers_need_not_reach_anything() -> None:
    blocks, chain, _, catch_up, _ = setting()
    assert asyncio.run(catch_up.reach(blocks.hash(5), depth=1)) == ""
    assert set(chain.blocks) == {blocks.hash(0), blocks.hash(5)}
