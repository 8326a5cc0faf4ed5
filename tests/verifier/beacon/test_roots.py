import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.beacon.errors import BeaconNodeError, UnreadableMessageError
from verifier.beacon.roots import ZERO_HASH, BeaconRoots, Executed, read_block, read_fork_choice, read_genesis_root

from .messages import hexadecimal, root
from .waiting import until


def block_json(body: dict[str, Any]) -> bytes:
    return json.dumps({"version": "x", "data": {"message": {"slot": "1", "body": body}, "signature": "0x"}}).encode()


PHASE0: dict[str, Any] = {
    "randao_reveal": "0x",
    "eth1_data": {},
    "graffiti": "0x",
    "proposer_slashings": [],
    "attester_slashings": [],
    "attestations": [],
    "deposits": [],
    "voluntary_exits": [],
}
HEADER = {"execution_payload_header": {"block_hash": hexadecimal(root(9))}}
PAYLOAD = {"execution_payload": {"block_hash": hexadecimal(root(9)), "transactions": []}}
BID = {
    "signed_execution_payload_bid": {
        "message": {"block_hash": hexadecimal(root(9)), "parent_block_hash": hexadecimal(root(8))}
    }
}


@dataclass
class Node:
    """Answers by path; `gate`: nothing is answered before it is set."""

    answers: dict[str, tuple[int, bytes]]
    gate: asyncio.Event | None = None
    asked: list[str] = field(default_factory=list)

    async def read(self, target: str, limit: int) -> tuple[int, bytes]:
        self.asked.append(target)
        if self.gate is not None:
            await self.gate.wait()
        return self.answers.get(target, (404, b"{}"))


def blinded(number: int) -> str:
    return f"/eth/v1/beacon/blinded_blocks/{hexadecimal(root(number))}"


def full(number: int) -> str:
    return f"/eth/v2/beacon/blocks/{hexadecimal(root(number))}"


def test_blocks_of_every_fork() -> None:
    assert read_block(block_json({"graffiti": "0x"} | HEADER)) == Executed(root(9))
    assert read_block(block_json({"graffiti": "0x"} | PAYLOAD)) == Executed(root(9))
    assert read_block(block_json({"graffiti": "0x"} | BID)) == Executed(root(9), root(8))
    assert read_block(block_json(PHASE0)) == Executed(ZERO_HASH)
    assert read_block(block_json(PHASE0 | {"sync_aggregate": {}})) == Executed(ZERO_HASH)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"graffiti": "0x", "sync_aggregate": {}},  # parts of a body, perhaps without its payload
        PHASE0 | {"something_new": {}},
        {"something_new": {}},
        {"execution_payload": {}},
        {"execution_payload_header": {"block_hash": "0x12"}},
    ],
)
def test_a_block_of_an_unknown_shape_says_nothing(body: dict[str, Any]) -> None:
    with pytest.raises(UnreadableMessageError):
        read_block(block_json(body))


@given(st.binary(max_size=50))
@settings(deadline=None)  # the machine may be busy
def test_garbage_is_an_error_of_its_own(body: bytes) -> None:
    for read in (read_block, read_genesis_root, lambda each: read_fork_choice(each, root(1))):
        with pytest.raises(UnreadableMessageError):
            read(body)


def test_asks_once_for_many_and_remembers() -> None:
    async def scenario() -> None:
        node = Node({blinded(1): (200, block_json(HEADER))}, asyncio.Event())
        roots = BeaconRoots(node)
        asked = [asyncio.create_task(roots.executed(root(1))) for _ in range(50)]
        await until(lambda: node.asked)
        asked[0].cancel()
        assert node.gate is not None
        node.gate.set()
        assert await asyncio.gather(*asked[1:]) == [Executed(root(9))] * 49
        assert await roots.executed(root(1)) == Executed(root(9))
        assert roots.known(root(1)) == Executed(root(9))
        assert node.asked == [blinded(1)]

    asyncio.run(scenario())


def test_forgets_the_one_not_asked_for_longest() -> None:
    async def scenario() -> None:
        node = Node({blinded(number): (200, block_json(HEADER)) for number in (1, 2, 3)})
        roots = BeaconRoots(node, kept=2)
        for number in (1, 2, 1, 3):
            await roots.executed(root(number))
        assert [roots.known(root(number)) is not None for number in (1, 2, 3)] == [True, False, True]

    asyncio.run(scenario())


def test_falls_back_to_the_full_block() -> None:
    async def scenario() -> None:
        node = Node({full(1): (200, block_json(PAYLOAD))})
        assert await BeaconRoots(node).executed(root(1)) == Executed(root(9))

    asyncio.run(scenario())


def test_the_genesis_block_and_the_checkpoint_are_stored_nowhere() -> None:
    genesis = {"data": {"root": hexadecimal(root(1)), "header": {"message": {"slot": "0"}}}}
    nodes = [{"block_root": hexadecimal(root(2)), "execution_block_hash": hexadecimal(root(9))}]

    async def scenario() -> None:
        node = Node(
            {
                "/eth/v1/beacon/headers/genesis": (200, json.dumps(genesis).encode()),
                "/eth/v1/debug/fork_choice": (200, json.dumps({"fork_choice_nodes": nodes}).encode()),
            }
        )
        roots = BeaconRoots(node)
        assert await roots.executed(root(1)) == Executed(ZERO_HASH)
        assert await roots.executed(root(2)) == Executed(root(9))
        with pytest.raises(BeaconNodeError, match="does not know"):
            await roots.executed(root(3))

    asyncio.run(scenario())


def test_two_answers_for_one_block_are_none() -> None:
    nodes = [{"block_root": hexadecimal(root(1)), "execution_block_hash": hexadecimal(root(n))} for n in (8, 9)]
    assert read_fork_choice(json.dumps({"fork_choice_nodes": nodes}).encode(), root(1)) is None


def test_failures_are_not_remembered() -> None:
    async def scenario() -> None:
        node = Node({blinded(1): (200, b"garbage")})
        roots = BeaconRoots(node)
        with pytest.raises(BeaconNodeError, match="unreadable"):
            await roots.executed(root(1))
        node.answers = {blinded(1): (200, block_json(HEADER))}
        assert await roots.executed(root(1)) == Executed(root(9))

    asyncio.run(scenario())


def test_a_slow_node_is_given_up() -> None:
    async def scenario() -> None:
        roots = BeaconRoots(Node({}, asyncio.Event()), seconds=0.01)
        with pytest.raises(BeaconNodeError, match=r"within 0\.01 s"):
            await roots.executed(root(1))
        await roots.close()

    asyncio.run(scenario())
