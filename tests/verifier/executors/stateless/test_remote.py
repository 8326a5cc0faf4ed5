"""Adapters that run elsewhere: uploads, TLS, and whatever may happen to a connection."""

import asyncio
import hashlib
import logging
import threading
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

import grpc
import pytest
import trustme

from tests.verifier.executors.stateless.remote_server import RemoteServer, once, unavailable
from verifier.domain.result import Abstention, AbstentionReason, Computed, Result
from verifier.domain.trace import TraceItem
from verifier.executors.stateless import remote
from verifier.executors.stateless.address import Address, TlsFiles
from verifier.executors.stateless.base import ExecutionRequest
from verifier.executors.stateless.client import ENDED_WHILE_WRITTEN
from verifier.executors.stateless.pool import AdapterPool
from verifier.executors.stateless.remote import RemoteAdapter
from verifier.executors.stateless.remotes import Remote


@pytest.fixture
def request_for_a_block(tmp_path: Path) -> ExecutionRequest:
    """A request whose file is of 2.5 MiB: three parts."""
    path = tmp_path / "a.witness"
    path.write_bytes(bytes(range(256)) * 10 * 1024)
    return ExecutionRequest(path, b"\1" * 32, b"\2" * 32, deadline=30.0)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits of a second where the verifier waits for ten."""
    monkeypatch.setattr(remote, "AWAY_PATIENCE", 1.0)
    monkeypatch.setattr(remote, "FIRST_BACKOFF", 0.05)
    monkeypatch.setattr(remote, "LAST_BACKOFF", 0.1)


@dataclass(frozen=True)
class Certificates:
    """A CA on this machine, what a server shows, and the files of a client."""

    ca: trustme.CA
    folder: Path

    def server(self) -> grpc.ServerCredentials:
        issued = self.ca.issue_cert("127.0.0.1", "localhost")
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        pair = (issued.private_key_pem.bytes(), chain)
        return grpc.ssl_server_credentials([pair], self.ca.cert_pem.bytes(), require_client_auth=True)

    def client(self) -> TlsFiles:
        issued = self.ca.issue_cert("verifier.example")
        self.folder.mkdir(exist_ok=True)
        files = TlsFiles(*(self.folder / name for name in ("ca.pem", "verifier.pem", "verifier-key.pem")))
        self.ca.cert_pem.write_to_path(str(files.ca))
        files.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(files.key))
        return files


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A CA and what it issues."""
    return Certificates(trustme.CA(), tmp_path_factory.mktemp("certificates"))


def with_pool(
    server: RemoteServer, scenario: Callable[[RemoteAdapter], Awaitable[None]], tls: TlsFiles | None = None
) -> None:
    """Runs a scenario with the server as the one configured adapter."""

    async def run() -> None:
        where = Remote("far", "scripted", Address.parse(server.address, tls))
        async with AdapterPool([], [where]) as pool:
            await pool.wait_ready()
            (adapter,) = pool.remote
            await scenario(adapter)

    asyncio.run(run())


def ask(server: RemoteServer, request: ExecutionRequest, tls: TlsFiles | None = None) -> Result:
    results: list[Result] = []

    async def scenario(adapter: RemoteAdapter) -> None:
        results.append(await adapter.execute(request))

    with_pool(server, scenario, tls)
    return results[0]


async def trace(adapter: RemoteAdapter, request: ExecutionRequest) -> tuple[list[TraceItem], Result]:
    items, results = list[TraceItem](), list[Result]()
    async with aclosing(adapter.trace(request)) as stream:
        async for each in stream:
            if isinstance(each, Result):
                results.append(each)
            else:
                items += each
    (result,) = results
    return items, result


def abstained(result: Result) -> Abstention:
    assert isinstance(result.outcome, Abstention), result.outcome
    return result.outcome


def test_a_witness_is_uploaded_once_and_asked_about_often(request_for_a_block: ExecutionRequest) -> None:
    async def scenario(adapter: RemoteAdapter) -> None:
        results = await asyncio.gather(*(adapter.execute(request_for_a_block) for _ in range(9)))
        assert all(isinstance(result.outcome, Computed) for result in results)
        assert adapter.expected_ms > 0
        items, result = await trace(adapter, request_for_a_block)
        assert len(items) == 4
        assert isinstance(result.outcome, Computed)

    with RemoteServer() as server:
        with_pool(server, scenario)
        digest = hashlib.sha256(request_for_a_block.witness.read_bytes()).digest()
        assert server.uploaded == [digest]
        assert server.largest_part == 1024 * 1024
        assert len(server.executed) == 10


