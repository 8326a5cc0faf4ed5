"""geth, a beacon node and a validator client on one chain, alone or with something of ours between them."""

import contextlib
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.peers.geth_node import GethNode
from tests.peers.lodestar import BeaconNode, ConsensusGenesis, Rules, ValidatorClient, write_genesis
from verifier.demo.genesis import private_genesis

# Seconds from computing the genesis state to the genesis: starting both Lodestar processes takes 6 s on idle cores, and
# every slot before they are up is lost.
GENESIS_DELAY = 15
AGE = 60  # seconds of the execution client's genesis block: its first child is to be younger
RULES = Rules("minimal", validators=8, seconds_per_slot=3)  # one attests each slot; 2 seconds are short on two cores


def free_port() -> int:
    """A port that nothing listens on now, for a peer that has to be told where something will listen."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def shanghai_genesis() -> dict[str, Any]:
    """The execution clients' genesis document for a network that is about to start."""
    return private_genesis("shanghai", int(time.time()) - AGE)


@dataclass
class Participant:
    """geth, a beacon node and a validator client. Each is started by whoever needs it; all are ended on exit.

    directory: for everybody's files; binary: which geth; document: the execution clients' genesis; rules: of the
    network; keys: indices of its validators, all of them unless given. geth is started on entering.
    """

    directory: Path
    binary: Path
    document: dict[str, Any] = field(default_factory=shanghai_genesis)
    rules: Rules = RULES
    keys: range = range(RULES.validators)
    geth: GethNode = field(init=False)
    genesis: ConsensusGenesis = field(init=False)
    beacon: BeaconNode = field(init=False)
    validator: ValidatorClient = field(init=False)
    _stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __enter__(self) -> Self:
        self.geth = GethNode(self.binary, self.directory / "geth", self.document)
        self._stack.enter_context(self.geth)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start_beacon(
        self,
        engine_url: str | None = None,
        jwt_path: Path | None = None,
        *,
        genesis: ConsensusGenesis | None = None,
        delay: int = GENESIS_DELAY,
        port: int = 0,
    ) -> None:
        """Starts the beacon node.

        engine_url, jwt_path: geth's own unless given; genesis: of the network that it joins, a new one unless given,
        `delay` seconds from now.
        """
        self.genesis = genesis or self._new_genesis(delay)
        self.beacon = BeaconNode(
            self.directory / "beacon",
            self.genesis,
            engine_url or self.geth.engine_url,
            jwt_path or self.geth.jwt_path,
            port=port,
        )
        self._stack.enter_context(self.beacon)

    def start_validator(self, beacon_url: str | None = None) -> None:
        """Starts the validator client; beacon_url: the beacon node's own unless given."""
        url = beacon_url or self.beacon.url
        self.validator = ValidatorClient(self.directory / "validator", self.genesis, url, self.keys)
        self._stack.enter_context(self.validator)

    def _new_genesis(self, delay: int) -> ConsensusGenesis:
        when = int(time.time()) + delay
        return write_genesis(self.directory, self.geth.block_hash("0x0"), when, self.rules)


@dataclass(frozen=True, slots=True)
class Participation:
    """What a chain's blocks contain. blocks: slot → block; attested: slots that an included attestation is for."""

    blocks: dict[int, dict[str, Any]]
    attested: frozenset[int]


def participation(beacon: BeaconNode, last_slot: int) -> Participation:
    """What the canonical blocks of slots 1 to `last_slot` contain. Raises OSError."""
    found = {slot: beacon.block(slot) for slot in range(1, last_slot + 1)}
    blocks = {slot: block for slot, block in found.items() if block is not None}
    attestations = [each for block in blocks.values() for each in block["body"]["attestations"]]
    return Participation(blocks, frozenset(int(each["data"]["slot"]) for each in attestations))
