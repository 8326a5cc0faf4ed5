"""A real beacon node and a real validator client: Lodestar, every fork to Capella at genesis.

The newest fork of this version is Capella (execution: Shanghai); it is the newest that can be installed from the
registry alone.
"""

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from tests.peers.installation import HERE, require_lodestar
from tests.peers.json_rpc import get, post
from tests.peers.process import PeerError, PeerProcess

SLOTS_PER_EPOCH = 8  # of the minimal preset
START_TIMEOUT = 120.0  # seconds until it serves, on two busy cores; 5-8 s on idle ones
GENESIS_TIMEOUT = 120.0  # seconds to compute the genesis state; 3 s on idle cores
STOP_GRACE = 3.0  # seconds from SIGTERM to SIGKILL: the beacon node often does not heed SIGTERM
PRELOADED = HERE / "lodestar-node" / "with_resolvers.cjs"
FEE_RECIPIENT = "0x" + "fe" * 20


@dataclass(frozen=True, slots=True)
class Rules:
    """What all of one network agree on.

    preset: "minimal" (8 slots an epoch) or "mainnet" (32). Lodestar takes a head older than an epoch for a sign that it
    is syncing itself, and stops proposing. validators: how many, with interop keys.
    """

    preset: str = "minimal"
    validators: int = 8
    seconds_per_slot: int = 3

    @property
    def slots_per_epoch(self) -> int:
        """Slots, by the preset."""
        return {"minimal": SLOTS_PER_EPOCH, "mainnet": 32}[self.preset]

    def environment(self) -> dict[str, str]:
        """Variables for every process of the network."""
        return {"LODESTAR_PRESET": self.preset, "NODE_NO_WARNINGS": "1"}


@dataclass(frozen=True, slots=True)
class ConsensusGenesis:
    """What beacon nodes of one network start from. time: seconds since 1970."""

    state_path: Path
    time: int
    rules: Rules

    def flags(self) -> list[str]:
        """What every process of the network is told about it."""
        forks = [f"--params.{fork}_FORK_EPOCH=0" for fork in ("ALTAIR", "BELLATRIX", "CAPELLA")]
        slot = f"--params.SECONDS_PER_SLOT={self.rules.seconds_per_slot}"
        return ["--network", "dev", "--preset", self.rules.preset, *forks, "--params.TERMINAL_TOTAL_DIFFICULTY=0", slot]


