"""The demonstration itself: slot after slot a block through one gate, and an attestation through the other."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from verifier.demo.beacon_node import BeaconNode
from verifier.demo.driver import Advance, ConsensusDriver
from verifier.demo.liar import MadeToLie
from verifier.demo.program import Scene, Shown
from verifier.demo.record import BlockRecord, Record
from verifier.demo.traffic import Traffic
from verifier.demo.validator import Attempt, Validator

from .errors import CallError
from .json_rpc import JsonRpc

VOTES_TIMEOUT = 20.0  # seconds for the last vote on a block; eels takes one on two busy cores
POOL_PATH = "/eth/v1/beacon/pool/attestations"


@dataclass
class Stage:
    """Everything that takes part. pool: takes transactions. liars: by name, the adapters that can be made to lie."""

    driver: ConsensusDriver
    node: BeaconNode
    validator: Validator
    pool: JsonRpc
    traffic: Traffic
    record: Record
    liars: dict[str, MadeToLie]
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def play(self, scenes: Sequence[Scene], tell: Callable[[Shown], None], ends: float) -> list[Shown]:
        """Shows one scene a slot. tell: hears of each. ends: on the monotonic clock, when the last one is to be over.

        Raises DemoError if the execution client fails.
        """
        self.record.changed = self._changed.set
        shown: list[Shown] = []
        for index, scene in enumerate(scenes):
            left = ends - time.monotonic()
            next_slot = time.monotonic() + max(0.0, left) / (len(scenes) - index)
            shown.append(await self._scene(scene))
            tell(shown[-1])
            await asyncio.sleep(max(0.0, next_slot - time.monotonic()))
        return shown

    async def _scene(self, scene: Scene) -> Shown:
        await self._send_transactions(scene.slot)
        block = await self.driver.build(self.node.genesis_time + scene.slot * self.node.seconds_per_slot)
        block_hash = bytes.fromhex(block.hash[2:])
        for name in scene.liars:
            self.liars[name].lie_about([block_hash])
        advance = await self.driver.propose(block)
        # As a consensus client does: what is not INVALID is imported, and is the head that validators are told of.
        imported = advance.payload_status["status"] != "INVALID"
        if imported:
            self.node.add(scene.slot, block_hash)
        attempt = await self.validator.attest(scene.slot)
        record = await self._votes(block_hash)
        if imported and not advance.adopted:
            self.node.drop_head()  # the next block is built on the one before, as in a re-org
        return self._shown(scene, advance, attempt, record, block_hash)

    def _shown(self, scene: Scene, advance: Advance, attempt: Attempt, record: BlockRecord, block_hash: bytes) -> Shown:
        decision = record.decision
        return Shown(
            scene=scene,
            number=advance.block.number,
            block_hash=advance.block.hash,
            engine=str(advance.payload_status["status"]),
            engine_ms=advance.submitting * 1000,
            verdict=decision.verdict.value if decision is not None else "",
            disagreement=decision.disagreement if decision is not None else False,
            votes={name: vote.kind.value for name, vote in sorted(record.votes.items())},
            attestation=attempt.result,
            attestation_ms=attempt.seconds * 1000,
            counted=self.attestations().get(block_hash, 0),
            standing=record.status,
            reasons={name: vote.reason for name, vote in sorted(record.votes.items()) if vote.reason},
        )

    def attestations(self) -> dict[bytes, int]:
        """Execution block hash → attestations that reached the beacon node; under b"" those for no block of its own."""
        counts: dict[bytes, int] = {}
        for each in self.node.received.get(POOL_PATH, []):
            block = self.node.block(bytes.fromhex(each["data"]["beacon_block_root"][2:]))
            execution = b"" if block is None else block.execution
            counts[execution] = counts.get(execution, 0) + 1
        return counts

    async def _send_transactions(self, number: int) -> None:
        for each in self.traffic.transactions(number):
            try:
                await self.pool.call("eth_sendRawTransaction", f"0x{each.hex()}")
            except CallError:
                continue  # the embedded client takes none with blobs

    async def _votes(self, block_hash: bytes) -> BlockRecord:
        """What is known of a block once all have voted, or have had the time to."""
        record = self.record.of(block_hash)
        try:
            async with asyncio.timeout(VOTES_TIMEOUT):
                while not record.final:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        return record
