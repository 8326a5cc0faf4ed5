"""A consensus of one: has an execution client build, judge and adopt block after block over the Engine API.

It is what a beacon node is to an execution client, without validators, votes or peers, and for every fork. It may talk
to the execution client itself or to what stands before it.
"""

import asyncio
import time
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from verifier.executors.stateful.engine_versions import ENGINE_VERSIONS, EngineVersions
from witness.chain_config import FORKS, ChainConfig
from witness.header import keccak256

from .errors import PayloadError
from .json_rpc import Caller

SECONDS_PER_SLOT = 12
SLOTS_PER_EPOCH = 32
# Seconds between asking for a block and taking it: geth answers at once and fills the block with transactions
# meanwhile; whoever takes it too early takes an empty one.
BUILDING_TIME = 0.2
VALID = "VALID"
ZERO_HASH = f"0x{bytes(32).hex()}"


@dataclass(frozen=True, slots=True)
class Built:
    """A block as the execution client built it. payload: ExecutionPayload as JSON; the rest goes along with it."""

    payload: dict[str, Any]
    parameters: tuple[Any, ...]
    versions: EngineVersions

    @property
    def hash(self) -> str:
        """0x-hex."""
        return str(self.payload["blockHash"])

    @property
    def number(self) -> int:
        """The block's number."""
        return int(self.payload["blockNumber"], 16)


@dataclass(frozen=True, slots=True)
class Advance:
    """What became of one block. payload_status, head_status: PayloadStatus as JSON, the latter None if not asked.

    submitting, adopting: seconds that newPayload and forkchoiceUpdated took.
    """

    block: Built
    payload_status: dict[str, Any]
    head_status: dict[str, Any] | None
    submitting: float
    adopting: float

    @property
    def adopted(self) -> bool:
        """Whether the block is the head now."""
        return self.head_status is not None and self.head_status["status"] == VALID


