"""The sidecar as a process between an execution client and a beacon node that are served here."""

import asyncio
import json
import os
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from aiohttp.test_utils import TestServer

from verifier.app import bundled_chain
from verifier.demo.beacon_node import BeaconNode
from verifier.demo.execution_client import ExecutionClient
from verifier.demo.private_chain import PrivateChain
from verifier.executors.jwt import encode_token
from verifier.executors.stateful.embedded.sample_chain import GENESIS_TIME
from verifier.services.conformance.loaders.genesis import load_genesis
from verifier.services.conformance.loaders.rlp_chain import load_blocks
from witness.formats.engine_payload import engine_parameters
from witness.header import decode_block_header

ROOT = Path(__file__).parents[2]
START_TIMEOUT = 240.0  # seconds for the process and its adapters on two busy cores
ANSWER_TIMEOUT = 60.0  # seconds for anything that is only held by the gates' own limits
ZERO = f"0x{bytes(32).hex()}"


def hash_of(block: bytes) -> str:
    """The block's hash, as JSON-RPC has it."""
    return f"0x{decode_block_header(block).hash.hex()}"


@dataclass
class Network:
    """The clients, and what the sidecar is configured with. blocks: of the bundled chain, from 1 on."""

    folder: Path
    client: ExecutionClient
    node: BeaconNode
    session: aiohttp.ClientSession
    blocks: list[bytes]
    addresses: dict[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None

    async def start(self, **environment: str) -> None:
        """Starts the sidecar and waits until both gates answer and the adapters are ready."""
        await self.launch(**environment)
        assert self.process is not None
        assert self.process.stdout is not None
        async with asyncio.timeout(START_TIMEOUT):
            line = (await self.process.stdout.readline()).decode()
        assert line.startswith("READY "), f"{line!r}\n{self.log()}"
        self.addresses = dict(part.split("=", 1) for part in line.split()[1:])
        await self.until(lambda: self.ready(), "ready")

    async def launch(self, **environment: str) -> None:
        """Starts the process, without waiting."""
        with (self.folder / "log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "verifier.cli.main", "sidecar", "--config", str(self.folder / "verifier.toml")),
                cwd=ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, **environment},
            )

    async def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(ANSWER_TIMEOUT):
            return await self.process.wait()

    async def kill(self) -> None:
        """SIGKILL, and its adapters are gone by themselves."""
        assert self.process is not None
        adapters = self.adapters()
        self.process.kill()
        await self.process.wait()
        for each in adapters:
            if each.is_running():
                each.resume()  # one that a test has stopped cannot notice anything
        gone, alive = await asyncio.to_thread(psutil.wait_procs, adapters, ANSWER_TIMEOUT)
        assert not alive, f"left behind: {alive}, gone: {gone}"

    def adapters(self) -> list[psutil.Process]:
        """The processes below the sidecar."""
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def log(self) -> str:
        """What the sidecar has logged."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    async def call(self, method: str, *parameters: Any) -> Any:
        """What the engine gate answers to the consensus client: the result, or the error."""
        secret = bytes.fromhex((self.folder / "consensus.jwt").read_text())
        headers = {"Authorization": f"Bearer {encode_token(secret, int(time.time()))}"}
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        async with self.session.post(self.addresses["engine"], json=body, headers=headers) as response:
            answer = await response.json(content_type=None)
        return answer["result"] if "result" in answer else answer["error"]

    async def new_payload(self, block: bytes) -> dict[str, Any]:
        """The gate's answer to newPayload of a block without requests."""
        version, parameters = engine_parameters(block)
        answer: dict[str, Any] = await self.call(f"engine_newPayloadV{version}", *parameters)
        return answer

    async def choose(self, block: bytes) -> dict[str, Any]:
        """The gate's answer to forkchoiceUpdated with a block as head."""
        state = {"headBlockHash": hash_of(block), "safeBlockHash": ZERO, "finalizedBlockHash": ZERO}
        answer: dict[str, Any] = await self.call("engine_forkchoiceUpdatedV2", state, None)
        return answer

    def propose(self, block: bytes) -> int:
        """The block comes to be the beacon node's head; its slot."""
        header = decode_block_header(block)
        return self.node.add(self.node.slot_at(header.timestamp), header.hash).slot

    async def attestation_data(self, slot: int) -> tuple[int, dict[str, Any]]:
        """HTTP status and body of what the validator client gets."""
        url = f"{self.addresses['beacon']}/eth/v1/validator/attestation_data?slot={slot}&committee_index=0"
        async with self.session.get(url) as response:
            return response.status, await response.json(content_type=None)

    async def until(self, condition: Any, what: str) -> None:
        """Waits until an awaited condition is true."""
        async with asyncio.timeout(START_TIMEOUT):
            while not await condition():
                assert self.process is None or self.process.returncode is None, f"{what}: ended\n{self.log()}"
                await asyncio.sleep(0.05)

    async def ready(self) -> bool:
        """Whether the sidecar says that it is ready."""
        async with self.session.get(f"{self.addresses['status']}readyz") as response:
            return response.status == 200


@asynccontextmanager
async def network(
    folder: Path, options: Mapping[str, str] | None = None, count: int = 6, *, witnesses: bool = True
) -> AsyncIterator[Network]:
    """The clients are served; the sidecar is not started yet. count: blocks of the bundled chain.

    options: keys of the configuration as environment variables have them, without the prefix, to JSON; "{execution}"
    in it is the execution client's address. witnesses: whether that client has any method that gives them.
    """
    for name in ("execution.jwt", "consensus.jwt"):
        (folder / name).write_text(secrets.token_hex(32))
        (folder / name).chmod(0o600)
    secret = bytes.fromhex((folder / "execution.jwt").read_text())
    node = BeaconNode(GENESIS_TIME)
    with (
        PrivateChain(folder / "chain", load_genesis(bundled_chain() / "genesis.json")) as chain,
        ExecutionClient(chain, secret, witness_calls=witnesses, debug_calls=witnesses) as client,
    ):
        async with (
            TestServer(client.application()) as engine,
            TestServer(node.application()) as beacon,
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_TIMEOUT)) as session,
        ):
            settings: dict[str, dict[str, Any]] = {
                "execution": {
                    "url": str(engine.make_url("/")),
                    "jwt_secret_file": "execution.jwt",
                    "lineage": "pyevm",
                },
                "engine": {"jwt_secret_file": "consensus.jwt", "listen": "127.0.0.1:0"},
                "beacon": {"url": str(beacon.make_url("/")), "listen": "127.0.0.1:0"},
                "adapters": {"live": ["pyevm", "eels"], "late": []},
                "chain": {"genesis": str(bundled_chain() / "genesis.json")},
                "disputes": {"evidence": "evidence"},
                "storage": {"ledger": "ledger.sqlite", "witnesses": "witnesses", "embedded": "embedded"},
                "telemetry": {"listen": "127.0.0.1:0", "log_format": "json"},
            }
            for option, text in (options or {}).items():
                section, _, key = option.lower().partition("_")
                settings.setdefault(section, {})[key] = json.loads(
                    text.replace("{execution}", str(engine.make_url("/")))
                )
            (folder / "verifier.toml").write_text(
                "\n".join(
                    f"[{section}]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in table.items())
                    for section, table in settings.items()
                )
            )
            blocks = list(islice(load_blocks(bundled_chain() / "chain.rlp"), count))
            running = Network(folder, client, node, session, blocks)
            try:
                yield running
            finally:
                if running.process is not None and running.process.returncode is None:
                    await running.kill()
