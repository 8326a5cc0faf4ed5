"""A network whose majority has one bug, and a guarded chain in it: three of the five lineages that judge have it too.

The execution client (geth), the embedded executor (pyevm) and eels take EXP for one too high; ethrex and revm do not.
Four of five have to say VALID, and two can say INVALID. A correct geth, that nobody guards, builds the right blocks.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.end_to_end.sidecar import mutated_embedded
from tests.end_to_end.sidecar.guarded_chain import (
    BUILDING_TIME,
    EXECUTOR,
    FORK,
    GENESIS_TIME,
    GuardedChain,
    guarded_chain,
    hash_of,
)
from tests.faults.mutated_eels import MUTATION_FILE
from tests.peers.geth_node import GethNode
from tests.peers.installation import require_geth
from tests.peers.mutated_geth import POWER_INIT, WRONG_POWER, mutated_geth
from verifier.demo.driver import SECONDS_PER_SLOT, Built, ConsensusDriver
from verifier.demo.genesis import private_genesis, wallets
from verifier.demo.json_rpc import JsonRpc
from verifier.domain.quorum import QuorumPolicy
from verifier.executors.stateful.embedded.building import address_of
from verifier.executors.stateful.embedded.signing import DYNAMIC_FEE, Call, Wallet
from witness.chain_config import encode_chain_config, parse_chain_config

HONEST = ("ethrex", "revm")
MUTATED = "mutated-eels"
LINEAGES = {EXECUTOR: "geth", "embedded": "pyevm", MUTATED: "eels", "ethrex": "ethrex", "revm": "revm"}
MAJORITY = frozenset(LINEAGES.values()) - frozenset(HONEST)
REQUIRED, REJECTING = 4, 2  # of five lineages
# Seconds. What nobody can judge is held for as long as that with each question, and there are many.
HOLD = 0.2
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "execution": {"witness": "embedded"},
    "engine": {"hold_seconds": HOLD},
    "beacon": {"hold_seconds": HOLD},
    # The correct clients are kept from answering for a while; their answers still count then.
    "adapters": {"live": [MUTATED, *HONEST], "verdict_seconds": 1.0, "deadline_seconds": 300.0},
    "quorum": {"required": REQUIRED, "rejecting": REJECTING},
    "disputes": {"enabled": True, "valid": REQUIRED, "invalid": REJECTING},
}
ROOT = Path(__file__).parents[3]
MANIFEST = """
name = "{name}"
lineage = "eels"
description = "The executable specification with a rule changed"
forks = ["{fork}"]

[start]
command = ["env", "PYTHONPATH={root}", "{variable}={file}", "{{python}}", "-m", "tests.faults.mutated_eels"]
modules = []
"""


@dataclass
class MutatedMajority:
    """chain: the guarded one. honest: a correct geth, with the right blocks. builder: has it build, and follow.

    proposer: has the guarded geth build without asking the gate, as a proposer elsewhere has its own one.
    """

    chain: GuardedChain
    honest: GethNode
    builder: ConsensusDriver = field(init=False)
    proposer: ConsensusDriver = field(init=False)
    _wallets: Mapping[str, Wallet] = field(default_factory=wallets)

    async def start(self) -> None:
        """Starts the sidecar and waits until everybody is ready."""
        await self.chain.start()
        self.builder = await self._driver(self.honest)
        self.proposer = await self._driver(self.chain.geth)

    async def good(self, timestamp: int | None = None) -> Built:
        """The next right block, with a transaction in it; the correct geth has it then."""
        call = Call(to=address_of("payee"), value=1)
        self.honest.send([self._wallets["transfers"].sign(DYNAMIC_FEE, call)])
        block = await self.builder.build(timestamp)
        assert (await self.builder.propose(block)).adopted
        return block

    async def bad(self, *, trips: bool) -> Built:
        """The next block of the bad branch, built by the guarded geth on its head. trips: whether the bug is in it."""
        call = Call(data=POWER_INIT, gas=200_000) if trips else Call(to=address_of("payee"), value=1)
        self.chain.geth.send([self._wallets["visitor"].sign(DYNAMIC_FEE, call)])
        await self.proposer.attach()
        block = await self.proposer.build()
        assert block.payload["transactions"], "built without its transaction"
        self.chain.audit.bad.add(hash_of(block))
        return block

    @contextmanager
    def busy(self) -> Iterator[None]:
        """The correct adapters are too busy to answer for a while."""
        suspended = [each for name in HONEST for each in self.chain.sidecar.adapters(f"{name}-adapter")]
        assert len(suspended) >= len(HONEST)
        try:
            for each in suspended:
                each.send_signal(signal.SIGSTOP)
            yield
        finally:
            for each in suspended:
                if each.is_running():
                    each.send_signal(signal.SIGCONT)

    async def _driver(self, node: GethNode) -> ConsensusDriver:
        config = parse_chain_config(encode_chain_config(private_genesis(FORK, GENESIS_TIME)["config"]))
        caller = JsonRpc(self.chain.session, node.engine_url, node.secret)
        driver = ConsensusDriver(caller, config, building_time=BUILDING_TIME)
        await driver.attach()
        return driver


@asynccontextmanager
async def mutated_majority(directory: Path) -> AsyncIterator[MutatedMajority]:
    """Everything runs but the sidecar, which `start` starts."""
    async with guarded_chain(directory, SETTINGS, HONEST, mutated_geth(WRONG_POWER)) as chain:
        _add_mutated_eels(chain.adapters.directory / MUTATED, directory / "mutation")
        chain.sidecar.settings["adapters"]["live"] = [MUTATED, *HONEST]
        chain.sidecar.program = mutated_embedded.__name__
        chain.audit.policy = QuorumPolicy(LINEAGES, REQUIRED, REJECTING)
        honest = GethNode(require_geth(), directory / "honest", private_genesis(FORK, GENESIS_TIME))
        await asyncio.to_thread(honest.start)
        try:
            yield MutatedMajority(chain, honest)
        finally:
            await asyncio.to_thread(honest.stop)


def slots_later(block: Built, slots: int) -> int:
    """The timestamp of a slot, so many after a block's."""
    return int(block.payload["timestamp"], 16) + slots * SECONDS_PER_SLOT


def _add_mutated_eels(folder: Path, mutation: Path) -> None:
    mutation.write_text("wrong_power")
    folder.mkdir()
    text = MANIFEST.format(name=MUTATED, fork=FORK, root=ROOT, variable=MUTATION_FILE, file=mutation)
    (folder / "adapter.toml").write_text(text)
