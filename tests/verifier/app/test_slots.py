"""When epochs begin: configured, told, or not known yet, and then every block is judged."""

import asyncio
import json
from dataclasses import dataclass, field

from verifier.app.slots import Slots
from verifier.beacon.errors import BeaconNodeError
from verifier.configuration.sections import ChainSection
from verifier.domain.epoch import EpochSchedule

GOOD: dict[str, object] = {
    "/eth/v1/beacon/genesis": {"data": {"genesis_time": "1000"}},
    "/eth/v1/config/spec": {"data": {"SECONDS_PER_SLOT": "6", "SLOTS_PER_EPOCH": "8"}},
}


@dataclass
class Node:
    """Answers from `rounds`, one after the other; None: it is away."""

    rounds: list[dict[str, object] | None]
    asked: list[str] = field(default_factory=list)

    async def read(self, target: str, limit: int) -> tuple[int, bytes]:
        self.asked.append(target)
        answers = self.rounds[0]
        if len(self.rounds) > 1 and (answers is None or target.endswith("spec") or target not in answers):
            self.rounds.pop(0)
        if answers is None:
            raise BeaconNodeError("away")
        return (200, json.dumps(answers[target]).encode()) if target in answers else (404, b"")


def test_what_is_configured_is_not_asked() -> None:
    slots = Slots(ChainSection(genesis_time=0, seconds_per_slot=12, slots_per_epoch=32))
    node = Node([None])
    asyncio.run(slots.find(node))
    assert not node.asked
    assert [slots.starts_epoch(time) for time in (0, 12, 383, 384, 396)] == [True, False, False, True, False]


def test_every_block_begins_one_until_the_beacon_node_has_told() -> None:
    slots = Slots(ChainSection(seconds_per_slot=4))
    assert slots.starts_epoch(1)
    assert slots.starts_epoch(2)
    odd: dict[str, object] = {**GOOD, "/eth/v1/config/spec": {"data": {"SLOTS_PER_EPOCH": "-1"}}}
    zero: dict[str, object] = {**GOOD, "/eth/v1/config/spec": {"data": {"SLOTS_PER_EPOCH": "0"}}}
    asyncio.run(slots.find(Node([None, {}, odd, zero, GOOD]), retry=0))
    assert slots.schedule == EpochSchedule(1000, 4, 8)
    assert not slots.starts_epoch(1004)
