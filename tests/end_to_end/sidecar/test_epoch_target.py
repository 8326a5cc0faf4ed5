"""Mode epoch-target before an execution client with a bug: few blocks are judged, and no bad one becomes a target."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.end_to_end.sidecar.private_network import GENESIS_TIME, PrivateNetwork, Settings, private_network
from tests.peers.mutated_geth import POWER_INIT, WRONG_POWER, mutated_geth
from tests.verifier.beacon.messages import attestation_json
from verifier.demo.beacon_node import BeaconBlock
from verifier.demo.driver import SECONDS_PER_SLOT, SLOTS_PER_EPOCH
from verifier.demo.genesis import wallets
from verifier.demo.traffic import Traffic
from verifier.executors.stateful.embedded.signing import DYNAMIC_FEE, Call, Wallet

FORK = "osaka"
QUIET = 0.02  # seconds to build an empty block in
BUSY = 0.3  # seconds to build one with transactions in
SURE = 1.0  # seconds to build one in that must have its transaction
ATTEMPTS = 40  # to be let through, each held for HOLD seconds: a busy machine judges slowly
HOLD = 0.5  # seconds
SETTINGS: Settings = {
    "mode": {"gate": "epoch-target"},
    "adapters": {"live": ["geth", "revm", "ethrex"], "late": []},  # with the execution client's lineage: 2 of 3
    "beacon": {"hold_seconds": HOLD},
    "chain": {
        "genesis_time": GENESIS_TIME,
        "seconds_per_slot": SECONDS_PER_SLOT,
        "slots_per_epoch": SLOTS_PER_EPOCH,
    },
}


@dataclass
class Validator:
    """Proposes and attests, slot after slot. bad: execution hashes of blocks that break the rules.

    targets: roots that attestation data was given out for.
    """

    network: PrivateNetwork
    traffic: Traffic = field(default_factory=lambda: Traffic(FORK))
    visitor: Wallet = field(default_factory=lambda: wallets()["visitor"])
    bad: list[bytes] = field(default_factory=list)
    targets: set[bytes] = field(default_factory=set)

    async def propose(self, slot: int, *, trip: bool = False) -> BeaconBlock:
        """The head of the next slots. trip: with a transaction that the execution client executes wrongly."""
        driver = self.network.driver
        if trip:
            self.network.node.send([self.visitor.sign(DYNAMIC_FEE, Call(data=POWER_INIT))])
        elif slot % 8 == 0:
            self.network.node.send(self.traffic.transactions(1 + slot // 8))
        driver.building_time = SURE if trip else BUSY if slot % 8 == 0 else QUIET
        block = await driver.build(GENESIS_TIME + slot * SECONDS_PER_SLOT)
        if trip:
            assert len(block.payload["transactions"]) == 1
            self.bad.append(bytes.fromhex(block.hash[2:]))
        await driver.propose(block)
        return self.network.beacon.add(slot, bytes.fromhex(block.hash[2:]))

    async def attest(self, slot: int) -> None:
        """Gets attestation data, asking again while the target is being judged."""
        for _ in range(ATTEMPTS):
            status, body = await self.network.attestation_data(slot)
            if status == 200:
                break
        assert status == 200, body
        self._note(body)

    async def refused(self, slot: int) -> None:
        """Gets no attestation data, nor can an attestation be sent that was made elsewhere."""
        for _ in range(ATTEMPTS):  # undecided at first, then disputed
            status, body = await self.network.attestation_data(slot)
            assert status == 503, body
            if "INVALID by" in body["message"]:
                break
        assert "INVALID by" in body["message"], body
        head, target = self.network.beacon.head.root, self.network.beacon.target(slot).root
        session, url = self.network.session, f"{self.network.sidecar.beacon_url}/eth/v1/beacon/pool/attestations"
        async with session.post(url, json=[attestation_json(head, target, slot=slot)]) as response:
            assert response.status == 503, await response.text()

    def _note(self, body: dict[str, Any]) -> None:
        self.targets.add(bytes.fromhex(body["data"]["target"]["root"][2:]))


def judged(network: PrivateNetwork) -> set[bytes]:
    """The hashes of the blocks that any verdict was reached on."""
    return {bytes.fromhex(each["hash"][2:]) for each in network.events("verdict")}


def test_only_targets_are_judged_and_no_bad_block_becomes_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with private_network(tmp_path, mutated_geth(WRONG_POWER), FORK, SETTINGS) as network:
            validator = Validator(network)
            beacon, driver = network.beacon, network.driver
            targets: set[bytes] = set()  # execution hashes

            async def honest(first: int, last: int, *, empty: int = 0, trip: int = 0) -> BeaconBlock:
                """A block in each of these slots but the empty one, and an attestation; the last block."""
                for slot in range(first, last + 1):
                    if slot != empty:
                        await validator.propose(slot, trip=slot == trip)
                    await validator.attest(slot)
                    if beacon.target(slot).slot:
                        targets.add(beacon.target(slot).execution)
                return beacon.head

            def go_back(block: BeaconBlock) -> None:
                """What the consensus does when nobody attests to its head."""
                while beacon.head != block:
                    beacon.drop_head()
                driver.revert(f"0x{block.execution.hex()}")

            # The second epoch's first slot is empty: its target is the block before. A bad block amid it is a head.
            starts = [epoch * SLOTS_PER_EPOCH for epoch in range(6)]
            await honest(1, starts[2] - 1)
            await honest(starts[2], starts[3] - 1, empty=starts[2], trip=starts[2] + 5)
            good = await honest(starts[3], starts[4] - 2)
            assert judged(network) == targets
            assert len(targets) == 3, "of 125 blocks"

            # A bad block in an epoch's last slot becomes a target, for the slot after it is empty.
            await validator.propose(starts[4] - 1, trip=True)
            await validator.attest(starts[4] - 1)  # as a head it is not judged
            assert judged(network) == targets
            await validator.propose(starts[4] + 1)
            for slot in range(starts[4] + 1, starts[4] + 4):
                await validator.refused(slot)
            # The block below is the target now.
            go_back(good)
            good = await honest(starts[4] + 4, starts[5] - 1)

            # A bad block in an epoch's first slot.
            await validator.propose(starts[5], trip=True)
            await validator.refused(starts[5])
            go_back(good)
            await honest(starts[5] + 1, starts[5] + 3)

            assert len(validator.bad) == 3
            assert judged(network) == targets | set(validator.bad[1:])
            assert not targets & set(validator.bad)
            assert "finalized_unverified" not in {each["alarm"] for each in network.events("alarm")}
            assert not network.beacon.received  # attestations that were made elsewhere
            attested = {each.execution for each in map(beacon.block, validator.targets) if each is not None}
            assert attested == targets | {bytes(32)}  # and the genesis block, in which nothing is executed

    asyncio.run(scenario())
