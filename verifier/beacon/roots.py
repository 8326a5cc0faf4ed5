"""From a beacon block's root to the execution block in it, as the beacon node tells; kept, since it never changes."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from .errors import BeaconNodeError, UnreadableMessageError
from .json_message import ROOT, load_object

ZERO_HASH = bytes(32)
KEPT = 1024  # roots: a day's targets, and more heads than any fork of hours has
MAX_BLOCK = 64 << 20  # bytes: a block of 10 MiB SSZ (EIP-7934 and its blobs' commitments) as JSON, and as much again
LOOKUP_SECONDS = 2.0  # a beacon node has its newest blocks at hand; below what a gated request may be held
BLINDED = "/eth/v1/beacon/blinded_blocks/{root}"  # a hundredth of the size: asked first
FULL = "/eth/v2/beacon/blocks/{root}"
FORK_CHOICE = "/eth/v1/debug/fork_choice"  # knows the block it started from, which may be stored nowhere
GENESIS = "/eth/v1/beacon/headers/genesis"


@dataclass(frozen=True, slots=True)
class Executed:
    """What a beacon block says of execution. Hashes: 32 bytes, zero where nothing was executed (before the merge).

    block: its payload's block hash. without_payload: from Gloas on (EIP-7732) the execution block on which that payload
    builds, and which is the chain's head where the payload is not counted; None before, where a block is its payload.
    """

    block: bytes
    without_payload: bytes | None = None


class ExecutionHashes(Protocol):
    """What the gate asks. `BeaconRoots` is one."""

    def known(self, root: bytes) -> Executed | None:
        """What is known of a beacon block's root (32 bytes) without asking anybody."""

    async def executed(self, root: bytes) -> Executed:
        """What the beacon block of this root says of execution. Raises BeaconNodeError."""


class BeaconReader(Protocol):
    """How the beacon node is asked. `verifier.beacon.upstream.BeaconNode` is one."""

    async def read(self, target: str, limit: int) -> tuple[int, bytes]:
        """HTTP status and body, of at most `limit` bytes, of a GET for JSON. Raises BeaconNodeError."""


@dataclass
class FakeExecutionHashes:
    """Answers from `blocks`; of others the beacon node knows nothing."""

    blocks: Mapping[bytes, Executed] = field(default_factory=dict)
    asked: list[bytes] = field(default_factory=list)

    def known(self, root: bytes) -> Executed | None:
        """As ExecutionHashes.known."""
        return self.blocks.get(root)

    async def executed(self, root: bytes) -> Executed:
        """As ExecutionHashes.executed."""
        self.asked.append(root)
        if root not in self.blocks:
            raise BeaconNodeError(f"the beacon node does not know block 0x{root.hex()[:8]}…")
        return self.blocks[root]


