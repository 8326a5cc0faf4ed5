"""The demonstration from start to end: clients, the sidecar between them, scenes, report. What it starts it ends."""

import asyncio
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
from verifier.app.sidecar import Sidecar
from verifier.app.voters import find_voters
from verifier.configuration.reading import read_configuration
from verifier.executors.jwt import read_secret
from verifier.executors.stateless.base import StatelessExecutor
from verifier.executors.stateless.manifest import Manifest
from verifier.services.conformance.loaders.genesis import parse_genesis
from verifier.telemetry.logs import LogFormat, configure_logging
from witness.chain_config import parse_chain_config

from .beacon_node import BeaconNode
from .driver import ConsensusDriver
from .errors import DemoError
from .execution_client import ExecutionClient
from .genesis import private_genesis
from .geth import running_geth
from .json_rpc import JsonRpc
from .liar import MadeToLie
from .private_chain import PrivateChain
from .program import FEWEST_SLOTS, Expectation, Shown, expectations, program
from .record import Record
from .report import Report
from .setting import SECONDS_PER_SLOT, SLOTS_PER_EPOCH, Clients, cast, write_configuration
from .show import Stage
from .traffic import Traffic
from .validator import Validator

FORK = "osaka"
BUILDING_TIME = 0.2  # seconds between asking for a block and taking it; see ConsensusDriver
GENESIS_AGE = 3600  # seconds; the chain is older than its first slot, so that no clock is ahead of a block
LOOPBACK = "127.0.0.1"
START_TIMEOUT = 180.0  # seconds; the slowest adapter takes ten on two idle cores
READY_INTERVAL = 0.2  # seconds between two questions whether it is ready


@dataclass(frozen=True, slots=True)
class Options:
    """directory: what is left behind. geth: the program, None for the embedded client. seconds: from start to end."""

    directory: Path
    geth: Path | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who is told. begun: the status page's URL, and who counts. shown: each slot."""

    begun: Callable[[str, str], None]
    shown: Callable[[Shown], None]


@dataclass(frozen=True, slots=True)
class _Execution:
    """The execution client."""

    name: str
    lineage: str
    title: str
    url: str
    secret_file: Path


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
        execution = await stack.enter_async_context(_execution_client(options.geth, work, genesis))
        beacon_url = await stack.enter_async_context(_served(node.application()))
        parts = cast(available, execution.lineage)
        clients = Clients(execution.name, execution.lineage, execution.url, execution.secret_file, beacon_url)
        effective = read_configuration(write_configuration(work, clients, parts, genesis))
        voters = find_voters(effective)
        addresses = await stack.enter_async_context(Sidecar(effective, decorate=decorate, observers=[record]))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        await _ready(session, addresses.status)
        watcher.begun(addresses.status, _who(voters.policy.adapters, parts.late))
        secret = read_secret(work / "consensus.jwt")
        engine = JsonRpc(session, addresses.engine, secret)
        driver = ConsensusDriver(engine, parse_chain_config(_config(genesis)), building_time=BUILDING_TIME)
        await driver.attach()
        stage = Stage(
            driver=driver,
            node=node,
            validator=Validator(session, addresses.beacon),
            pool=engine,
            traffic=Traffic(FORK),
            record=record,
            liars=liars,
        )
        left = options.seconds - (time.monotonic() - started)
        slots = max(FEWEST_SLOTS, int(left / SECONDS_PER_SLOT))
        scenes = program(voters.policy, execution.name, slots, SLOTS_PER_EPOCH)
        shown = await stage.play(scenes, watcher.shown, time.monotonic() + left)
        held = _judge(stage, shown)
    return Report(
        execution_client=execution.title,
        policy=voters.policy,
        late={name: _lineage(available, name) for name in parts.late},
        shown=shown,
        expectations=held,
        alarms=record.alarms,
        gates=record.gates,
        seconds=time.monotonic() - started,
    )


async def _ready(session: aiohttp.ClientSession, status_url: str) -> None:
    """Returns once the sidecar says that it is: its adapters are warm. Raises DemoError."""
    detail = ""
    try:
        async with asyncio.timeout(START_TIMEOUT):
            while True:
                async with session.get(f"{status_url.rstrip('/')}/readyz") as response:
                    if response.status == 200:
                        return
                    detail = ", ".join(
                        f"{each['name']}: {each['detail']}"
                        for each in (await response.json())["conditions"]
                        if not each["met"]
                    )
                await asyncio.sleep(READY_INTERVAL)
    except TimeoutError:
        raise DemoError(f"the sidecar is not ready within {START_TIMEOUT:.0f} s: {detail}") from None


def _judge(stage: Stage, shown: Sequence[Shown]) -> tuple[Expectation, ...]:
    ours = {bytes.fromhex(each.block_hash[2:]) for each in shown}
    counts = stage.attestations()
    return expectations(shown, sum(count for block, count in counts.items() if block not in ours))


@contextlib.asynccontextmanager
async def _execution_client(geth: Path | None, work: Path, genesis: dict[str, Any]) -> AsyncIterator[_Execution]:
    if geth is not None:
        async with running_geth(geth, work / "geth", genesis) as node:
            yield _Execution("geth-node", "geth", "go-ethereum", node.engine_url, node.secret_file)
        return
    secret_file = work / "execution.jwt"
    with (
        PrivateChain(work / "chain", parse_genesis(genesis)) as chain,
        ExecutionClient(chain, _new_secret(secret_file)) as client,
    ):
        async with _served(client.application()) as url:
            yield _Execution("embedded-client", "pyevm", "the embedded client (py-evm)", url, secret_file)


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