def test_what_it_has_forgotten_is_sent_again(request_for_a_block: ExecutionRequest) -> None:
    async def scenario(adapter: RemoteAdapter) -> None:
        for asked in (adapter.execute, lambda request: trace(adapter, request)):
            server.held.clear()
            await asked(request_for_a_block)

    with RemoteServer() as server:
        with_pool(server, scenario)
        assert len(server.uploaded) == 2


def test_one_that_keeps_nothing(request_for_a_block: ExecutionRequest) -> None:
    with RemoteServer(keeps=0) as server:
        outcome = abstained(ask(server, request_for_a_block))
        assert outcome.reason is AbstentionReason.CRASHED
        assert outcome.detail == "it forgot the witness 4 times: not_found: not held"


def test_an_upload_that_is_interrupted_is_sent_again(request_for_a_block: ExecutionRequest) -> None:
    with RemoteServer(on_part=once(unavailable)) as server:
        assert isinstance(ask(server, request_for_a_block).outcome, Computed)
        assert len(server.uploaded) == 1


def test_an_upload_that_ends_while_it_is_written_is_sent_again(request_for_a_block: ExecutionRequest) -> None:
    def end(_: RemoteServer, context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.INTERNAL, ENDED_WHILE_WRITTEN)  # as the client's library tells of it

    with RemoteServer(on_part=once(end)) as server:
        assert isinstance(ask(server, request_for_a_block).outcome, Computed)
        assert len(server.uploaded) == 1


def test_an_adapter_that_ends_during_an_upload_and_comes_back(request_for_a_block: ExecutionRequest) -> None:
    def restart(server: RemoteServer, context: grpc.ServicerContext) -> None:
        stopping.append(server._server.stop(None))
        server.start()

    stopping: list[object] = []
    with RemoteServer(on_part=once(restart)) as server:
        assert isinstance(ask(server, request_for_a_block).outcome, Computed)
        assert stopping


def test_a_connection_that_breaks_during_a_block(request_for_a_block: ExecutionRequest) -> None:
    with RemoteServer(on_execute=once(unavailable)) as server:
        assert isinstance(ask(server, request_for_a_block).outcome, Computed)
        assert len(server.executed) == 2


def test_a_block_that_breaks_every_connection(request_for_a_block: ExecutionRequest) -> None:
    with RemoteServer(on_execute=unavailable) as server:
        outcome = abstained(ask(server, request_for_a_block))
        assert outcome.reason is AbstentionReason.CRASHED
        assert outcome.detail == "the connection broke 3 times: unavailable: scripted break"


def test_one_that_is_away_and_comes_back(request_for_a_block: ExecutionRequest) -> None:
    async def scenario(adapter: RemoteAdapter) -> None:
        assert isinstance((await adapter.execute(request_for_a_block)).outcome, Computed)
        await asyncio.to_thread(server.stop)
        result = await adapter.execute(request_for_a_block)
        assert abstained(result).reason is AbstentionReason.UNAVAILABLE
        assert abstained(result).detail.startswith(f"{server.address}: ")
        assert result.elapsed_ms < 10_000  # not the whole deadline
        items, result = await trace(adapter, request_for_a_block)
        assert not items
        assert abstained(result).reason is AbstentionReason.UNAVAILABLE
        server.start()
        while adapter.connects < 2:
            async with adapter._changed:
                await adapter._changed.wait()
        assert isinstance((await adapter.execute(request_for_a_block)).outcome, Computed)
        assert len(server.uploaded) == 2

    with RemoteServer() as server:
        with_pool(server, scenario)


def test_one_that_was_never_there(request_for_a_block: ExecutionRequest) -> None:
    with RemoteServer() as server:
        pass
    outcome = abstained(ask(server, request_for_a_block))
    assert outcome.reason is AbstentionReason.UNAVAILABLE
    assert "connect" in outcome.detail.lower()


