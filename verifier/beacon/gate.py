"""Whether a message that votes for beacon blocks may go out: held until its blocks are decided, refused in time."""

import asyncio
from dataclasses import dataclass

from verifier.domain.gate import GateMode, Permission, attestation_permission, head_permission
from verifier.domain.standing import Standing, StandingReport
from verifier.domain.status import BlockStatus
from verifier.services.chain_view import ChainView

from .errors import BeaconNodeError
from .messages import VotedBlocks
from .roots import ZERO_HASH, Executed, ExecutionHashes

# Seconds that a request is held, of a slot of 12: a common validator client gives up after a quarter of the slot, and
# an answer of ours tells it more than its own timeout.
HOLD_SECONDS = 2.5
MAINNET_SLOT = 12.0  # seconds
# Seconds after which a wait looks again: the chain waits for nothing on a disputed block, whose dispute may yet be
# concluded, and of head and target either may change first.
ROUND_SECONDS = 0.25
HEAD_EVENT_SECONDS = 60.0  # a head event is delayed so long at most: five slots, after which it is no news
BEFORE_MERGE = StandingReport(
    Standing.VERIFIED, ZERO_HASH, "a beacon block without execution", own=BlockStatus.VERIFIED
)


def hold_seconds(seconds_per_slot: float) -> float:
    """How long a request may be held on a chain with such slots: HOLD_SECONDS, less where slots are shorter."""
    return min(HOLD_SECONDS, HOLD_SECONDS * seconds_per_slot / MAINNET_SLOT)


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the gate says of one message. block_hash: the head's execution block, None if it could not be found."""

    permission: Permission
    block_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Hashes:
    """The execution blocks behind a vote. target: None where it has none."""

    head: bytes
    target: bytes | None


class AttestationGate:
    """Judges votes. However many ask about a block, it is waited for once."""

    def __init__(
        self, mode: GateMode, chain: ChainView, execution: ExecutionHashes, *, hold: float = HOLD_SECONDS
    ) -> None:
        """hold: seconds that a message is held while its blocks are undecided."""
        self.mode, self.hold = mode, hold
        self._chain, self._execution = chain, execution
        self._rounds: dict[bytes, asyncio.Task[None]] = {}

    async def rule(self, voted: VotedBlocks, seconds: float) -> Ruling:
        """Whether the message may go out, after at most `seconds`. What cannot be told is refused; nothing is raised.

        In monitor mode it may, and the permission says whether it would have been refused.
        """
        hashes: _Hashes | None = None
        try:
            async with asyncio.timeout(max(seconds, 0)):
                hashes = await self._hashes(voted)
                while not self._settled(hashes):
                    await self._wait(hashes)
        except TimeoutError:
            if hashes is None:
                return self._refuse("the beacon node did not tell in time which payload its block has")
        except BeaconNodeError as error:
            return self._refuse(str(error))
        except Exception as error:  # whatever fails within the verifier: a vote must not slip through
            return self._refuse(f"the verifier failed: {error!r}")
        return Ruling(self._permission(hashes), hashes.head)

    def head_now(self, root: bytes) -> Ruling | None:
        """As `rule` for a beacon block as head, where that can be told without waiting for anything."""
        executed = self._execution.known(root)
        if executed is None:
            return None
        hashes = _Hashes(_head(executed, 0), None)
        return Ruling(self._permission(hashes), hashes.head) if self._settled(hashes) else None

    async def head_ruling(self, root: bytes) -> Ruling:
        """As `rule` for a beacon block as head, held for as long as news of it is worth telling."""
        return await self.rule(VotedBlocks(root), HEAD_EVENT_SECONDS)

    async def close(self) -> None:
        """Ends every wait."""
        tasks = list(self._rounds.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _hashes(self, voted: VotedBlocks) -> _Hashes:
        """Raises BeaconNodeError."""
        head = self._execution.known(voted.head) or await self._execution.executed(voted.head)
        if head.without_payload is not None and voted.index > 1:
            raise BeaconNodeError(f"index {voted.index} is none that this fork has")
        if voted.target is None:
            return _Hashes(_head(head, voted.index), None)
        target = self._execution.known(voted.target) or await self._execution.executed(voted.target)
        # The target's own payload, from Gloas on, is vouched for only as an ancestor of the head's.
        return _Hashes(_head(head, voted.index), _head(target, 0))

    def _standing(self, block_hash: bytes) -> StandingReport:
        return BEFORE_MERGE if block_hash == ZERO_HASH else self._chain.standing(block_hash)

    def _permission(self, hashes: _Hashes, mode: GateMode | None = None) -> Permission:
        head = self._standing(hashes.head)
        if hashes.target is None:
            return head_permission(mode or self.mode, head)
        return attestation_permission(mode or self.mode, head, self._standing(hashes.target))

    def _settled(self, hashes: _Hashes) -> bool:
        """Whether waiting is of no use: it may go out, or a block is INVALID."""
        blocks = [self._standing(hashes.head)] + ([self._standing(hashes.target)] if hashes.target else [])
        if any(report.standing is Standing.INVALID for report in blocks):
            return True
        return not self._permission(hashes).gated

    async def _wait(self, hashes: _Hashes) -> None:
        """Until something may have changed of the blocks that stand in the way."""
        blocking = []
        if head_permission(self.mode, self._standing(hashes.head)).gated:
            blocking.append(hashes.head)
        if hashes.target is not None:
            target = self._standing(hashes.target)
            if attestation_permission(self.mode, target, target).gated and hashes.target not in blocking:
                blocking.append(hashes.target)
        if blocking:
            rounds = [self._round(each) for each in blocking]
            done, _ = await asyncio.wait(rounds, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()  # raises what the chain raised

    def _round(self, block_hash: bytes) -> asyncio.Task[None]:
        task = self._rounds.get(block_hash)
        if task is None:
            task = self._rounds[block_hash] = asyncio.create_task(self._one_round(block_hash))
            task.add_done_callback(lambda done: self._end_round(block_hash, done))
        return task

    def _end_round(self, block_hash: bytes, task: asyncio.Task[None]) -> None:
        del self._rounds[block_hash]
        if not task.cancelled():
            task.exception()  # seen, also where everybody who waited for it has given up

    async def _one_round(self, block_hash: bytes) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + ROUND_SECONDS
        report = await self._chain.wait(block_hash, ROUND_SECONDS)
        if report.disputed and not report.decided:  # then the chain does not wait: not in a tight loop
            await asyncio.sleep(end - loop.time())

    def _refuse(self, reason: str) -> Ruling:
        if self.mode is GateMode.MONITOR:
            return Ruling(Permission(allowed=True, reason=f"would refuse: {reason}", gated=True))
        return Ruling(Permission(allowed=False, reason=reason, gated=True))


def _head(executed: Executed, index: int) -> bytes:
    """The execution block that a vote for a beacon block vouches for (consensus-specs, gloas, `AttestationData`)."""
    if executed.without_payload is None or index == 1:
        return executed.block
    return executed.without_payload
