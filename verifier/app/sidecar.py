"""The sidecar, put together: ledger, chain, judge, the two gates, adapters, and what watches them.

What is started last is stopped first: the gates take nothing more before anything behind them goes.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType

from verifier.beacon.server import serve_beacon_gate
from verifier.beacon.upstream import BeaconNode
from verifier.configuration.reading import EffectiveConfiguration
from verifier.configuration.sections import StorageSection, WitnessSource
from verifier.domain.event import Observer
from verifier.domain.gate import GateMode
from verifier.domain.result import Mode
from verifier.engine.gate import EngineGate, always
from verifier.engine.hold import HoldPolicy
from verifier.engine.proxy import EngineProxy
from verifier.executors.jwt import read_secret
from verifier.executors.stateful.embedded_voter import EmbeddedVoter
from verifier.executors.stateful.follower import NAME, Follower
from verifier.executors.stateless.base import StatelessExecutor
from verifier.executors.stateless.pool import AdapterPool
from verifier.ledger.sqlite import SqliteLedger
from verifier.services.anchoring import CheckpointError, establish_anchor
from verifier.services.chain import Chain
from verifier.services.derivation import with_sections
from verifier.services.disputing import Disputes
from verifier.services.judgement import Jury
from verifier.services.judging import Judge, JudgingOptions
from witness.model import BlockWitness
from witness.store import Retention, WitnessStore

from .cautions import cautions
from .disputes import Parts, make_disputes
from .embedded import make_follower, start_follower
from .execution import Execution, block_source, open_execution
from .identity import ChainIdentity, identify_chain
from .readiness import SidecarReadiness
from .slots import Slots
from .voters import find_voters
from .watching import Watching

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the sidecar answers; "" for what is off."""

    engine: str
    beacon: str
    status: str

    def __str__(self) -> str:
        named = (("engine", self.engine), ("beacon", self.beacon), ("status", self.status))
        return " ".join(f"{name}={url}" for name, url in named if url)


