"""A chain whose consensus and validators stand before the sidecar, and its real execution client behind it.

Slots are as fast as everybody answers. All that leaves the gates is audited.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer

from tests.end_to_end.sidecar.adapter_folders import AdapterFolders
from tests.end_to_end.sidecar.audit import Audit
from tests.end_to_end.sidecar.faulty_execution import FaultyExecution, spoil
from tests.end_to_end.sidecar.sidecar_process import SidecarProcess
from tests.peers.geth_node import GethNode
from tests.peers.installation import require_geth
from verifier.app.adapters import ADAPTERS_VARIABLE
from verifier.demo.beacon_node import BeaconBlock, BeaconNode
from verifier.demo.driver import SECONDS_PER_SLOT, Built, ConsensusDriver
from verifier.demo.errors import CallError
from verifier.demo.genesis import private_genesis
from verifier.demo.json_rpc import Caller, JsonRpc
from verifier.demo.traffic import Traffic
from verifier.domain.quorum import quorum_policy
from witness.chain_config import encode_chain_config, parse_chain_config

BEFORE_MERGE = bytes(32)  # what the beacon node says of its genesis block, in which nothing was executed
FORK = "osaka"
GENESIS_TIME = 1_700_000_000
BUILDING_TIME = 0.02  # seconds; what geth has not put into a block by then comes with the next one
CONDITION_TIMEOUT = 60.0  # seconds for what is bound to happen, on two busy cores
POLL = 0.05  # seconds between two looks at a condition
CLIENT_VERSION = "engine_getClientVersionV1"
EXECUTOR = "execution-client"
LIVE = ("ethrex", "revm")  # with geth behind the gate: m = 3, n = 2
# Seconds. Holding longer than that only makes tests longer: everybody answers in milliseconds or not at all.
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "execution": {"lineage": "geth", "name": EXECUTOR},
    "engine": {"hold_seconds": 1.0},
    "beacon": {"hold_seconds": 0.5},
    "adapters": {"live": list(LIVE), "late": [], "verdict_seconds": 2.0, "deadline_seconds": 6.0},
}


class AuditedCaller:
    """Calls the engine gate as the consensus client does; every answer is audited before anybody acts on it."""

    def __init__(self, caller: Caller, audit: Audit) -> None:
        self._caller = caller
        self._audit = audit

    async def call(self, method: str, *params: Any) -> Any:
        """As Caller.call. Raises EscapedError."""
        result = await self._caller.call(method, *params)
        if method.startswith("engine_newPayload"):
            self._audit.payload_status(method, bytes.fromhex(params[0]["blockHash"][2:]), result)
        elif method.startswith("engine_forkchoiceUpdated"):
            head = bytes.fromhex(params[0]["headBlockHash"][2:])
            self._audit.payload_status(method, head, result["payloadStatus"])
        return result


@dataclass
class GuardedChain:
    """See the module. driver: through the gate; direct: geth's plain RPC."""

    geth: GethNode
    execution: FaultyExecution
    beacon: BeaconNode
    adapters: AdapterFolders
    sidecar: SidecarProcess
    audit: Audit
    session: aiohttp.ClientSession
    direct: JsonRpc
    driver: ConsensusDriver = field(init=False)
    _traffic: Traffic = field(default_factory=lambda: Traffic(FORK))
    _height: int = 0

    async def start(self) -> None:
        """Starts the sidecar and waits until it is ready; the driver starts from the chain's head."""
        await self.restart()
        config = parse_chain_config(encode_chain_config(private_genesis(FORK, GENESIS_TIME)["config"]))
        self.driver = ConsensusDriver(self.consensus(), config, building_time=BUILDING_TIME)
        await self.driver.attach()
        await self.until(self.ready, "ready")

    async def restart(self) -> None:
        """Starts the sidecar; returns when both gates answer."""
        await asyncio.to_thread(self.sidecar.start)

    async def kill(self) -> None:
        """SIGKILL to the sidecar."""
        await asyncio.to_thread(self.sidecar.kill)

    def consensus(self, secret: bytes | None = None, clock: Callable[[], float] = time.time) -> AuditedCaller:
        """A consensus client at the engine gate. secret: 32 bytes, the configured one unless given."""
        secret = secret or self.sidecar.secret("consensus.jwt")
        return AuditedCaller(JsonRpc(self.session, self.sidecar.engine_url, secret, clock), self.audit)

    async def build(self) -> Built:
        """The next block, with transactions in it, by the execution client."""
        self._height += 1
        for encoded in self._traffic.transactions(self._height):
            await self.direct.call("eth_sendRawTransaction", f"0x{encoded.hex()}")
        return await self.driver.build()

    async def siblings(self, count: int) -> list[Built]:
        """Different blocks on the head, with the same transactions."""
        first = await self.build()
        slot, timestamp = SECONDS_PER_SLOT, int(first.payload["timestamp"], 16)
        return [first, *[await self.driver.build(timestamp + slot * number) for number in range(1, count)]]

    async def advance(self) -> Built:
        """A slot in which nothing goes wrong: the block is VALID, adopted, and attested to."""
        block = await self.build()
        await self.settle(block)
        return block

    def propose(self, block: Built) -> BeaconBlock:
        """The block comes to be the beacon node's head."""
        return self.beacon.add(self.beacon.slot_at(int(block.payload["timestamp"], 16)), hash_of(block))

    @asynccontextmanager
    async def proposed(self, block: Built) -> AsyncIterator[BeaconBlock]:
        """The block is the beacon node's head for a while, and then is no more."""
        before = self.beacon.head
        try:
            yield self.propose(block)
        finally:
            while self.beacon.head is not before:
                self.beacon.drop_head()

    async def attest(self, block: BeaconBlock) -> tuple[int, dict[str, Any]]:
        """What a validator gets that asks what to attest to in a block's slot: HTTP status, body. Audited."""
        url = f"{self.sidecar.beacon_url}/eth/v1/validator/attestation_data"
        query = {"slot": str(block.slot), "committee_index": "0"}
        async with self.session.get(url, params=query) as response:
            status, body = response.status, await response.json(content_type=None)
        self.audit.words[f"beacon {status}"] += 1
        if status == 200:
            roots = (body["data"]["beacon_block_root"], body["data"]["target"]["root"])
            head, target = (self.beacon.block(bytes.fromhex(root[2:])) for root in roots)
            assert head is not None
            assert target is not None
            self.audit.attestation(head.execution, target.execution)
        return status, body

    async def settle(self, block: Built) -> None:
        """Submits a block again and again until it is VALID, then adopts it, and has it attested to."""

        async def valid() -> bool:
            try:
                return bool((await self.driver.submit(block))["status"] == "VALID")
            except CallError:
                return False

        async def adopted() -> bool:
            try:
                return bool((await self.driver.adopt(block))["status"] == "VALID")
            except CallError:
                return False

        await self.until(valid, f"block {block.number} VALID")
        await self.until(adopted, f"block {block.number} adopted")
        if self.beacon.head.execution != hash_of(block):
            self.propose(block)
        await self.until_attested(self.beacon.head)

    async def until_attested(self, head: BeaconBlock) -> None:
        """Waits until attestation data for a block is let out."""

        async def attested() -> bool:
            return (await self.attest(head))[0] == 200

        await self.until(attested, f"slot {head.slot} attested")

    async def withheld(self, block: Built) -> None:
        """The block is submitted, and nothing is let out of it: neither VALID nor attestation data."""
        status = await self.driver.submit(block)
        assert status["status"] == "SYNCING", status
        assert status["latestValidHash"] is None
        async with self.proposed(block) as head:
            code, body = await self.attest(head)
        assert code == 503, body

    def votes(self, block: Built) -> dict[str, str]:
        """Adapter → what it voted, as recorded with the last decision on the block."""
        return self.audit.votes(hash_of(block))

    def spoilt(self, block: Built, *, lie: bool) -> Built:
        """The block with another state root. lie: the execution client says that it is VALID, and gives its witness."""
        honest = [block.payload, *block.parameters]
        payload, *parameters = spoil(honest, block.versions.new_payload)
        bad = replace(block, payload=payload, parameters=tuple(parameters))
        self.audit.bad.add(hash_of(bad))
        if lie:
            self.execution.lie(bad.hash, honest)
        return bad

    async def conditions(self) -> tuple[int, dict[str, str]]:
        """HTTP status of /readyz, and what is not met with its reason."""
        async with self.session.get(f"{self.sidecar.status_url}readyz") as response:
            body = await response.json()
        return response.status, {each["name"]: each["detail"] for each in body["conditions"] if not each["met"]}

    async def ready(self) -> bool:
        """Whether it says that it is, with every adapter, not just enough of them."""
        async with self.session.get(f"{self.sidecar.status_url}readyz") as response:
            return response.status == 200 and "not ready" not in await response.text()

    async def until_asked(self) -> None:
        """The consensus client asks what can be done, and so the sidecar asks again what the execution client can do.

        It asks each second while that is away, too: two failures within one would be one to it.
        """
        before = self.execution.methods[CLIENT_VERSION]
        await self.consensus().call("engine_exchangeCapabilities", [])

        async def asked() -> bool:
            return self.execution.methods[CLIENT_VERSION] > before

        await self.until(asked, "asked what it can do")

    async def until(self, condition: Callable[[], Awaitable[bool]], what: str) -> None:
        """Waits until an awaited condition is true."""
        try:
            async with asyncio.timeout(CONDITION_TIMEOUT):
                while not await condition():
                    assert self.sidecar.process.running, f"{what}: the sidecar has ended"
                    await asyncio.sleep(POLL)
        except TimeoutError:
            raise AssertionError(f"not {what} within {CONDITION_TIMEOUT:.0f} s") from None