def test_one_that_is_warming_up_is_waited_for(request_for_a_block: ExecutionRequest) -> None:
    async def run() -> None:
        async with AdapterPool([], [Remote("far", "scripted", Address.parse(server.address))]) as pool:
            (adapter,) = pool.remote
            asking = asyncio.create_task(adapter.execute(request_for_a_block))
            while adapter.reason != "it is there, and not ready yet":
                async with adapter._changed:
                    await adapter._changed.wait()
            server.set_serving(True)
            assert isinstance((await asking).outcome, Computed)

    server = RemoteServer()
    server.start(serving=False)
    try:
        asyncio.run(run())
    finally:
        server.stop()


def test_a_deadline(request_for_a_block: ExecutionRequest) -> None:
    def wait(server: RemoteServer, context: grpc.ServicerContext) -> None:
        gone = threading.Event()
        context.add_callback(gone.set)
        gone.wait()

    with RemoteServer(on_execute=wait) as server:
        outcome = abstained(ask(server, replace(request_for_a_block, deadline=1.0)))
        assert outcome.reason is AbstentionReason.TIMEOUT
    with RemoteServer(on_part=wait) as server:
        outcome = abstained(ask(server, replace(request_for_a_block, deadline=1.0)))
        assert outcome.reason is AbstentionReason.TIMEOUT


def test_another_lineage_than_configured(request_for_a_block: ExecutionRequest) -> None:
    with RemoteServer(lineage="other") as server:
        outcome = abstained(ask(server, request_for_a_block))
        assert outcome.reason is AbstentionReason.UNAVAILABLE
        assert "it is of lineage 'other', configured is 'scripted'" in outcome.detail


def test_one_that_takes_no_uploads(request_for_a_block: ExecutionRequest) -> None:
    with RemoteServer(uploads=False) as server:
        outcome = abstained(ask(server, request_for_a_block))
        assert outcome.reason is AbstentionReason.REFUSED
        assert not server.executed


def test_witnesses_that_cannot_be_sent(request_for_a_block: ExecutionRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    with RemoteServer() as server:
        absent = replace(request_for_a_block, witness=request_for_a_block.witness.with_name("absent"))
        assert abstained(ask(server, absent)).reason is AbstentionReason.REFUSED
        monkeypatch.setattr("verifier.executors.stateless.upload.MAX_UPLOAD", 1024)
        outcome = abstained(ask(server, request_for_a_block))
        assert outcome.reason is AbstentionReason.REFUSED
        assert "at most 1024 can be sent" in outcome.detail
        assert not server.uploaded


def test_mutual_tls(
    request_for_a_block: ExecutionRequest, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    files = certificates.client()
    with RemoteServer(certificates.server()) as server:
        assert isinstance(ask(server, request_for_a_block, files).outcome, Computed)
    key = files.key.read_text().splitlines()[1]
    assert "event=reached" in caplog.text
    assert key not in caplog.text
    assert key not in repr(Address.parse(server.address, files))


def test_a_server_of_another_ca(
    request_for_a_block: ExecutionRequest, certificates: Certificates, tmp_path: Path
) -> None:
    with RemoteServer(Certificates(trustme.CA(), tmp_path).server()) as server:
        outcome = abstained(ask(server, request_for_a_block, certificates.client()))
        assert outcome.reason is AbstentionReason.UNAVAILABLE
        assert "CERTIFICATE_VERIFY_FAILED" in outcome.detail
        assert not server.executed


def test_a_client_of_another_ca(
    request_for_a_block: ExecutionRequest, certificates: Certificates, tmp_path: Path
) -> None:
    stranger = Certificates(trustme.CA(), tmp_path).client()
    files = replace(stranger, ca=certificates.client().ca)
    with RemoteServer(certificates.server()) as server:
        assert abstained(ask(server, request_for_a_block, files)).reason is AbstentionReason.UNAVAILABLE
        assert not server.executed


def test_no_tls_where_there_should_be(request_for_a_block: ExecutionRequest, certificates: Certificates) -> None:
    with RemoteServer(certificates.server()) as server:
        assert abstained(ask(server, request_for_a_block)).reason is AbstentionReason.UNAVAILABLE
    with RemoteServer() as server:
        outcome = abstained(ask(server, request_for_a_block, certificates.client()))
        assert outcome.reason is AbstentionReason.UNAVAILABLE
