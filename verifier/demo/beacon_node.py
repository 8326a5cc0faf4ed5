"""A beacon node for demonstrations and tests: what the attestation gate asks and what a validator client gets.

It has no consensus: whoever drives it says which execution block each slot has. Source: beacon-APIs v3.
"""

import asyncio
import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from aiohttp import web

ZERO = f"0x{bytes(32).hex()}"
VERSION = "demo/v1"
POOLS = ("attestations", "sync_committees", "attester_slashings", "proposer_slashings", "voluntary_exits")


@dataclass(frozen=True, slots=True)
class BeaconBlock:
    """root, parent, execution: 32 bytes; execution: the payload's block hash."""

    slot: int
    root: bytes
    parent: bytes
    execution: bytes


class BeaconNode:
    """genesis_time: seconds since 1970. `received` keeps what was posted, by path, in order."""

    def __init__(self, genesis_time: int, seconds_per_slot: int = 12, slots_per_epoch: int = 32) -> None:
        self.genesis_time, self.seconds_per_slot = genesis_time, seconds_per_slot
        self.slots_per_epoch = slots_per_epoch
        self.received: dict[str, list[Any]] = {}
        genesis = BeaconBlock(0, sha256(b"genesis").digest(), bytes(32), bytes(32))
        self._chain = [genesis]
        self._by_root = {genesis.root: genesis}
        self._listening: set[asyncio.Queue[bytes]] = set()

    @property
    def head(self) -> BeaconBlock:
        """The last block."""
        return self._chain[-1]

    def slot_at(self, timestamp: int) -> int:
        """The slot that begins at, or has begun by, a time in seconds since 1970."""
        return (timestamp - self.genesis_time) // self.seconds_per_slot

    def add(self, slot: int, execution: bytes) -> BeaconBlock:
        """A block on the head, which becomes the head; who listens to events hears of it."""
        parent = self.head
        assert slot > parent.slot, "slots only go forward"
        root = sha256(parent.root + slot.to_bytes(8, "big") + execution).digest()
        block = BeaconBlock(slot, root, parent.root, execution)
        self._chain.append(block)
        self._by_root[root] = block
        event = {"slot": str(slot), "block": _data(root), "state": ZERO, "epoch_transition": False}
        for queue in self._listening:
            queue.put_nowait(f"event: head\ndata: {json.dumps(event)}\n\n".encode())
        return block

    def drop_head(self) -> None:
        """The head is no longer of the chain, as after a re-org; its root can still be asked about."""
        assert len(self._chain) > 1, "the genesis block stays"
        self._chain.pop()

    def block(self, root: bytes) -> BeaconBlock | None:
        """Any block that was ever added, by its root."""
        return self._by_root.get(root)

    def target(self, slot: int) -> BeaconBlock:
        """The checkpoint block of the slot's epoch: the one of its first slot, or the last before (phase0)."""
        start = slot - slot % self.slots_per_epoch
        return next(block for block in reversed(self._chain) if block.slot <= start)

    def application(self) -> web.Application:
        """The server. The caller binds it."""
        application = web.Application()
        application.add_routes(
            [
                web.get("/eth/v1/node/version", self._fixed({"version": VERSION})),
                web.get("/eth/v1/node/health", self._health),
                web.get(
                    "/eth/v1/node/syncing",
                    self._fixed({"is_syncing": False, "is_optimistic": False, "el_offline": False}),
                ),
                web.get("/eth/v1/beacon/genesis", self._genesis),
                web.get("/eth/v1/config/spec", self._spec),
                web.get("/eth/v1/beacon/headers/{block}", self._header),
                web.get("/eth/v1/beacon/blinded_blocks/{block}", self._block),
                web.get("/eth/v1/validator/attestation_data", self._attestation_data),
                web.get("/eth/v1/events", self._events),
                *(web.post(f"/eth/v{version}/beacon/pool/{name}", self._pool) for name in POOLS for version in (1, 2)),
            ]
        )
        return application

    def _fixed(self, data: dict[str, Any]) -> Any:
        async def answer(_request: web.Request) -> web.Response:
            return web.json_response({"data": data})

        return answer

    async def _health(self, _request: web.Request) -> web.Response:
        return web.Response()

    async def _genesis(self, _request: web.Request) -> web.Response:
        data = {"genesis_time": str(self.genesis_time), "genesis_validators_root": ZERO}
        return web.json_response({"data": {**data, "genesis_fork_version": "0x00000000"}})

    async def _spec(self, _request: web.Request) -> web.Response:
        data = {"SECONDS_PER_SLOT": str(self.seconds_per_slot), "SLOTS_PER_EPOCH": str(self.slots_per_epoch)}
        return web.json_response({"data": {**data, "CONFIG_NAME": "demo"}})

    async def _header(self, request: web.Request) -> web.Response:
        block = self._named(request)
        message = {"slot": str(block.slot), "proposer_index": "0", "parent_root": _data(block.parent)}
        header = {"message": {**message, "state_root": ZERO, "body_root": ZERO}, "signature": f"0x{bytes(96).hex()}"}
        return web.json_response({"data": {"root": _data(block.root), "canonical": True, "header": header}})

    async def _block(self, request: web.Request) -> web.Response:
        block = self._named(request)
        if block.slot == 0:
            raise web.HTTPNotFound  # nodes keep no body of the genesis block
        body = {"execution_payload_header": {"block_hash": _data(block.execution)}}
        message = {"slot": str(block.slot), "proposer_index": "0", "parent_root": _data(block.parent), "body": body}
        return web.json_response({"version": "deneb", "data": {"message": message, "signature": "0x"}})

    async def _attestation_data(self, request: web.Request) -> web.Response:
        try:
            slot = int(request.query["slot"])
        except (KeyError, ValueError):
            return web.json_response({"code": 400, "message": "slot is missing"}, status=400)
        epoch = slot // self.slots_per_epoch
        data = {
            "slot": str(slot),
            "index": request.query.get("committee_index", "0"),
            "beacon_block_root": _data(self.head.root),
            "source": {"epoch": str(max(0, epoch - 1)), "root": _data(self._chain[0].root)},
            "target": {"epoch": str(epoch), "root": _data(self.target(slot).root)},
        }
        return web.json_response({"data": data})

    async def _pool(self, request: web.Request) -> web.Response:
        self.received.setdefault(request.path, []).extend(await request.json())
        return web.Response()

    async def _events(self, request: web.Request) -> web.StreamResponse:
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._listening.add(queue)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        try:
            await response.prepare(request)
            while True:
                await response.write(await queue.get())
        except ConnectionError:
            return response
        finally:
            self._listening.discard(queue)

    def _named(self, request: web.Request) -> BeaconBlock:
        name = request.match_info["block"]
        if name in ("genesis", "head"):
            return self._chain[0] if name == "genesis" else self.head
        try:
            return self._by_root[bytes.fromhex(name.removeprefix("0x"))]
        except (ValueError, KeyError):
            raise web.HTTPNotFound from None


def _data(value: bytes) -> str:
    return f"0x{value.hex()}"