def write_genesis(directory: Path, execution_hash: str, time: int, rules: Rules) -> ConsensusGenesis:
    """Computes a genesis state. execution_hash: 0x-hex of the execution client's genesis block. Raises PeerError."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "genesis.ssz"
    script = HERE / "lodestar-node" / "genesis.mjs"
    done = subprocess.run(
        [
            *("node", "--require", str(PRELOADED), str(script)),
            *(str(rules.validators), str(time), execution_hash, str(rules.seconds_per_slot), str(path)),
        ],
        env={**os.environ, **rules.environment()},
        capture_output=True,
        text=True,
        timeout=GENESIS_TIMEOUT,
        check=False,
    )
    if done.returncode:
        raise PeerError(f"genesis state: {done.stderr}")
    return ConsensusGenesis(path, time, rules)


class BeaconNode:
    """One beacon node on a data directory below `directory`.

    engine_url: the execution client, or what stands before it; jwt_path: its secret as hex; port: of its REST API, 0
    for any. After `stop` or `kill`, `start` goes on with the same chain and the same port.
    """

    def __init__(
        self,
        directory: Path,
        genesis: ConsensusGenesis,
        engine_url: str,
        jwt_path: Path,
        *,
        port: int = 0,
        flags: Sequence[str] = (),
    ) -> None:
        self.directory = directory
        self.genesis = genesis
        self.url = f"http://127.0.0.1:{port}"
        self._engine_url, self._jwt_path, self._flags = engine_url, jwt_path, tuple(flags)
        self._process: PeerProcess | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def process(self) -> PeerProcess:
        """The process since the last start."""
        assert self._process is not None, "not started"
        return self._process

    def start(self) -> None:
        """Starts it and waits until its REST API serves. Raises PeerError."""
        command = _command(
            "beacon",
            *("--dataDir", str(self.directory / "data"), *self.genesis.flags()),
            *("--genesisStateFile", str(self.genesis.state_path), "--logFile", "none"),
            *("--rest", "--rest.address", "127.0.0.1", "--rest.port", self.url.rpartition(":")[2]),
            *("--rest.namespace", "*"),
            *("--execution.urls", self._engine_url, "--jwt-secret", str(self._jwt_path), "--eth1", "false"),
            *("--listenAddress", "127.0.0.1", "--port", "0", "--discv5", "false", "--targetPeers", "4"),
            *("--sync.isSingleNode", "true", "--network.allowPublishToZeroPeers", "true"),
            *self._flags,
        )
        self._process = PeerProcess(
            "beacon node", command, self.directory / "beacon.log", self.genesis.rules.environment()
        )
        try:
            self.url = self._process.wait_for_line(r"Started REST API server.*address=(http://[^\s,]+)", START_TIMEOUT)[
                1
            ]
            self.get("/eth/v1/beacon/genesis")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends it; SIGTERM alone often does not."""
        if self._process is not None:
            self._process.stop(STOP_GRACE)

    def kill(self) -> None:
        """Ends it as a crash does."""
        self.process.kill()

    def get(self, path: str) -> Any:
        """The `data` of what its Beacon API answers to a GET. Raises OSError."""
        answer = get(f"{self.url}{path}")
        return answer["data"] if answer else None

    def events(self, *topics: str, timeout: float) -> Iterator[tuple[str, Any]]:
        """Its events as they come: topic and data. timeout: seconds without any until it raises TimeoutError."""
        url = f"{self.url}/eth/v1/events?{urlencode({'topics': ','.join(topics)})}"
        with urllib.request.urlopen(url, timeout=timeout) as stream:
            topic = ""
            for encoded in stream:
                name, _, value = encoded.decode().strip().partition(":")
                if name == "event":
                    topic = value.strip()
                elif name == "data":
                    yield topic, json.loads(value)

    def wait_for_slot(self, slot: int, timeout: float) -> int:
        """Waits until its head is at `slot` or later; the head's slot. timeout: seconds without a new head."""
        head = int(self.get("/eth/v1/beacon/headers/head")["header"]["message"]["slot"])
        if head >= slot:
            return head
        heads = (int(data["slot"]) for _, data in self.events("head", timeout=timeout))
        return next(head for head in heads if head >= slot)

    def block(self, block: int | str) -> dict[str, Any] | None:
        """A block of its chain by slot, root or tag; None for an empty slot. Raises OSError."""
        try:
            message: dict[str, Any] = self.get(f"/eth/v2/beacon/blocks/{block}")["message"]
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise
        return message

    def finalized_epoch(self) -> int:
        """The last finalized epoch, 0 while there is none."""
        return int(self.get("/eth/v1/beacon/states/head/finality_checkpoints")["finalized"]["epoch"])

    def address(self) -> str:
        """The multiaddress under which another beacon node reaches it."""
        identity = self.get("/eth/v1/node/identity")
        return next(str(address) for address in identity["p2p_addresses"] if "/127.0.0.1/tcp/" in address)

    def connect(self, other: "BeaconNode") -> None:
        """Connects it to another beacon node. Raises OSError."""
        address = other.address()
        query = urlencode({"peerId": address.rpartition("/")[2], "multiaddr": address})
        post(f"{self.url}/eth/v1/lodestar/connect_peer?{query}")


class ValidatorClient:
    """One validator client with interop keys.

    beacon_url: its beacon node, or what stands before it; keys: indices of validators, first to last. Start it when
    its beacon node serves. After `stop` or `kill`, `start` goes on with the same slashing protection.
    """

    def __init__(
        self, directory: Path, genesis: ConsensusGenesis, beacon_url: str, keys: range, flags: Sequence[str] = ()
    ) -> None:
        self.directory = directory
        self.genesis = genesis
        self._beacon_url, self._keys, self._flags = beacon_url, keys, tuple(flags)
        self._process: PeerProcess | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def process(self) -> PeerProcess:
        """The process since the last start."""
        assert self._process is not None, "not started"
        return self._process

    def start(self) -> None:
        """Starts it and waits until it knows its beacon node's genesis. Raises PeerError."""
        command = _command(
            "validator",
            *("--dataDir", str(self.directory / "data"), *self.genesis.flags(), "--logFile", "none", "--force"),
            *("--beaconNodes", self._beacon_url, "--interopIndexes", f"{self._keys[0]}..{self._keys[-1]}"),
            *("--suggestedFeeRecipient", FEE_RECIPIENT, *self._flags),
        )
        self._process = PeerProcess(
            "validator client", command, self.directory / "validator.log", self.genesis.rules.environment()
        )
        try:
            self._process.wait_for_line(r"Genesis available|Genesis fetched", START_TIMEOUT)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends it in order."""
        if self._process is not None:
            self._process.stop(STOP_GRACE)

    def kill(self) -> None:
        """Ends it as a crash does."""
        self.process.kill()


def _command(name: str, *flags: str) -> list[str]:
    return ["node", "--require", str(PRELOADED), str(require_lodestar()), name, *flags]
