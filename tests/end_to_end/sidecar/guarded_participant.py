"""geth, the sidecar, a beacon node and a validator client: one participant of a network, as an operator runs it."""

import contextlib
import json
import time
import urllib.error
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from tests.end_to_end.sidecar.sidecar_process import SidecarProcess
from tests.peers.json_rpc import get
from tests.peers.lodestar import BeaconNode, ConsensusGenesis
from tests.peers.network import GENESIS_DELAY, Participant, free_port

EXECUTOR = "execution-client"
READY_TIMEOUT = 120.0  # seconds until all adapters are warm, on two busy cores
POLL = 0.2  # seconds between two looks at what nobody announces


@dataclass
class GuardedParticipant:
    """A participant with the sidecar between its clients. Ends them all on exit.

    clients: its geth is running, nothing else. settings: of the sidecar's configuration, over what its place needs.
    beacon_url: of what stands between the sidecar and the beacon node, if anything does.
    """

    clients: Participant
    settings: Mapping[str, Mapping[str, Any]]
    beacon_url: str = ""
    beacon_port: int = field(default_factory=free_port)
    sidecar: SidecarProcess = field(init=False)
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> Self:
        self._stack.enter_context(self.clients)
        geth = self.clients.geth
        place: dict[str, dict[str, Any]] = {
            "execution": {
                "url": geth.engine_url,
                "rpc_url": geth.rpc_url,
                "name": EXECUTOR,
                "lineage": "geth",
            },
            "beacon": {"url": self.beacon_url or f"http://127.0.0.1:{self.beacon_port}"},
            "chain": {"genesis": str(geth.genesis_path)},
            "telemetry": {"log_level": "debug"},
        }
        sections = place.keys() | self.settings.keys()
        self.sidecar = SidecarProcess(
            self.clients.directory / "sidecar",
            {each: place.get(each, {}) | dict(self.settings.get(each, {})) for each in sections},
        )
        self.sidecar.write_secret("execution.jwt", geth.secret)
        self._stack.callback(self.sidecar.stop)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def beacon(self) -> BeaconNode:
        """The beacon node itself, past the gate."""
        return self.clients.beacon

    def start_sidecar(self) -> None:
        """Starts the sidecar and waits until its adapters are warm. Raises PeerError, TimeoutError."""
        self.sidecar.start()
        deadline = time.monotonic() + READY_TIMEOUT
        while not self._ready():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the sidecar is not ready\n{self.sidecar.process.tail()}")
            time.sleep(POLL)

    def start_beacon(self, genesis: ConsensusGenesis | None = None, delay: int = GENESIS_DELAY) -> None:
        """Starts the beacon node before the sidecar, which runs: in a new network unless one is given."""
        secret = self.sidecar.directory / "consensus.jwt"
        self.clients.start_beacon(self.sidecar.engine_url, secret, genesis=genesis, delay=delay, port=self.beacon_port)

    def start_validator(self) -> None:
        """Starts the validator client before the sidecar."""
        self.clients.start_validator(self.sidecar.beacon_url.rstrip("/"))

    def events(self, name: str, since: int = 0) -> list[dict[str, Any]]:
        """What the sidecar has logged under a name: "verdict", "gate", "vote" …"""
        return [each for each in self.sidecar.logged(since) if each.get("event") == name]

    def _ready(self) -> bool:
        try:
            answer = get(f"{self.sidecar.status_url}readyz")
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            return False
        return "not ready" not in json.dumps(answer)  # of the adapters: not only as many as a quorum needs
