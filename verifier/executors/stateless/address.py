"""Where an adapter listens, and the channel to it: a unix-domain socket, TCP on this machine, or mutual TLS."""

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from verifier.errors import InputError, UsageError

LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
MAX_ANSWER = 64 * 1024 * 1024  # bytes; a receipt takes about 60, so this is far above any block
OPTIONS = (
    ("grpc.max_receive_message_length", MAX_ANSWER),
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # Each adapter has its own connection, whatever gRPC would like to share.
    ("grpc.use_local_subchannel_pool", 1),
    # Witnesses go to who is configured and to nobody in between, whatever http_proxy says.
    ("grpc.enable_http_proxy", 0),
)
# For unix:PATH gRPC would send the escaped path as :authority, which HTTP/2 servers in Rust refuse as malformed.
SOCKET_OPTIONS = (("grpc.default_authority", "localhost"),)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of mutual TLS: the CA that signed the adapter's certificate, our certificate, and its key."""

    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def of(cls, ca: Path | None, certificate: Path | None, key: Path | None) -> "TlsFiles | None":
        """All three, or None where none is given. Raises UsageError for one or two."""
        if ca is not None and certificate is not None and key is not None:
            return cls(ca, certificate, key)
        if ca is None and certificate is None and key is None:
            return None
        raise UsageError("TLS needs all three: the CA, the certificate, and its key")

    def credentials(self) -> grpc.ChannelCredentials:
        """Reads the files. Raises InputError that names the file, and never what is in it."""
        # gRPC takes anything and fails later without saying why: the same files are tried here first.
        context = ssl.create_default_context()
        try:
            context.load_verify_locations(self.ca)
        except (OSError, ValueError) as error:
            raise InputError(f"{self.ca}: no CA certificates in PEM can be read: {_reason(error)}") from None
        try:
            # A key that is encrypted would ask on the terminal; gRPC cannot read it either.
            context.load_cert_chain(self.certificate, self.key, password=b"")
        except (OSError, ValueError) as error:
            reason = _reason(error)
            raise InputError(f"{self.certificate}, {self.key}: no certificate with its key in PEM: {reason}") from None
        parts = [path.read_bytes() for path in (self.ca, self.key, self.certificate)]
        return grpc.ssl_channel_credentials(*parts)


@dataclass(frozen=True, slots=True)
class Address:
    """Where an adapter listens: "unix:/path" or "host:port". tls: what TCP is protected by, None for plain TCP."""

    path: Path | None = None
    host: str = ""
    port: int = 0
    tls: TlsFiles | None = None

    @classmethod
    def parse(cls, text: str, tls: TlsFiles | None = None) -> "Address":
        """Reads an address. Raises UsageError for what is none, and for plain TCP to another machine."""
        if text.startswith("unix:"):
            path = Path(text.removeprefix("unix:"))
            if not path.is_absolute():
                raise UsageError(f"{text}: a socket's path is absolute, unix:/path")
            if tls is not None:
                raise UsageError(f"{text}: no TLS on a unix-domain socket")
            return cls(path=path)
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise UsageError(f"{text}: neither an adapter's name nor an address, unix:/path or host:port")
        if tls is None and host not in LOOPBACK:
            raise UsageError(
                f"{text}: plain TCP only to this machine ({', '.join(LOOPBACK[:3])}); to another one with TLS: "
                "a CA, a certificate and a key"
            )
        return cls(host=host, port=int(port), tls=tls)

    @staticmethod
    def is_one(text: str) -> bool:
        """Whether a command's argument is meant as an address, not as a name."""
        return ":" in text

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.path is not None else f"{self.host}:{self.port}"

    @property
    def shares_files(self) -> bool:
        """Whether the adapter sees this machine's files: only behind a unix-domain socket is that sure."""
        return self.path is not None

    @property
    def on_this_machine(self) -> bool:
        """Whether it can only be an adapter on this machine."""
        return self.path is not None or self.host in LOOPBACK

    def channel(self, *options: tuple[str, Any]) -> grpc.aio.Channel:
        """A new channel with the verifier's options and these. Raises InputError for TLS files that cannot be used."""
        if self.tls is not None:
            return grpc.aio.secure_channel(str(self), self.tls.credentials(), options=(*OPTIONS, *options))
        local = SOCKET_OPTIONS if self.path is not None else ()
        return grpc.aio.insecure_channel(str(self), options=(*OPTIONS, *local, *options))

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A plain connection, to send what is no gRPC. Raises OSError."""
        if self.path is not None:
            return await asyncio.open_unix_connection(self.path)
        return await asyncio.open_connection(self.host.strip("[]"), self.port)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not PEM").lower().replace("_", " ")
    return getattr(error, "strerror", None) or "not PEM"
