"""geth, a consensus and a beacon node of our own, and the real sidecar between them: a chain of any fork."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer

from tests.end_to_end.sidecar.sidecar_process import SECRETS, START_TIMEOUT, SidecarProcess
from tests.peers.geth_node import GethNode
from verifier.demo.beacon_node import BeaconNode
from verifier.demo.driver import SECONDS_PER_SLOT, SLOTS_PER_EPOCH, ConsensusDriver
from verifier.demo.genesis import private_genesis
from verifier.demo.json_rpc import JsonRpc
from verifier.load.process import until_ready
from witness.chain_config import encode_chain_config, parse_chain_config

GENESIS_TIME = 1_700_000_000
EXECUTOR = "execution-client"
Settings = Mapping[str, Mapping[str, Any]]  # section → key → value


@dataclass(frozen=True, slots=True)
class PrivateNetwork:
    """driver: talks to the engine gate. rpc: geth's plain RPC, directly. beacon: what the attestation gate asks."""

    node: GethNode
    sidecar: SidecarProcess
    driver: ConsensusDriver
    rpc: JsonRpc
    beacon: BeaconNode
    session: aiohttp.ClientSession

    def events(self, name: str) -> list[dict[str, Any]]:
        """What the sidecar has logged so far of one kind: "verdict", "vote", "alarm" …"""
        return [entry for entry in self.sidecar.logged() if entry.get("event") == name]

    async def attestation_data(self, slot: int) -> tuple[int, dict[str, Any]]:
        """HTTP status and body of what a validator client gets through the attestation gate."""
        url = f"{self.sidecar.beacon_url}/eth/v1/validator/attestation_data?slot={slot}&committee_index=0"
        async with self.session.get(url) as response:
            return response.status, await response.json()


@asynccontextmanager
async def private_network(
    directory: Path, binary: Path, fork: str, settings: Settings
) -> AsyncIterator[PrivateNetwork]:
    """A chain at `fork` from its genesis on, everything running. settings: of the sidecar."""
    genesis = private_genesis(fork, GENESIS_TIME)
    config = parse_chain_config(encode_chain_config(genesis["config"]))
    beacon = BeaconNode(GENESIS_TIME, SECONDS_PER_SLOT, SLOTS_PER_EPOCH)
    with GethNode(binary, directory / "geth", genesis) as node:
        async with TestServer(beacon.application()) as server, aiohttp.ClientSession() as session:
            clients = {
                "execution": {
                    "url": node.engine_url,
                    "jwt_secret_file": str(node.jwt_path),
                    "rpc_url": node.rpc_url,
                    "name": EXECUTOR,
                    "lineage": "geth",
                },
                "beacon": {"url": str(server.make_url("/"))},
                "chain": {"genesis": str(node.genesis_path)},
                "telemetry": {"log_level": "debug"},  # where votes and every verdict are
            }
            both = {
                each: clients.get(each, {}) | dict(settings.get(each, {})) for each in clients.keys() | settings.keys()
            }
            sidecar = SidecarProcess(directory / "sidecar", both)
            try:
                # In a thread: it asks the beacon node, which this loop serves, while it starts.
                await asyncio.to_thread(sidecar.start)
                async with asyncio.timeout(START_TIMEOUT):
                    await until_ready(session, sidecar.status_url)
                driver = ConsensusDriver(JsonRpc(session, sidecar.engine_url, sidecar.secret(SECRETS[1])), config)
                await driver.attach()
                yield PrivateNetwork(node, sidecar, driver, JsonRpc(session, node.rpc_url), beacon, session)
            finally:
                await asyncio.to_thread(sidecar.stop)
