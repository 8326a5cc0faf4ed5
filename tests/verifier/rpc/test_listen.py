"""An adapter over TCP: who may come in, where it may listen in the clear, and how it ends."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import trustme

from tests.verifier.rpc.block_example import example, request
from tests.verifier.rpc.conftest import COMMAND, PATIENCE
from verifier.rpc.host.command import main
from verifier.rpc.host.endpoint import EndpointError, tcp_endpoint
from verifier.rpc.host.fake import ADAPTER
from verifier.rpc.v1 import executor_pb2 as pb
from verifier.rpc.v1 import executor_pb2_grpc

OUTSIDE = "192.0.2.1"  # of no machine (RFC 5737): nothing is ever bound there


@dataclass
class Certificates:
    """A CA's server certificate as files, and what its clients and those of another CA show."""

    arguments: list[str]
    ca: bytes
    own: tuple[bytes, bytes]  # key and chain
    foreign: tuple[bytes, bytes]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("tls")
    ca, other = trustme.CA(), trustme.CA()
    server = ca.issue_cert("127.0.0.1", "localhost")
    (folder / "chain.pem").write_bytes(b"".join(blob.bytes() for blob in server.cert_chain_pems))
    (folder / "key.pem").write_bytes(server.private_key_pem.bytes())
    (folder / "ca.pem").write_bytes(ca.cert_pem.bytes())

    def shown(leaf: trustme.LeafCert) -> tuple[bytes, bytes]:
        return leaf.private_key_pem.bytes(), b"".join(blob.bytes() for blob in leaf.cert_chain_pems)

    return Certificates(
        arguments=[
            *("--tls-certificate", str(folder / "chain.pem")),
            *("--tls-key", str(folder / "key.pem")),
            *("--tls-client-ca", str(folder / "ca.pem")),
        ],
        ca=ca.cert_pem.bytes(),
        own=shown(ca.issue_cert("verifier.test")),
        foreign=shown(other.issue_cert("verifier.test")),
    )


@contextmanager
def listening(*arguments: str, host: str = "127.0.0.1") -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The fake, serving on a port of the system's choice; its process and address."""
    with subprocess.Popen(
        [*COMMAND, "--listen", f"{host}:0", "--workers", "1", *arguments],
        stdin=subprocess.DEVNULL,  # at its end from the start: there is no lifeline
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if "event=listening" in line:
                    yield process, line.split("address=")[1].strip()
                    break
        finally:
            process.kill()


def execute(channel: grpc.Channel) -> pb.ExecuteResponse:
    stub = executor_pb2_grpc.StatelessExecutorStub(channel)  # type: ignore[no-untyped-call]  # generated
    response: pb.ExecuteResponse = stub.Execute(request(example()), timeout=PATIENCE, wait_for_ready=True)
    return response


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_in_the_clear(host: str) -> None:
    with listening(host=host) as (process, address):
        with grpc.insecure_channel(address) as channel:
            assert execute(channel).computed.state_root == b"\x11" * 32
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        assert out == ""


def test_client_with_a_certificate(certificates: Certificates) -> None:
    with listening(*certificates.arguments) as (process, address):
        key, chain = certificates.own
        credentials = grpc.ssl_channel_credentials(certificates.ca, key, chain)
        with grpc.secure_channel(address, credentials) as channel:
            assert execute(channel).computed.state_root == b"\x11" * 32
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
        assert process.returncode == 0


@pytest.mark.parametrize("shows", ["nothing", "another CA's", "no TLS"])
def test_client_without_a_certificate_of_the_ca(certificates: Certificates, shows: str) -> None:
    with listening(*certificates.arguments) as (_, address):
        if shows == "no TLS":
            channel = grpc.insecure_channel(address)
        elif shows == "nothing":
            channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(certificates.ca))
        else:
            key, chain = certificates.foreign
            channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(certificates.ca, key, chain))
        stub = executor_pb2_grpc.StatelessExecutorStub(channel)  # type: ignore[no-untyped-call]  # generated
        with channel, pytest.raises(grpc.RpcError) as caught:
            stub.Describe(pb.DescribeRequest(), timeout=PATIENCE)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        # Who belongs here still gets in.
        key, chain = certificates.own
        with grpc.secure_channel(address, grpc.ssl_channel_credentials(certificates.ca, key, chain)) as channel:
            assert execute(channel).WhichOneof("outcome") == "computed"


@pytest.mark.parametrize(
    ("address", "named"),
    [
        (f"{OUTSIDE}:0", "no loopback"),
        ("0.0.0.0:0", "no loopback"),
        ("[::]:0", "no loopback"),
        ("127.0.0.1", "HOST:PORT"),
        (":5000", "HOST:PORT"),
        ("127.0.0.1:", "HOST:PORT"),
        ("127.0.0.1:65536", "HOST:PORT"),
        ("127.0.0.1:-1", "HOST:PORT"),
        ("no.such.host.invalid:1", "resolve"),
        ("a\0b:1", ""),
        ("x" * 100 + ":1", "resolve"),
    ],
)
def test_addresses_that_cannot_be_used(address: str, named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(ADAPTER, ["--listen", address]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert named in line


def test_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = subprocess.run(
            [*COMMAND, "--listen", f"127.0.0.1:{taken.getsockname()[1]}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    assert result.returncode == 2
    assert "cannot listen" in result.stderr


@pytest.mark.parametrize("left_out", [0, 2, 4])
def test_tls_files_go_together(certificates: Certificates, left_out: int) -> None:
    arguments = certificates.arguments[:left_out] + certificates.arguments[left_out + 2 :]
    with pytest.raises(SystemExit) as caught:
        main(ADAPTER, ["--listen", "127.0.0.1:0", *arguments])
    assert caught.value.code == 2


def test_tls_is_for_tcp(certificates: Certificates, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main(ADAPTER, ["--socket", str(tmp_path / "x.sock"), *certificates.arguments])
    assert caught.value.code == 2


@pytest.mark.parametrize("which", [1, 3, 5])
@pytest.mark.parametrize("content", [None, b"", b"no PEM\xff\0", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_tls_files_that_cannot_be_used(
    certificates: Certificates, which: int, content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, path = list(certificates.arguments), tmp_path / "file.pem"
    if content is not None:
        path.write_bytes(content)
    arguments[which] = str(path)
    assert main(ADAPTER, ["--listen", "127.0.0.1:0", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(path) in line


def test_key_of_another_certificate(certificates: Certificates, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(certificates.foreign[0])
    arguments = [*certificates.arguments[:3], str(tmp_path / "key.pem"), *certificates.arguments[4:]]
    assert main(ADAPTER, ["--listen", "127.0.0.1:0", *arguments]) == 2


def test_addresses() -> None:
    assert tcp_endpoint("127.0.0.1:80", None).address == "127.0.0.1"
    assert tcp_endpoint("[::1]:80", None).address == "::1"
    assert tcp_endpoint("127.9.9.9:80", None).port == 80
    with pytest.raises(EndpointError):
        tcp_endpoint("8.8.8.8:80", None)
