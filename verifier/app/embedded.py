"""The embedded executor beside the execution client: opened, on the right chain, and near enough to follow it."""

from functools import partial
from pathlib import Path

from verifier.configuration.reading import EffectiveConfiguration
from verifier.configuration.sections import Configuration, WitnessSource
from verifier.domain.result import Mode
from verifier.executors.stateful.engine_api import ExecutionClientSource, ExecutionRpc
from verifier.executors.stateful.executor_process import ExecutorProcess
from verifier.executors.stateful.follower import DEPTH, Follower, FollowingExecutor, too_far
from verifier.executors.stateful.genesis import Genesis
from verifier.services.conformance.loaders.genesis import load_genesis
from witness.model import BlockWitness

from .identity import ChainIdentity
from .voters import may_follow


class NoSink:
    """A WitnessSink that keeps nothing: what the embedded executor records is published by whoever asked for it."""

    def publish(self, content: BlockWitness) -> None:
        """Nothing."""


def make_follower(values: Configuration, rpc: ExecutionRpc, chain_config: bytes) -> Follower | None:
    """What follows the client's chain, not opened yet; None where the configuration has no use for it.

    Raises InputError for a genesis document that cannot be read.
    """
    if not may_follow(values):
        return None
    assert values.chain.genesis is not None
    genesis = load_genesis(values.chain.genesis)
    prestate = values.mode.execution is Mode.PRESTATE
    opening = partial(open_executor, values.storage.embedded, genesis, sections=prestate)
    return Follower(lambda: ExecutorProcess(opening), ExecutionClientSource(rpc, chain_config))


def open_executor(directory: Path, genesis: Genesis, *, sections: bool) -> FollowingExecutor:
    """The executor on its database's directory. Raises ExecutorError, InputError. sections: see EmbeddedExecutor."""
    # py-evm is imported here, as it takes seconds.
    from verifier.executors.stateful.embedded.executor import EmbeddedExecutor

    return EmbeddedExecutor(directory, genesis, NoSink(), sections=sections)


async def start_follower(
    effective: EffectiveConfiguration, follower: Follower, rpc: ExecutionRpc, identity: ChainIdentity
) -> None:
    """Opens it where every witness comes from it. In "auto" it is opened when it is needed first.

    Raises ConfigurationError: another chain's genesis, or too far behind to follow; ExecutorError.
    """
    if effective.values.execution.witness is not WitnessSource.EMBEDDED:
        return
    head = await follower.start()
    if not await follower.knows(identity.genesis_hash):
        raise effective.refuse(
            "chain", "genesis", f"its block 0 is not the execution client's 0x{identity.genesis_hash.hex()}"
        )
    latest = await rpc.header_at("latest")
    if latest is not None and latest.number - head.number > DEPTH:
        raise effective.refuse("execution", "witness", too_far(head.number, latest.number))
