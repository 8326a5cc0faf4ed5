"""A real geth node: a private chain, the Engine API and plain RPC on loopback, no peers."""

import json
import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from tests.peers.json_rpc import call
from tests.peers.process import PeerError, PeerProcess

START_TIMEOUT = 60.0  # seconds until it serves, on two busy cores; 1-2 s on idle ones
INIT_TIMEOUT = 60.0  # seconds to write the genesis block
ENDPOINT = r"HTTP server started\s+endpoint=(\S+) auth="
PLAIN_APIS = "eth,net,web3,debug,txpool,testing"
# No listener, no peers: there is no flag to listen on loopback alone.
CONFIG = """
[Node.P2P]
ListenAddr = ""
MaxPeers = 0
NoDiscovery = true
"""


class GethNode:
    """One geth on a data directory below `directory`, which also takes its secret and its log.

    binary: which geth. genesis: the genesis document, used when the data directory is new. flags: further ones.
    Starts with `start` or as a context manager; after `stop` or `kill`, `start` goes on with the same chain and ports.
    """

    def __init__(self, binary: Path, directory: Path, genesis: dict[str, Any], flags: Sequence[str] = ()) -> None:
        self.binary = binary
        self.directory = directory
        self.jwt_path = directory / "jwt.hex"
        self.genesis_path = directory / "genesis.json"
        self.secret = secrets.token_bytes(32)
        self.engine_url = self.rpc_url = ""
        self._flags = tuple(flags)
        self._process: PeerProcess | None = None
        directory.mkdir(parents=True, exist_ok=True)
        self.jwt_path.write_text(self.secret.hex())
        self.genesis_path.write_text(json.dumps(genesis))
        (directory / "config.toml").write_text(CONFIG)

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

    @property
    def websocket_url(self) -> str:
        """Plain RPC over a websocket."""
        return self.rpc_url.replace("http:", "ws:")

    def call(self, method: str, *params: Any) -> Any:
        """The result of a call to its plain RPC. Raises RpcError, OSError."""
        return call(self.rpc_url, method, *params)

    def engine_call(self, method: str, *params: Any) -> Any:
        """The result of a call to its Engine API. Raises RpcError, OSError."""
        return call(self.engine_url, method, *params, secret=self.secret)

    def send(self, transactions: Sequence[bytes]) -> None:
        """Gives transactions to its pool. Raises RpcError, OSError."""
        for encoded in transactions:
            self.call("eth_sendRawTransaction", f"0x{encoded.hex()}")

    def block_hash(self, block: str) -> str:
        """0x-hex of a block's hash. block: a 0x-number, or a tag such as "latest"."""
        return str(self.call("eth_getBlockByNumber", block, False)["hash"])

    def start(self) -> None:
        """Starts it and waits until it answers. Raises PeerError."""
        self._initialize()
        ports = [url.rpartition(":")[2] or "0" for url in (self.engine_url, self.rpc_url)]
        command = [
            *(str(self.binary), "--config", str(self.directory / "config.toml")),
            *("--datadir", str(self.directory / "data"), "--cache", "64", "--ipcdisable"),
            *("--state.scheme", "hash", "--gcmode", "archive", "--syncmode", "full", "--nat", "none"),
            *("--authrpc.addr", "127.0.0.1", "--authrpc.port", ports[0], "--authrpc.jwtsecret", str(self.jwt_path)),
            *("--http", "--http.addr", "127.0.0.1", "--http.port", ports[1], "--http.api", PLAIN_APIS),
            *("--ws", "--ws.addr", "127.0.0.1", "--ws.port", ports[1], "--ws.api", PLAIN_APIS),
            *("--rpc.allow-unprotected-txs", "--log.format", "terminal", *self._flags),
        ]
        self._process = PeerProcess("geth", command, self.directory / "geth.log")
        try:
            for kind in ("true", "false"):
                endpoint = self._process.wait_for_line(f"{ENDPOINT}{kind}", START_TIMEOUT)[1]
                if kind == "true":
                    self.engine_url = f"http://{endpoint}"
                else:
                    self.rpc_url = f"http://{endpoint}"
            self.call("eth_chainId")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends it in order: it writes its state to disk."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """Ends it as a crash does."""
        self.process.kill()

    def _initialize(self) -> None:
        if (self.directory / "data").exists():
            return
        command = [
            *(str(self.binary), "init", "--datadir", str(self.directory / "data")),
            *("--state.scheme", "hash", str(self.genesis_path)),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=INIT_TIMEOUT, check=False)
        if done.returncode:
            raise PeerError(f"geth init: {done.stderr}")
