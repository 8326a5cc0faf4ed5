"""The demonstration itself: slot after slot a block through one gate, and an attestation through the other."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from verifier.demo.beacon_node import BeaconNode
from verifier.demo.driver import VALID, Built, ConsensusDriver
from verifier.demo.liar import MadeToLie
from verifier.demo.program import Act, Scene
from verifier.demo.record import BlockRecord, Record
from verifier.demo.traffic import Traffic
from verifier.demo.validator import Validator
from verifier.domain.dispute import Conclusion

from .errors import CallError, PayloadError
from .expectation import INVALID, Answer, DisputeShown, Shown
from .fault import Fault
from .guard import Guard
from .json_rpc import JsonRpc

VOTES_TIMEOUT = 20.0  # seconds for the last vote on a block; eels takes one on two busy cores
# Seconds until a dispute has its conclusion, its evidence and its rollback; one or two on two idle cores.
DISPUTE_TIMEOUT = 60.0
# Times that a block is asked for: a busy machine's execution client may answer the first one too late for the gate.
BUILDING_ATTEMPTS = 3
POOL_PATH = "/eth/v1/beacon/pool/attestations"
WHY = "the demonstration: it was made to lie, and will not be any more"


@dataclass
class Stage:
    """Everything that takes part.

    driver, pool: at the engine gate; direct: a way to the execution client past it, for what is not ours to gate and
    for asking where it is. fault: what can be made wrong in the client. liars: by name, the adapters that can be made
    to lie. guard: the sidecar.
    """

    driver: ConsensusDriver
    node: BeaconNode
    validator: Validator
    pool: JsonRpc
    direct: JsonRpc
    traffic: Traffic
    record: Record
    fault: Fault
    liars: dict[str, MadeToLie]
    guard: Guard
    _tripping: list[str] = field(default_factory=list)  # transactions that brought the fault about, 0x-hex

    async def play(
        self, scenes: Sequence[Scene], tell: Callable[[Shown], None], say: Callable[[str], None], ends: float
    ) -> list[Shown]:
        """Shows the scenes. tell: hears of each; say: of what is done between two. ends: monotonic, of the last one.

        Raises DemoError if the execution client fails.
        """
        shown: list[Shown] = []
        for index, scene in enumerate(scenes):
            left = ends - time.monotonic()
            next_slot = time.monotonic() + max(0.0, left) / (len(scenes) - index)
            shown.append(await self._scene(scene))
            tell(shown[-1])
            shown[-1] = await self._release(shown[-1], say)
            await asyncio.sleep(max(0.0, next_slot - time.monotonic()))
        return shown

    async def _scene(self, scene: Scene) -> Shown:
        await self._send(self.traffic.transactions(scene.slot))
        blocks = await self._blocks(scene)
        first, hashes = blocks[0], [bytes.fromhex(each.hash[2:]) for each in blocks]
        for name in scene.liars:
            self.liars[name].lie_about(hashes)
        began = time.perf_counter()
        answers = [await self._submit(first)]
        submitting = time.perf_counter() - began
        answers += [await self._submit(each) for each in blocks[1:]]
        # As a consensus client does: what is not INVALID is imported, and is the head that validators are told of.
        imported = [hash_ for hash_, each in zip(hashes, answers, strict=True) if each.status != INVALID]
        for above, block_hash in enumerate(imported):
            self.node.add(scene.slot + above, block_hash)
        head = (await self.driver.adopt(blocks[len(imported) - 1]))["status"] if imported else ""
        attempt = await self.validator.attest(scene.slot + scene.depth - 1)
        record = self.record.of(hashes[0])
        await self.record.until(lambda: record.final, VOTES_TIMEOUT)
        dispute = await self._dispute(scene, record, blocks)
        if head != VALID:
            for _ in imported:
                self.node.drop_head()  # the next block is built on the one before, as in a re-org
        self.fault.active = False
        decision = record.decision
        counts = self.attestations()
        return Shown(
            scene=scene,
            number=first.number,
            block_hash=first.hash,
            parent=str(first.payload["parentHash"]),
            engine=answers[0].status,
            engine_ms=submitting * 1000,
            head=head,
            verdict=decision.verdict.value if decision is not None else "",
            disagreement=decision.disagreement if decision is not None else False,
            votes={name: vote.kind.value for name, vote in sorted(record.votes.items())},
            attestation=attempt.result,
            attestation_ms=attempt.seconds * 1000,
            counted=sum(counts.get(each, 0) for each in hashes),
            standing=record.status,
            reasons={name: vote.reason for name, vote in sorted(record.votes.items()) if vote.reason},
            above=tuple(answers[1:]),
            dispute=dispute,
            carries=tuple(each for each in self._tripping if each in first.payload["transactions"]),
        )

    async def _blocks(self, scene: Scene) -> list[Built]:
        """What is proposed in the scene: a block, or a branch that others have built whose client errs as ours does."""
        start = self.node.genesis_time + scene.slot * self.node.seconds_per_slot
        if scene.act is not Act.CLIENT_ERRS:
            return [await self._build(start)]
        self.fault.active = True
        tripping = self.fault.transactions()
        self._tripping += [f"0x{each.hex()}" for each in tripping]
        await self._send(tripping)
        others = replace(self.driver, engine=self.direct)
        await others.attach()
        blocks: list[Built] = []
        for above in range(scene.depth):
            blocks.append(self.fault.told(await others.build(start + above * self.node.seconds_per_slot)))
            await others.propose(blocks[-1])
        return blocks

    async def _build(self, timestamp: int) -> Built:
        """A block on the head. Raises PayloadError."""
        for _ in range(BUILDING_ATTEMPTS - 1):
            with contextlib.suppress(PayloadError):
                return await self.driver.build(timestamp)
        return await self.driver.build(timestamp)

    async def _submit(self, block: Built) -> Answer:
        status = await self.driver.submit(block)
        return Answer(block.number, block.hash, str(status["status"]), str(status.get("latestValidHash") or ""))

    async def _dispute(self, scene: Scene, record: BlockRecord, blocks: Sequence[Built]) -> DisputeShown | None:
        """The dispute over the first block, once all that has to follow from it has, or has had the time to."""
        if scene.act is Act.HONEST:
            return None

        def done() -> bool:
            dispute, rolled_back = record.dispute, record.rollback is not None or not scene.rolled_back
            if dispute is None or not dispute.evidence or record.localization is None:
                return False
            return (dispute.conclusion is not None or scene.conclusion is None) and rolled_back

        await self.record.until(done, DISPUTE_TIMEOUT)
        if record.dispute is None:
            return None
        shown = _dispute_shown(record)
        if record.dispute.conclusion is not Conclusion.INVALID:
            caught = tuple(name for name in sorted(self.record.quarantined) if name in scene.liars)
            return replace(shown, quarantined=caught)
        again = tuple([await self._submit(each) for each in blocks])
        at: dict[str, Any] = await self.direct.call("eth_getBlockByNumber", "latest", False)
        return replace(shown, again=again, client_head=str(at["hash"]))

    async def _release(self, shown: Shown, say: Callable[[str], None]) -> Shown:
        """An operator's word for whom the scene has put in quarantine: the scenes to come need everybody."""
        dispute = shown.dispute
        if dispute is None or not dispute.quarantined:
            return shown
        self.record.quarantined.clear()  # who still is will be told at the start
        names = " ".join(dispute.quarantined)
        say(f"an operator stops the sidecar, says `verifier adapters release {names}`, and starts it again")
        await self.guard.release(dispute.quarantined, WHY)
        released = tuple(each for each in dispute.quarantined if each not in self.record.quarantined)
        return replace(shown, dispute=replace(dispute, released=released))

    def attestations(self) -> dict[bytes, int]:
        """Execution block hash → attestations that reached the beacon node; under b"" those for no block of its own."""
        counts: dict[bytes, int] = {}
        for each in self.node.received.get(POOL_PATH, []):
            block = self.node.block(bytes.fromhex(each["data"]["beacon_block_root"][2:]))
            execution = b"" if block is None else block.execution
            counts[execution] = counts.get(execution, 0) + 1
        return counts

    async def _send(self, transactions: Sequence[bytes]) -> None:
        for each in transactions:
            try:
                await self.pool.call("eth_sendRawTransaction", f"0x{each.hex()}")
            except CallError:
                continue  # the embedded client takes none with blobs


def _dispute_shown(record: BlockRecord) -> DisputeShown:
    dispute, localization, rollback = record.dispute, record.localization, record.rollback
    assert dispute is not None, "asked before"
    shown = DisputeShown(
        dispute.id,
        str(dispute.conclusion or ""),
        dispute.reason or dispute.why,
        (dispute.concluded_at or dispute.opened_at) - dispute.opened_at,
        evidence=dispute.evidence,
    )
    if localization is not None:
        shown = replace(
            shown,
            localized=localization.text,
            place=localization.place.value,
            localizing_seconds=localization.seconds,
        )
    if rollback is not None:
        target = "" if rollback.target is None else f"0x{rollback.target.hash.hex()}"
        shown = replace(shown, target=target, step=rollback.step.value, moved=rollback.moved, note=rollback.note)
    return shown
