"""The demonstration from start to end: clients, the sidecar between them, scenes, report. What it starts it ends."""

import contextlib
import json
import logging
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from verifier.app.adapters import configured_adapters
from verifier.app.sidecar import Addresses
from verifier.app.voters import find_voters
from verifier.configuration.reading import EffectiveConfiguration, read_configuration
from verifier.executors.jwt import read_secret
from verifier.executors.stateless.base import StatelessExecutor
from verifier.executors.stateless.manifest import Manifest
from verifier.services.conformance.loaders.genesis import parse_genesis
from verifier.telemetry.logs import LogFormat, configure_logging
from witness.chain_config import parse_chain_config

from .beacon_node import BeaconNode
from .driver import ConsensusDriver
from .execution_client import ExecutionClient
from .expectation import Expectation, Shown, expectations
from .fault import Fault
from .genesis import private_genesis
from .geth import running_geth
from .guard import Guard
from .json_rpc import JsonRpc
from .liar import MadeToLie
from .misquoting import Misquoting
from .private_chain import PrivateChain
from .program import FEWEST_SLOTS, Act, Voting, program
from .record import Record
from .report import Report
from .setting import SECONDS_PER_SLOT, SLOTS_PER_EPOCH, Clients, cast, write_configuration
from .show import Stage
from .traffic import Traffic
from .validator import Validator
from .wrong_power import WrongPower

FORK = "osaka"
BUILDING_TIME = 0.2  # seconds between asking for a block and taking it; see ConsensusDriver
GENESIS_AGE = 3600  # seconds; the chain is older than its first slot, so that no clock is ahead of a block
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Options:
    """directory: what is left behind. geth: the program, None for the embedded client. seconds: from start to end."""

    directory: Path
    geth: Path | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is known at the start. page: the status page's URL. who: counts. error: of the execution client's.

    left_out: acts that cannot be shown → why.
    """

    page: str
    who: str
    error: str
    left_out: Mapping[Act, str]


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told. shown: each scene. said: what is done between two, one line."""

    begun: Callable[[Beginning], None]
    shown: Callable[[Shown], None]
    said: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Execution:
    """The execution client, and what can be made wrong in it."""

    name: str
    lineage: str
    title: str
    url: str
    secret_file: Path
    fault: Fault


async def run(options: Options, watcher: Watcher) -> Report:
    """Shows everything once. Raises DemoError, VerifierError, OSError."""
    started = time.monotonic()
    work = options.directory / "work"
    _empty(work)
    genesis_time = int(time.time()) - GENESIS_AGE
    genesis = private_genesis(FORK, genesis_time)
    node = BeaconNode(genesis_time, SECONDS_PER_SLOT, SLOTS_PER_EPOCH)
    record = Record()
    liars: dict[str, MadeToLie] = {}

    def decorate(executor: StatelessExecutor) -> StatelessExecutor:
        liars[executor.name] = MadeToLie(executor)
        return liars[executor.name]

    available = [each for each in configured_adapters() if each.unavailable_because() is None]
    async with contextlib.AsyncExitStack() as stack:
        _log_to(stack, options.directory / "sidecar.log")
        session = await stack.enter_async_context(aiohttp.ClientSession())
        execution = await stack.enter_async_context(_execution_client(options.geth, work, genesis, session))
        beacon_url = await stack.enter_async_context(_served(node.application()))
        parts = cast(available, execution.lineage)
        clients = Clients(execution.name, execution.lineage, execution.url, execution.secret_file, beacon_url)

        def configure(addresses: Addresses | None) -> EffectiveConfiguration:
            return read_configuration(write_configuration(work, clients, parts, genesis, addresses))

        guard = await stack.enter_async_context(Guard(configure, session, decorate, [record]))
        voters = find_voters(configure(guard.addresses))
        engine = JsonRpc(session, guard.addresses.engine, read_secret(work / "consensus.jwt"))
        driver = ConsensusDriver(engine, parse_chain_config(_config(genesis)), building_time=BUILDING_TIME)
        await driver.attach()
        stage = Stage(
            driver=driver,
            node=node,
            validator=Validator(session, guard.addresses.beacon),
            pool=engine,
            direct=JsonRpc(session, execution.url, read_secret(execution.secret_file)),
            traffic=Traffic(FORK),
            record=record,
            fault=execution.fault,
            liars=liars,
            guard=guard,
        )
        left = options.seconds - (time.monotonic() - started)
        slots = max(FEWEST_SLOTS, int(left / SECONDS_PER_SLOT))
        voting = Voting(voters.policy, voters.rule, execution.name, frozenset(liars), execution.fault.symptom)
        shall = program(voting, slots, SLOTS_PER_EPOCH)
        who = _who(voters.policy.adapters, parts.late)
        watcher.begun(Beginning(guard.addresses.status, who, execution.fault.what, shall.left_out))
        shown = await stage.play(shall.scenes, watcher.shown, watcher.said, time.monotonic() + left)
        held = _judge(stage, shown, shall.left_out)
    return Report(
        execution_client=execution.title,
        policy=voters.policy,
        late={name: _lineage(available, name) for name in parts.late},
        error=execution.fault.what,
        left_out={act.value: why for act, why in shall.left_out.items()},
        shown=shown,
        expectations=held,
        alarms=record.alarms,
        gates=record.gates,
        seconds=time.monotonic() - started,
    )


