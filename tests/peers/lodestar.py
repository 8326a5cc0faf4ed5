"""A real beacon node and a real validator client: Lodestar, minimal preset, every fork to Capella at genesis.

The newest fork of this version is Capella (execution: Shanghai); it is the newest that can be installed from the
registry alone.
"""

import subprocess
import urllib.error
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.peers.installation import HERE
from tests.peers.json_rpc import get
from tests.peers.process import PeerError, PeerProcess

SLOTS_PER_EPOCH = 8  # of the minimal preset
START_TIMEOUT = 120.0  # seconds until it serves, on two busy cores; 5-8 s on idle ones
GENESIS_TIMEOUT = 120.0  # seconds to compute the genesis state; 3 s on idle cores
STOP_GRACE = 3.0  # seconds from SIGTERM to SIGKILL: the beacon node often does not heed SIGTERM
PRELOADED = HERE / "lodestar-node" / "with_resolvers.cjs"
ENVIRONMENT = {"LODESTAR_PRESET": "minimal", "NODE_NO_WARNINGS": "1"}


@dataclass(frozen=True, slots=True)
class ConsensusGenesis:
    """What beacon nodes of one network start from. time: seconds since 1970."""

    state_path: Path
    time: int
    seconds_per_slot: int
    validators: int

    def flags(self) -> list[str]:
        """What every process of the network is told about it."""
        forks = [f"--params.{fork}_FORK_EPOCH=0" for fork in ("ALTAIR", "BELLATRIX", "CAPELLA")]
        slot = f"--params.SECONDS_PER_SLOT={self.seconds_per_slot}"
        return ["--network", "dev", "--preset", "minimal", *forks, "--params.TERMINAL_TOTAL_DIFFICULTY=0", slot]


def write_genesis(
    directory: Path, execution_hash: str, time: int, *, validators: int = 8, seconds_per_slot: int = 3
) -> ConsensusGenesis:
    """Computes a genesis state. execution_hash: 0x-hex of the execution client's genesis block. Raises PeerError."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "genesis.ssz"
    script = HERE / "lodestar-node" / "genesis.mjs"
    done = subprocess.run(
        [
            *("node", "--require", str(PRELOADED), str(script)),
            *(str(validators), str(time), execution_hash, str(seconds_per_slot), str(path)),
        ],
        env={**_node_environment()},
        capture_output=True,
        text=True,
        timeout=GENESIS_TIMEOUT,
        check=False,
    )
    if done.returncode:
        raise PeerError(f"genesis state: {done.stderr}")
    return ConsensusGenesis(path, time, seconds_per_slot, validators)