@dataclass
class ConsensusDriver:
    """Extends the chain whose head the execution client tells.

    engine: the Engine API; config: the chain's; recipient: 20 bytes, who gets the fees; building_time: seconds.
    """

    engine: Caller
    config: ChainConfig
    recipient: bytes = bytes(20)
    building_time: float = BUILDING_TIME
    _chain: list[tuple[int, str]] = field(default_factory=list)  # timestamp, hash; from the block it attached to
    _genesis_time: int = 0

    @property
    def head(self) -> str:
        """0x-hex of the block that the next one is built on."""
        return self._chain[-1][1]

    async def attach(self) -> None:
        """Starts from the execution client's head. Raises CallError."""
        genesis = await self.engine.call("eth_getBlockByNumber", "0x0", False)
        head = await self.engine.call("eth_getBlockByNumber", "latest", False)
        self._chain = [(int(head["timestamp"], 16), head["hash"])]
        self._genesis_time = int(genesis["timestamp"], 16)

    async def advance(self, timestamp: int | None = None) -> Advance:
        """Builds a block, submits it, and adopts it if it is VALID; otherwise the next one has the same parent.

        timestamp: seconds, a slot after the head's by default. Raises CallError, PayloadError.
        """
        return await self.propose(await self.build(timestamp))

    async def build(self, timestamp: int | None = None) -> Built:
        """Has a block built on the head. Raises CallError, PayloadError."""
        when = timestamp if timestamp is not None else self._chain[-1][0] + SECONDS_PER_SLOT
        fork = self.config.fork(1, when, paris=True)
        versions = ENGINE_VERSIONS[fork]
        attributes = self._attributes(fork, when)
        answer = await self._forkchoice(versions, self.head, attributes)
        if answer["payloadId"] is None:
            raise PayloadError(f"no block is built on {self.head}: {answer['payloadStatus']}")
        await asyncio.sleep(self.building_time)
        envelope = await self.engine.call(f"engine_getPayloadV{versions.get_payload}", answer["payloadId"])
        if versions.get_payload == 1:
            return Built(envelope, (), versions)
        parameters: tuple[Any, ...] = ()
        if versions.new_payload >= 3:
            hashes = [_versioned_hash(commitment) for commitment in envelope["blobsBundle"]["commitments"]]
            parameters = (hashes, attributes["parentBeaconBlockRoot"])
        if versions.new_payload >= 4:
            parameters = (*parameters, envelope["executionRequests"])
        return Built(envelope["executionPayload"], parameters, versions)

    async def propose(self, block: Built) -> Advance:
        """Submits a block and adopts it if it is VALID. Raises CallError."""
        began = time.perf_counter()
        status = await self.submit(block)
        submitted = time.perf_counter()
        head_status = await self.adopt(block) if status["status"] == VALID else None
        return Advance(block, status, head_status, submitted - began, time.perf_counter() - submitted)

    async def submit(self, block: Built) -> dict[str, Any]:
        """newPayload: the PayloadStatus. Raises CallError."""
        method = f"engine_newPayloadV{block.versions.new_payload}"
        status: dict[str, Any] = await self.engine.call(method, block.payload, *block.parameters)
        return status

    async def adopt(self, block: Built) -> dict[str, Any]:
        """forkchoiceUpdated to a block that was submitted: the PayloadStatus. Raises CallError."""
        status: dict[str, Any] = (await self._forkchoice(block.versions, block.hash))["payloadStatus"]
        if status["status"] == VALID:
            self._chain.append((int(block.payload["timestamp"], 16), block.hash))
        return status

    def revert(self, block_hash: str) -> None:
        """A block of the chain (0x-hex) is the head again: the next one is built on it, as after a re-organisation."""
        del self._chain[[hash_ for _, hash_ in self._chain].index(block_hash) + 1 :]

    async def _forkchoice(
        self, versions: EngineVersions, head: str, attributes: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        # As if every epoch were justified at its end, and finalized an epoch later.
        epoch = self._slot(self._chain[-1][0]) // SLOTS_PER_EPOCH
        state = {
            "headBlockHash": head,
            "safeBlockHash": self._checkpoint(epoch),
            "finalizedBlockHash": self._checkpoint(epoch - 1),
        }
        method = f"engine_forkchoiceUpdatedV{versions.forkchoice_updated}"
        answer: dict[str, Any] = await self.engine.call(method, state, attributes)
        return answer

    def _slot(self, timestamp: int) -> int:
        return (timestamp - self._genesis_time) // SECONDS_PER_SLOT

    def _checkpoint(self, epoch: int) -> str:
        """The block of the epoch's first slot or the last before (phase0, `get_block_root`); none if the first."""
        start = epoch * SLOTS_PER_EPOCH
        return next((hash_ for when, hash_ in self._chain[:0:-1] if self._slot(when) <= start), ZERO_HASH)

    def _attributes(self, fork: str, timestamp: int) -> dict[str, Any]:
        slot = self._slot(timestamp)
        reached = FORKS.index(fork)
        attributes: dict[str, Any] = {
            "timestamp": hex(timestamp),
            "prevRandao": f"0x{keccak256(f'random {slot}'.encode()).hex()}",
            "suggestedFeeRecipient": f"0x{self.recipient.hex()}",
        }
        if reached >= FORKS.index("shanghai"):
            attributes["withdrawals"] = [
                {
                    "index": hex(16 * slot + index),
                    "validatorIndex": hex(index),
                    "address": f"0x{keccak256(f'validator {index}'.encode())[-20:].hex()}",
                    "amount": hex(index * slot),  # gwei
                }
                for index in range(slot % 4)
            ]
        if reached >= FORKS.index("cancun"):
            attributes["parentBeaconBlockRoot"] = f"0x{keccak256(f'beacon block {slot - 1}'.encode()).hex()}"
        if reached >= FORKS.index("amsterdam"):
            attributes["slotNumber"] = hex(slot)
        return attributes


def _versioned_hash(commitment: str) -> str:
    return f"0x01{sha256(bytes.fromhex(commitment[2:])).hexdigest()[2:]}"