def _judge(stage: Stage, shown: Sequence[Shown], left_out: Mapping[Act, str]) -> tuple[Expectation, ...]:
    hashes = [each.block_hash for each in shown] + [each.block_hash for scene in shown for each in scene.above]
    ours = {bytes.fromhex(each[2:]) for each in hashes}
    counts = stage.attestations()
    return expectations(shown, sum(count for block, count in counts.items() if block not in ours), left_out)


@contextlib.asynccontextmanager
async def _execution_client(
    geth: Path | None, work: Path, genesis: dict[str, Any], session: aiohttp.ClientSession
) -> AsyncIterator[_Execution]:
    if geth is not None:
        async with running_geth(geth, work / "geth", genesis) as node:
            misquoting = Misquoting(node.engine_url, node.rpc_url, session)
            async with _served(misquoting.application()) as url:
                yield _Execution("geth-node", "geth", "go-ethereum", url, node.secret_file, misquoting)
        return
    secret_file = work / "execution.jwt"
    bug = WrongPower()
    with (
        PrivateChain(work / "chain", parse_genesis(genesis), bug.parts) as chain,
        ExecutionClient(chain, _new_secret(secret_file)) as client,
    ):
        async with _served(client.application()) as url:
            yield _Execution("embedded-client", "pyevm", "the embedded client (py-evm)", url, secret_file, bug)


@contextlib.asynccontextmanager
async def _served(application: web.Application) -> AsyncIterator[str]:
    """The application on any free port of this machine; its URL without a slash at the end."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, 0).start()
        yield f"http://{LOOPBACK}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _new_secret(path: Path) -> bytes:
    path.touch(mode=0o600)
    path.write_text(secrets.token_hex(32))
    return read_secret(path)


def _config(genesis: dict[str, Any]) -> bytes:
    return json.dumps(genesis["config"]).encode()


def _who(adapters: Mapping[str, str], late: Sequence[str]) -> str:
    counted = ", ".join(f"{name} ({lineage})" for name, lineage in adapters.items())
    return f"{counted}; late: {', '.join(late)}" if late else counted


def _lineage(manifests: Sequence[Manifest], name: str) -> str:
    return next(each.lineage for each in manifests if each.name == name)


def _log_to(stack: contextlib.AsyncExitStack, path: Path) -> None:
    """What the sidecar logs goes to a file, as long as the stack lasts: the terminal is for what is shown."""
    stream = stack.enter_context(path.open("w", encoding="utf-8"))
    configure_logging(LogFormat.CONSOLE, logging.INFO, stream)
    stack.callback(configure_logging, LogFormat.CONSOLE, logging.WARNING)


def _empty(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