def hash_of(block: Built) -> bytes:
    """32 bytes."""
    return bytes.fromhex(block.hash[2:])


@asynccontextmanager
async def guarded_chain(
    directory: Path,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    live: Sequence[str] = LIVE,
    binary: Path | None = None,
) -> AsyncIterator[GuardedChain]:
    """Everything runs but the sidecar, which `start` starts. settings: of the sidecar, over SETTINGS.

    binary: the execution client's, the plain geth unless given.
    """
    genesis = private_genesis(FORK, GENESIS_TIME)
    geth = GethNode(binary or require_geth(), directory / "geth", genesis)
    beacon = BeaconNode(GENESIS_TIME, SECONDS_PER_SLOT)
    adapters = AdapterFolders(directory / "adapters", live)
    sidecar = SidecarProcess(directory / "sidecar", SETTINGS, {ADAPTERS_VARIABLE: str(adapters.directory)})
    sidecar.write_secret("execution.jwt", geth.secret)
    await asyncio.to_thread(geth.start)
    try:
        async with aiohttp.ClientSession() as session, TestServer(beacon.application()) as served:
            execution = FaultyExecution(geth, session)
            await execution.start()
            urls: dict[str, dict[str, Any]] = {
                "execution": {"url": execution.url, "rpc_url": execution.rpc_url},
                "beacon": {"url": str(served.make_url("")).rstrip("/")},
                "adapters": {"live": list(live)},
                "chain": {"genesis": str(geth.genesis_path)},
            }
            for section, values in [*urls.items(), *(settings or {}).items()]:
                sidecar.settings.setdefault(section, {}).update(values)
            first = bytes.fromhex(geth.block_hash("0x0")[2:])
            policy = quorum_policy({EXECUTOR: "geth", **{name: name for name in live}})
            audit = Audit(sidecar.ledger, policy, {first, BEFORE_MERGE})
            direct = JsonRpc(session, geth.rpc_url)
            try:
                yield GuardedChain(geth, execution, beacon, adapters, sidecar, audit, session, direct)
            finally:
                await asyncio.to_thread(sidecar.kill)
                await execution.stop()
    finally:
        await asyncio.to_thread(geth.stop)