class Sidecar:
    """An async context: everything runs while it lasts. One per process.

    decorate: what is put before each adapter, and observers: who hears of every event besides; both for demonstrations.
    Entering it waits for the execution client. Raises ConfigurationError and every VerifierError of a part that cannot
    start: an address in use, a secret or ledger that cannot be read, a client that refuses our token.
    """

    def __init__(
        self,
        effective: EffectiveConfiguration,
        *,
        decorate: Callable[[StatelessExecutor], StatelessExecutor] = lambda adapter: adapter,
        observers: Sequence[Observer] = (),
    ) -> None:
        self._effective = effective
        self._values = effective.values
        self._voters = find_voters(effective)
        self._watching = Watching(self._values, self._voters)
        for each in observers:
            self._watching.observers.add(each)
        self._decorate = decorate
        self._readiness = SidecarReadiness(self._voters.policy, self._values.execution.name)
        self._slots = Slots(self._values.chain)
        self._stack = AsyncExitStack()

    @property
    def serving(self) -> bool:
        """Whether the gates answer."""
        return self._readiness.serving

    async def __aenter__(self) -> Addresses:
        try:
            return await self._enter()
        except BaseException:
            await asyncio.shield(self._stack.aclose())
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._readiness.serving = False
        # Shielded: whatever ends this task, no adapter stays behind and the ledger is closed.
        await asyncio.shield(self._stack.aclose())

    async def _enter(self) -> Addresses:
        values, stack, observers = self._values, self._stack, self._watching.observers
        for each in cautions(values):
            observers.notify(each)
        await self._watching.enter(stack, self._readiness)
        # Adapters warm up while everything else comes into being.
        pool = await stack.enter_async_context(AdapterPool(self._voters.manifests, self._voters.remotes))
        self._readiness.pool = pool
        execution = await stack.enter_async_context(open_execution(values.execution, gate=values.engine.enabled))
        self._readiness.reach = execution.reach
        identity = await identify_chain(self._effective, execution.rpc, execution.authenticate)
        follower = await self._follow(execution, identity)
        store = stack.enter_context(_open_store(values.storage))
        ledger = stack.enter_context(SqliteLedger(values.storage.ledger, identity.chain_id, identity.genesis_hash))
        chain = Chain(ledger, observers, values.mode.gate)
        stack.callback(chain.close)
        self._readiness.failure = lambda: chain.failure
        self._watching.restore(chain.blocks.values())
        await self._anchor(chain, execution, identity)
        self._readiness.anchored = lambda: any(each.anchor for each in chain.blocks.values())
        executors = [self._decorate(each) for each in pool.executors]
        parts = Parts(self._voters, chain, ledger, store, pool, executors, follower, execution, identity)
        disputes = make_disputes(self._effective, parts, observers)
        judge = self._judge(parts, disputes)
        await stack.enter_async_context(disputes)  # it has what was left open judged once more
        await stack.enter_async_context(judge)
        self._watching.metrics.watch_waiting(lambda: judge.waiting, lambda: judge.held)
        engine = await self._serve_engine(execution, judge, chain, identity)
        beacon = await self._serve_beacon(chain)
        self._readiness.serving = True
        return Addresses(engine, beacon, self._watching.url)

    async def _anchor(self, chain: Chain, execution: Execution, identity: ChainIdentity) -> None:
        checkpoint = self._values.chain.checkpoint
        try:
            await establish_anchor(
                chain,
                execution.rpc,
                self._watching.observers,
                identity.chain_id,
                checkpoint=None if checkpoint is None else checkpoint.block_hash,
                state_root=None if checkpoint is None else checkpoint.state_root,
            )
        except CheckpointError as error:
            raise self._effective.refuse("chain", "checkpoint", str(error)) from None

    async def _follow(self, execution: Execution, identity: ChainIdentity) -> Follower | None:
        follower = make_follower(self._values, execution.rpc, identity.chain_config)
        if follower is not None:
            self._stack.push_async_callback(follower.close)
            await start_follower(self._effective, follower, execution.rpc, identity)
            self._readiness.embedded = NAME if self._voters.embedded else ""
        return follower

    def _judge(self, parts: Parts, disputes: Disputes) -> Judge:
        values, execution, identity, follower = self._values, parts.execution, parts.identity, parts.follower
        live = {each.name for each in self._voters.live}
        counting = [each for each in parts.executors if each.name in live]
        late = [each for each in parts.executors if each.name not in live]
        if follower is not None:
            voter = EmbeddedVoter(follower, always=self._voters.embedded)
            if self._voters.embedded:
                counting.append(voter)
            else:  # it may never be needed; once it executes, it can contradict
                follower.opened = lambda: late.append(voter)
        jury = Jury(counting, late)
        options = JudgingOptions(
            self._voters.policy,
            identity.chain_config,
            executor=values.execution.name,
            own=NAME if self._voters.embedded else "",
            mode=values.mode.execution,
            schedule=self._slots,
            deadline=values.adapters.verdict_seconds,
            patience=values.adapters.deadline_seconds,
        )
        prepare = _with_sections if values.mode.execution is Mode.PRESTATE else None
        source = block_source(values.execution, execution.rpc, identity.chain_config, follower)
        return Judge(
            parts.chain,
            parts.store,
            source,
            jury,
            options,
            self._watching.observers,
            disputes,
            prepare=prepare,
            follow=(lambda _: None) if follower is None else follower.follow,
        )

    async def _serve_engine(self, execution: Execution, judge: Judge, chain: Chain, identity: ChainIdentity) -> str:
        section = self._values.engine
        if execution.engine is None:
            return ""
        assert section.jwt_secret_file is not None, "checked with the configuration"
        gate = EngineGate(
            execution.engine,
            judge,
            chain,
            self._watching.observers,
            policy=HoldPolicy(self._values.mode.gate, section.hold_answer, section.hold_seconds, section.hold_seconds),
            chain_config=identity.chain_config,
            at_once=self._slots.starts_epoch if self._values.mode.gate is GateMode.EPOCH_TARGET else always,
            witnesses=self._values.execution.witness in (WitnessSource.AUTO, WitnessSource.ENGINE),
        )
        secret = read_secret(section.jwt_secret_file)
        proxy = EngineProxy(gate, secret, host=section.listen.host, port=section.listen.port)
        await proxy.start()
        self._stack.push_async_callback(proxy.close)
        return proxy.url

    async def _serve_beacon(self, chain: Chain) -> str:
        section = self._values.beacon
        if not section.enabled:
            return ""
        url = await self._stack.enter_async_context(
            serve_beacon_gate(
                section.url,
                self._values.mode.gate,
                chain,
                self._watching.observers,
                host=section.listen.host,
                port=section.listen.port,
                hold=section.hold_seconds,
            )
        )
        node = await self._stack.enter_async_context(BeaconNode(section.url))
        finding = asyncio.create_task(self._slots.find(node), name="slots and epochs")
        self._stack.push_async_callback(_cancelled, finding)
        return url


def _open_store(storage: StorageSection) -> WitnessStore:
    # Not forced to the disk: what is lost in a power failure is fetched again, and forcing takes longer than a verdict.
    return WitnessStore(
        storage.witnesses,
        Retention(count=storage.witnesses_count, size=storage.witnesses_bytes),
        second=storage.archive,
        second_retention=Retention(count=storage.archive_count, size=storage.archive_bytes),
        sync=False,
    )


def _with_sections(content: BlockWitness) -> BlockWitness:
    # The embedded executor makes them itself.
    return with_sections(content)[0] if content.prestate is None else content


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
