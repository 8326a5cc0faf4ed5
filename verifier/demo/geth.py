"""A real geth node for the demonstration: a private chain, the Engine API on loopback, no peers."""

import asyncio
import contextlib
import json
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import DemoError

START_TIMEOUT = 60.0  # seconds until it serves, on two busy cores; 1-2 s on idle ones
INIT_TIMEOUT = 60.0  # seconds to write the genesis block
STOP_GRACE = 20.0  # seconds to write its state; then it is killed
ENDPOINT = re.compile(r"HTTP server started\s+endpoint=(\S+) auth=(true|false)")
LOG_TAIL = 500  # characters of its log that an error shows
# No listener, no peers: there is no flag to listen on loopback alone.
CONFIG = '[Node.P2P]\nListenAddr = ""\nMaxPeers = 0\nNoDiscovery = true\n'


@dataclass(frozen=True, slots=True)
class GethNode:
    """A running one. rpc_url: its plain RPC, with the namespaces eth and debug. secret: 32 bytes, of its Engine API."""

    engine_url: str
    rpc_url: str
    secret: bytes
    secret_file: Path


@contextlib.asynccontextmanager
async def running_geth(binary: Path, directory: Path, genesis: dict[str, Any]) -> AsyncIterator[GethNode]:
    """A new chain in `directory`, served as long as the context lasts. Raises DemoError."""
    secret = secrets.token_bytes(32)
    secret_file = directory / "jwt.hex"
    _prepare(directory, secret_file, secret, genesis)
    data = ("--datadir", str(directory / "data"), "--state.scheme", "hash")
    await _initialize(binary, *data, str(directory / "genesis.json"))
    arguments = (
        *("--config", str(directory / "config.toml"), *data, "--cache", "64", "--ipcdisable", "--gcmode", "archive"),
        *("--syncmode", "full", "--nat", "none", "--rpc.allow-unprotected-txs", "--log.format", "terminal"),
        *("--authrpc.addr", "127.0.0.1", "--authrpc.port", "0", "--authrpc.jwtsecret", str(secret_file)),
        *("--http", "--http.addr", "127.0.0.1", "--http.port", "0", "--http.api", "eth,debug,web3,net"),
    )
    process = await asyncio.create_subprocess_exec(
        *(*_leashed(), str(binary), *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    served: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()
    reading = asyncio.create_task(_read(process.stderr, directory / "geth.log", served))
    try:
        try:
            async with asyncio.timeout(START_TIMEOUT):
                engine, rpc = await served
        except TimeoutError:
            raise DemoError(f"geth does not serve within {START_TIMEOUT:.0f} s") from None
        yield GethNode(f"http://{engine}", f"http://{rpc}", secret, secret_file)
    finally:
        await _stop(process)
        await reading


def _prepare(directory: Path, secret_file: Path, secret: bytes, genesis: dict[str, Any]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    secret_file.touch(mode=0o600)
    secret_file.write_text(secret.hex())
    (directory / "config.toml").write_text(CONFIG)
    (directory / "genesis.json").write_text(json.dumps(genesis))


async def _read(stream: asyncio.StreamReader, path: Path, served: "asyncio.Future[tuple[str, str]]") -> None:
    """Keeps its log, and says where it serves both; or, if it ends before, what it said last."""
    last = ""
    endpoints: dict[bool, str] = {}
    with path.open("wb") as log:
        async for line in stream:
            log.write(line)
            log.flush()
            last = line.decode(errors="replace")
            found = ENDPOINT.search(last)
            if found:
                endpoints[found[2] == "true"] = found[1]
            if len(endpoints) == 2 and not served.done():
                served.set_result((endpoints[True], endpoints[False]))
    if not served.done():
        served.set_exception(DemoError(f"geth ended: {_line(last)}"))


def _leashed() -> tuple[str, ...]:
    """It ends with this process, however that ends, where util-linux is there to see to it."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL") if setpriv else ()


async def _initialize(binary: Path, *arguments: str) -> None:
    try:
        process = await asyncio.create_subprocess_exec(
            str(binary), "init", *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
    except OSError as error:
        raise DemoError(f"{binary}: {error.strerror}") from None
    try:
        async with asyncio.timeout(INIT_TIMEOUT):
            _, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise DemoError(f"geth init did not end within {INIT_TIMEOUT:.0f} s") from None
    if process.returncode:
        raise DemoError(f"geth init: {_line(errors.decode(errors='replace'))}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(STOP_GRACE):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _line(text: str) -> str:
    return " ".join(text.split())[-LOG_TAIL:]
