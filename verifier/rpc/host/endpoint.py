"""Where an adapter is served over TCP: the address, and TLS in which the client shows a certificate."""

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

LARGEST_PORT = 65_535


class EndpointError(Exception):
    """An address or certificate that cannot be used. `str(error)` is one line, fit for a user."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the server's certificate chain and key, and the CA whose certificates clients must show."""

    certificate: Path
    key: Path
    client_ca: Path


@dataclass(frozen=True, slots=True)
class TcpEndpoint:
    """An address, resolved, and the credentials; None: in the clear, which only a loopback address may be."""

    address: str
    port: int
    credentials: grpc.ServerCredentials | None

    def bind(self, server: grpc.Server) -> str:
        """Listens; `HOST:PORT` with the port that it became where 0 was asked for. Raises OSError."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        try:
            if self.credentials is None:
                port = server.add_insecure_port(f"{host}:{self.port}")
            else:
                port = server.add_secure_port(f"{host}:{self.port}", self.credentials)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {host}:{self.port}: {error}") from None
        return f"{host}:{port}"


def tcp_endpoint(text: str, tls: TlsFiles | None) -> TcpEndpoint:
    """The endpoint for `HOST:PORT` (an IPv6 address in brackets). Raises EndpointError."""
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not separator or not host or not port.isascii() or not port.isdigit() or int(port) > LARGEST_PORT:
        raise EndpointError(f"{text!r} is not HOST:PORT")
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise EndpointError(f"cannot resolve {host!r}: {error}") from None
    address = str(found[0][4][0])  # the one that is bound is the one that is judged
    if tls is None and not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        raise EndpointError(f"{text} is no loopback address: it takes TLS to listen there")
    return TcpEndpoint(address, int(port), None if tls is None else _credentials(tls))


def _credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """What gRPC needs; it finds no words for what is wrong with a file, so OpenSSL reads them first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(files.certificate, files.key, password="")  # never ask for one at a terminal
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise EndpointError(f"certificate {files.certificate} with key {files.key}: {error}") from None
    try:
        context.load_verify_locations(files.client_ca)
    except (OSError, ValueError) as error:
        raise EndpointError(f"client CA {files.client_ca}: {error}") from None
    return grpc.ssl_server_credentials(
        [(files.key.read_bytes(), files.certificate.read_bytes())],
        root_certificates=files.client_ca.read_bytes(),
        require_client_auth=True,
    )
