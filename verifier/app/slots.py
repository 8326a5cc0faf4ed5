"""When slots and epochs begin: as configured, else as the beacon node says once it is there.

The beacon node may start after us: its execution client is our gate. Until it has answered, every block is judged.
"""

import asyncio
import json
import logging
from typing import Any

from verifier.beacon.errors import BeaconNodeError
from verifier.beacon.roots import BeaconReader
from verifier.configuration.sections import ChainSection
from verifier.domain.epoch import EpochSchedule, EpochScheduleError

log = logging.getLogger(__name__)

RETRY = 2.0  # seconds; an epoch has minutes, and nothing waits for this
LARGEST_ANSWER = 1 << 20  # bytes; a spec has some 10 KB
GENESIS, SPEC = "/eth/v1/beacon/genesis", "/eth/v1/config/spec"


class Slots:
    """`schedule` is None until it is known. `find` asks until it is."""

    def __init__(self, chain: ChainSection) -> None:
        self._chain = chain
        self.schedule: EpochSchedule | None = None
        if chain.genesis_time is not None and chain.seconds_per_slot and chain.slots_per_epoch:
            self.schedule = EpochSchedule(chain.genesis_time, chain.seconds_per_slot, chain.slots_per_epoch)

    def starts_epoch(self, timestamp: int) -> bool:
        """Whether a payload of this timestamp (seconds) begins an epoch, as far as that is known; else True."""
        return self.schedule is None or self.schedule.starts_epoch(timestamp)

    async def find(self, node: BeaconReader, retry: float = RETRY) -> None:
        """Asks the beacon node until it has told what is not configured. retry: seconds between attempts."""
        said = ""
        while self.schedule is None:
            try:
                self.schedule = await self._ask(node)
            except (BeaconNodeError, EpochScheduleError, ValueError) as error:
                if str(error) != said:
                    said = str(error)
                    log.warning("slots and epochs are not known yet: %s", said)
                await asyncio.sleep(retry)

    async def _ask(self, node: BeaconReader) -> EpochSchedule:
        genesis, spec = await _data(node, GENESIS), await _data(node, SPEC)
        chain = self._chain
        return EpochSchedule(
            genesis_time=_chosen(chain.genesis_time, genesis.get("genesis_time")),
            seconds_per_slot=_chosen(chain.seconds_per_slot, spec.get("SECONDS_PER_SLOT")),
            slots_per_epoch=_chosen(chain.slots_per_epoch, spec.get("SLOTS_PER_EPOCH")),
        )


async def _data(node: BeaconReader, target: str) -> dict[str, Any]:
    status, body = await node.read(target, LARGEST_ANSWER)
    document = json.loads(body) if status == 200 else None
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, dict):
        raise BeaconNodeError(f"the beacon node answers {target} with HTTP status {status}, or not as it should")
    return data


def _chosen(configured: int | None, told: object) -> int:
    if configured is not None:
        return configured
    if not isinstance(told, str) or not told.isascii() or not told.isdigit():
        raise BeaconNodeError("the beacon node does not tell its slots and epochs")
    return int(told)
