"""What every Python adapter has to keep as a process; the host's own tests, with a fake client, go further."""

import json
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.adapters.synthetic_block import RICH, SENDER, Account, pre_state_root, synthetic_block, transaction
from verifier.rpc.host.client import Adapter
from verifier.rpc.host.command import main
from verifier.rpc.v1 import executor_pb2 as pb
from verifier.rpc.v1 import executor_pb2_grpc
from witness.chain_config import FORKS
from witness.file import write_witness_file

REPOSITORY = Path(__file__).parents[2]
PATIENCE = 180  # seconds; a cold import of a client on a loaded machine


class ProcessContract:
    """Inherit, and give `adapter` and `module`."""

    adapter: Adapter
    module: str

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """The adapter's command line, to its end."""
        return subprocess.run(
            [sys.executable, "-m", self.module, *arguments],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def test_describe_agrees_with_the_manifest(self) -> None:
        result = self.run("--describe")
        assert result.returncode == 0, result.stderr
        (line,) = result.stdout.splitlines()
        description = json.loads(line)
        manifest = tomllib.loads((REPOSITORY / self.module.replace(".", "/") / "adapter.toml").read_text())
        assert description["lineage"] == manifest["lineage"] == manifest["name"]
        assert description["forks"] == manifest["forks"]
        assert sorted(description["forks"], key=FORKS.index) == description["forks"]
        assert manifest["start"]["modules"] == list(self.adapter.required_modules)
        assert manifest["start"]["command"] == ["{python}", "-m", self.module]

    def test_missing_package(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(replace(self.adapter, required_modules=("no_such_client",)), ["--socket", "x"]) == 3
        (line,) = capsys.readouterr().err.splitlines()
        assert "no_such_client" in line

    def test_bench(self, tmp_path: Path) -> None:
        content = synthetic_block({SENDER: Account(balance=RICH)}, [transaction(value=5)])
        path = write_witness_file(content, tmp_path, sync=False)
        result = self.run("--bench", str(path), "--runs", "2")
        assert result.returncode == 0, result.stderr
        assert len(json.loads(result.stdout)["runs_ms"]) == 2

    def test_serves_and_ends(self, tmp_path: Path) -> None:
        content = synthetic_block({SENDER: Account(balance=RICH)}, [transaction(value=5)])
        path = write_witness_file(content, tmp_path, sync=False)
        socket = tmp_path / "adapter.sock"
        command = [sys.executable, "-m", self.module, "--socket", str(socket), "--workers", "1"]
        with subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            with grpc.insecure_channel(f"unix:{socket}") as channel:
                watch = health_pb2_grpc.HealthStub(channel).Watch(
                    health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=PATIENCE
                )
                for response in watch:
                    if response.status == health_pb2.HealthCheckResponse.SERVING:
                        break
                watch.cancel()
                stub = executor_pb2_grpc.StatelessExecutorStub(channel)  # type: ignore[no-untyped-call]  # generated
                request = pb.ExecuteRequest(
                    path=str(path),
                    block_hash=content.hash,
                    pre_state_root=pre_state_root(content),
                    mode=pb.MODE_PROOF,
                )
                answer = stub.Execute(request, timeout=PATIENCE)
                assert answer.computed.gas_used == 21_000
                timings = answer.timings
                assert timings.total_us >= timings.decode_us + timings.execute_us + timings.root_us > 0
            out, _ = process.communicate(timeout=PATIENCE)  # closes standard input: the lifeline
            assert process.returncode == 0
            assert out == b""
        assert not socket.exists()
