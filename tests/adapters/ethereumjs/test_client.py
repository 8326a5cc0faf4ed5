"""The ethereumjs adapter's client, in the process that adapter.toml starts: all that a client in Python has to keep."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.adapters.client_contract import ClientContract
from tests.adapters.real_block import trusted_root
from tests.adapters.synthetic_block import RICH, SENDER, Account, synthetic_block, transaction
from verifier.executors.stateless.manifest import read_manifests
from verifier.rpc.v1 import executor_pb2 as pb
from verifier.rpc.v1 import executor_pb2_grpc
from witness.file import encode_witness_file, write_witness_file
from witness.model import BlockWitness

ADAPTERS = Path(__file__).parents[3] / "adapters"
(MANIFEST,) = (each for each in read_manifests(ADAPTERS) if each.name == "ethereumjs")
PATIENCE = 180  # seconds; a cold start on a loaded machine
OPTIONS = (("grpc.max_send_message_length", 300 << 20), ("grpc.default_authority", "localhost"))

reason = MANIFEST.unavailable_because()
if reason is not None:
    pytest.skip(f"ethereumjs is not available: {': '.join(reason)}", allow_module_level=True)


@dataclass(frozen=True)
class RunningClient:
    """The running adapter."""

    stub: executor_pb2_grpc.StatelessExecutorStub


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    socket = tmp_path_factory.mktemp("ethereumjs") / "adapter.sock"
    with subprocess.Popen([*MANIFEST.command, "--socket", str(socket)], stdin=subprocess.PIPE) as process:
        with grpc.insecure_channel(f"unix:{socket}", options=OPTIONS) as channel:
            watch = health_pb2_grpc.HealthStub(channel).Watch(
                health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=PATIENCE
            )
            for response in watch:
                if response.status == health_pb2.HealthCheckResponse.SERVING:
                    break
            watch.cancel()
            yield RunningClient(executor_pb2_grpc.StatelessExecutorStub(channel))  # type: ignore[no-untyped-call]
        assert process.poll() is None  # whatever the tests asked, it stayed up
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(PATIENCE) == 0
    assert not socket.exists()


class TestEthereumJs(ClientContract):
    forks = MANIFEST.forks
    unsupported = {"cancunTime": 0, "pragueTime": 0, "osakaTime": 0, "amsterdamTime": 0}  # noqa: RUF012 - not changed
    stride = 20
    checks_gas_used = True
    reserved = ("1_15537394_zeth",)  # the first block after The Merge: whether its difficulty had to be 0

    def ask(
        self, client: Any, content: BlockWitness, root: bytes | None = None, **keywords: bool
    ) -> pb.ExecuteResponse:
        request = pb.ExecuteRequest(
            content=encode_witness_file(content),
            block_hash=content.hash,
            pre_state_root=root if root is not None else trusted_root(content),
            mode=pb.MODE_PROOF,
            parent_header_optional=keywords.get("optional", False),
        )
        response: pb.ExecuteResponse = client.stub.Execute(request, timeout=PATIENCE)
        return response

    def test_measuring_computes_the_root(self, client: Any, tmp_path: Path) -> None:
        content = synthetic_block({SENDER: Account(balance=RICH)}, [transaction(value=5)])
        path = write_witness_file(content, tmp_path, sync=False)
        command = [*MANIFEST.command, "--bench", str(path), "--runs", "3"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
        (line,) = done.stdout.splitlines()
        assert line.startswith('{"runs_ms":[')
        assert line.count(",") == 2
