"""What the consensus driver makes of an execution client's answers. A real client is in tests/end_to_end."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from verifier.demo.driver import SECONDS_PER_SLOT, SLOTS_PER_EPOCH, ZERO_HASH, ConsensusDriver
from verifier.demo.errors import PayloadError
from verifier.demo.genesis import private_genesis
from witness.chain_config import encode_chain_config, parse_chain_config

GENESIS_TIME = 1_700_000_000


def hash_of(number: int) -> str:
    return f"0x{number + 1:064x}"


@dataclass
class ScriptedClient:
    """An execution client that builds empty blocks; `payload`, `head`: the statuses that it answers with."""

    payload: str = "VALID"
    head: str = "VALID"
    built: int = 0
    calls: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    async def call(self, method: str, *params: Any) -> Any:
        self.calls.append((method, params))
        if method == "eth_getBlockByNumber":
            return {"hash": hash_of(0), "timestamp": hex(GENESIS_TIME)}
        if method.startswith("engine_forkchoiceUpdated"):
            attributes = params[1]
            accepted = attributes is not None and self.head == "VALID"
            return {"payloadStatus": {"status": self.head}, "payloadId": "0x01" if accepted else None}
        if method.startswith("engine_getPayload"):
            self.built += 1
            attributes = self.calls[-2][1][1]
            payload = {"blockHash": hash_of(self.built), "blockNumber": hex(self.built)} | attributes
            return {
                "executionPayload": payload,
                "blobsBundle": {"commitments": [f"0xc0{'00' * 47}"]},
                "executionRequests": [],
            }
        assert method.startswith("engine_newPayload"), method
        return {"status": self.payload}


def driver_of(client: ScriptedClient, fork: str = "osaka") -> ConsensusDriver:
    config = parse_chain_config(encode_chain_config(private_genesis(fork, GENESIS_TIME)["config"]))
    driver = ConsensusDriver(client, config, building_time=0)
    asyncio.run(driver.attach())
    client.calls.clear()
    return driver


def test_a_valid_block_becomes_the_head_and_the_next_ones_parent() -> None:
    client = ScriptedClient()
    driver = driver_of(client)
    first = asyncio.run(driver.advance())
    assert first.adopted
    assert driver.head == first.block.hash == hash_of(1)
    asyncio.run(driver.advance())
    methods = [method for method, _ in client.calls]
    once = ["engine_forkchoiceUpdatedV3", "engine_getPayloadV5", "engine_newPayloadV4", "engine_forkchoiceUpdatedV3"]
    assert methods == once * 2
    state, attributes = client.calls[4][1]
    assert state["headBlockHash"] == hash_of(1)
    assert int(attributes["timestamp"], 16) == GENESIS_TIME + 2 * SECONDS_PER_SLOT
    blob_hashes, beacon_root, requests = client.calls[2][1][1:]
    assert blob_hashes == ["0x010657f37554c781402a22917dee2f75def7ab966d7b770905398eba3c444014"]
    assert beacon_root == client.calls[0][1][1]["parentBeaconBlockRoot"]
    assert requests == []


@pytest.mark.parametrize("status", ["SYNCING", "INVALID", "ACCEPTED"])
def test_what_is_not_valid_is_not_built_upon(status: str) -> None:
    client = ScriptedClient(payload=status)
    driver = driver_of(client)
    made = asyncio.run(driver.advance())
    assert not made.adopted
    assert made.head_status is None
    assert driver.head == hash_of(0)
    assert sum(method.startswith("engine_forkchoiceUpdated") for method, _ in client.calls) == 1


def test_a_head_that_is_refused_is_not_built_upon() -> None:
    client = ScriptedClient()
    driver = driver_of(client)
    block = asyncio.run(driver.build())
    client.head = "SYNCING"
    made = asyncio.run(driver.propose(block))
    assert made.head_status == {"status": "SYNCING"}
    assert not made.adopted
    assert driver.head == hash_of(0)
    with pytest.raises(PayloadError, match="SYNCING"):
        asyncio.run(driver.advance())


def test_finality_follows_by_two_epochs() -> None:
    client = ScriptedClient()
    driver = driver_of(client)
    for _ in range(2 * SLOTS_PER_EPOCH):
        asyncio.run(driver.advance())
    state = client.calls[-1][1][0]
    assert state["safeBlockHash"] == hash_of(SLOTS_PER_EPOCH)
    assert state["finalizedBlockHash"] == ZERO_HASH
    asyncio.run(driver.advance())
    state = client.calls[-1][1][0]
    assert state["safeBlockHash"] == hash_of(2 * SLOTS_PER_EPOCH)
    assert state["finalizedBlockHash"] == hash_of(SLOTS_PER_EPOCH)


def test_an_epoch_without_its_first_block_has_the_one_before_as_checkpoint() -> None:
    client = ScriptedClient()
    driver = driver_of(client)
    for slot in (1, SLOTS_PER_EPOCH - 1, SLOTS_PER_EPOCH + 1, 2 * SLOTS_PER_EPOCH + 3):
        asyncio.run(driver.advance(GENESIS_TIME + slot * SECONDS_PER_SLOT))
    asyncio.run(driver.build())
    state = client.calls[-2][1][0]
    assert state["safeBlockHash"] == hash_of(3)
    assert state["finalizedBlockHash"] == hash_of(2)


def test_after_a_reorganisation_the_next_block_is_built_below() -> None:
    client = ScriptedClient()
    driver = driver_of(client)
    for _ in range(3):
        asyncio.run(driver.advance())
    driver.revert(hash_of(1))
    assert driver.head == hash_of(1)
    asyncio.run(driver.build())
    state, attributes = client.calls[-2][1]
    assert state["headBlockHash"] == hash_of(1)
    assert int(attributes["timestamp"], 16) == GENESIS_TIME + 2 * SECONDS_PER_SLOT


@pytest.mark.parametrize(
    ("fork", "last"),
    [("paris", "suggestedFeeRecipient"), ("shanghai", "withdrawals"), ("cancun", "parentBeaconBlockRoot")],
)
def test_attributes_are_the_forks_own(fork: str, last: str) -> None:
    client = ScriptedClient()
    asyncio.run(driver_of(client, fork).build())
    assert list(client.calls[0][1][1])[-1] == last


def test_amsterdam_tells_the_slot() -> None:
    client = ScriptedClient()
    asyncio.run(driver_of(client, "amsterdam").build(GENESIS_TIME + 5 * SECONDS_PER_SLOT))
    assert client.calls[0][0] == "engine_forkchoiceUpdatedV4"
    assert client.calls[0][1][1]["slotNumber"] == "0x5"