class BeaconRoots:
    """Asks the beacon node, each root once, however many wait for it."""

    def __init__(self, node: BeaconReader, *, kept: int = KEPT, seconds: float = LOOKUP_SECONDS) -> None:
        """kept: roots remembered. seconds: until a look-up is given up."""
        self._node, self._limit, self._seconds = node, kept, seconds
        self._kept: OrderedDict[bytes, Executed] = OrderedDict()
        self._under_way: dict[bytes, asyncio.Task[Executed]] = {}

    def known(self, root: bytes) -> Executed | None:
        """As ExecutionHashes.known."""
        if (found := self._kept.get(root)) is not None:
            self._kept.move_to_end(root)
        return found

    async def executed(self, root: bytes) -> Executed:
        """As ExecutionHashes.executed."""
        if (found := self.known(root)) is not None:
            return found
        task = self._under_way.get(root)
        if task is None:
            task = self._under_way[root] = asyncio.create_task(self._look_up(root))
            task.add_done_callback(lambda done: self._finish(root, done))
        return await asyncio.shield(task)  # who gives up must not take it from the others

    async def close(self) -> None:
        """Gives up every look-up that is under way."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _finish(self, root: bytes, task: asyncio.Task[Executed]) -> None:
        del self._under_way[root]
        if task.cancelled() or task.exception() is not None:
            return
        self._kept[root] = task.result()
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    async def _look_up(self, root: bytes) -> Executed:
        name = f"0x{root.hex()}"
        try:
            async with asyncio.timeout(self._seconds):
                for pattern in (BLINDED, FULL):
                    status, body = await self._node.read(pattern.format(root=name), MAX_BLOCK)
                    if status == 200:
                        return read_block(body)
                return await self._starting_block(root, name)
        except TimeoutError as error:
            raise BeaconNodeError(
                f"the beacon node did not tell block {name[:10]}… within {self._seconds} s"
            ) from error
        except UnreadableMessageError as error:
            raise BeaconNodeError(f"the beacon node's answer for block {name[:10]}… is unreadable: {error}") from error

    async def _starting_block(self, root: bytes, name: str) -> Executed:
        """A block that the node has no body of: the genesis block, or the checkpoint that it started from."""
        status, body = await self._node.read(GENESIS, MAX_BLOCK)
        if status == 200 and read_genesis_root(body) == root:
            return Executed(ZERO_HASH)
        status, body = await self._node.read(FORK_CHOICE, MAX_BLOCK)
        if status == 200 and (found := read_fork_choice(body, root)) is not None:
            return found
        raise BeaconNodeError(f"the beacon node does not know block {name[:10]}…")


def read_block(body: bytes) -> Executed:
    """`{"data": SignedBeaconBlock}`, blinded or not, of any fork. Raises UnreadableMessageError."""
    content = _object(_object(_object(load_object(body), "data"), "message"), "body")
    for name in ("execution_payload_header", "execution_payload"):
        if name in content:
            return Executed(_hash(_object(content, name), "block_hash"))
    if "signed_execution_payload_bid" in content:
        bid = _object(_object(content, "signed_execution_payload_bid"), "message")
        return Executed(_hash(bid, "block_hash"), _hash(bid, "parent_block_hash"))
    if content.keys() - {"sync_aggregate"} == BODY_OF_PHASE0:
        return Executed(ZERO_HASH)
    raise UnreadableMessageError("a block body of an unknown fork")


# `BeaconBlockBody` of phase0; altair's has a sync_aggregate too. All of it must be there: an answer that lacks parts
# may lack its payload, and a block without one needs no verdict.
BODY_OF_PHASE0 = {
    "randao_reveal", "eth1_data", "graffiti", "proposer_slashings", "attester_slashings", "attestations", "deposits",
    "voluntary_exits",
}  # fmt: skip


def read_genesis_root(body: bytes) -> bytes:
    """The root in the answer for the header of the genesis block. Raises UnreadableMessageError."""
    data = _object(load_object(body), "data")
    slot = _object(_object(data, "header"), "message").get("slot")
    return _hash(data, "root") if slot == "0" else b""


def read_fork_choice(body: bytes, root: bytes) -> Executed | None:
    """What the dump of the fork choice store says of a block; None if nothing, or not one thing alone."""
    nodes = load_object(body).get("fork_choice_nodes")
    if not isinstance(nodes, list):
        raise UnreadableMessageError("fork_choice_nodes is not a list")
    wanted = f"0x{root.hex()}"
    found = {
        _hash(node, "execution_block_hash")
        for node in nodes
        if isinstance(node, dict) and str(node.get("block_root")).lower() == wanted and node.get("execution_block_hash")
    }
    return Executed(found.pop()) if len(found) == 1 else None


def _object(value: dict[str, Any], name: str) -> dict[str, Any]:
    member = value.get(name)
    if not isinstance(member, dict):
        raise UnreadableMessageError(f"{name} is not an object")
    return member


def _hash(value: dict[str, Any], name: str) -> bytes:
    member = value.get(name)
    if not isinstance(member, str) or not ROOT.fullmatch(member):
        raise UnreadableMessageError(f"{name} is not a hash")
    return bytes.fromhex(member[2:])
