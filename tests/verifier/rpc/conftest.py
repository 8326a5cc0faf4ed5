"""A running fake adapter, as a process and its gRPC channel."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from verifier.rpc.v1 import executor_pb2 as pb
from verifier.rpc.v1 import executor_pb2_grpc

START = "import sys; from verifier.rpc.host.command import main; from verifier.rpc.host.fake import ADAPTER; "
COMMAND = [sys.executable, "-c", f"{START} sys.exit(main(ADAPTER))"]
PATIENCE = 60  # seconds for what takes a fraction of one on a free machine
MAX_MESSAGE = [("grpc.max_send_message_length", 256 << 20)]


class FakeAdapter:
    """The fake as a process: `execute` calls it."""

    def __init__(self, socket: Path, *arguments: str, **keywords: Any) -> None:
        self.socket = socket
        self.process = subprocess.Popen(
            [*COMMAND, "--socket", str(socket), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **keywords,
        )
        self.channel = grpc.insecure_channel(f"unix:{socket}", options=MAX_MESSAGE)
        self.stub = executor_pb2_grpc.StatelessExecutorStub(self.channel)  # type: ignore[no-untyped-call]  # generated
        self.health = health_pb2_grpc.HealthStub(self.channel)

    def wait_until_serving(self) -> list[int]:
        """Waits for SERVING; the statuses seen on the way."""
        watch = self.health.Watch(
            health_pb2.HealthCheckRequest(service="verifier.rpc.v1.StatelessExecutor"),
            wait_for_ready=True,
            timeout=PATIENCE,
        )
        seen: list[int] = []
        for response in watch:
            seen.append(response.status)
            if response.status == health_pb2.HealthCheckResponse.SERVING:
                break
        watch.cancel()
        return seen

    def execute(self, request: pb.ExecuteRequest, timeout: float | None = PATIENCE) -> pb.ExecuteResponse:
        """One request."""
        response: pb.ExecuteResponse = self.stub.Execute(request, timeout=timeout)
        return response

    def workers(self) -> list[psutil.Process]:
        """Its child processes."""
        return psutil.Process(self.process.pid).children()

    def end(self) -> None:
        """Ends it by its lifeline, and waits."""
        self.channel.close()
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            for stream in (self.process.stdout, self.process.stderr):
                if stream is not None:
                    stream.close()


@pytest.fixture
def fake_adapter(tmp_path: Path) -> Iterator[FakeAdapter]:
    """One worker, so that what one request does to it the next one sees."""
    adapter = FakeAdapter(tmp_path / "fake.sock", "--workers", "1")
    try:
        adapter.wait_until_serving()
        yield adapter
    finally:
        adapter.end()
