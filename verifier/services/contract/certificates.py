"""Certificates for one run of the kit: two authorities, and what they signed, as PEM files."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.executors.stateless.address import TlsFiles

if TYPE_CHECKING:
    import trustme

PRIVATE = 0o600  # mode of a file that holds a key


@dataclass(frozen=True, slots=True)
class Certificates:
    """server: for the adapter, with the authority that clients have to be of. client: ours; stranger: another's.

    stranger shows a certificate of an authority that the adapter does not know, and trusts the adapter's.
    """

    server: TlsFiles
    client: TlsFiles
    stranger: TlsFiles


def make_certificates(directory: Path) -> Certificates:
    """Makes new ones for 127.0.0.1 in an existing directory. Raises OSError."""
    import trustme  # it loads a cryptographic library, which only these checks need

    authority, other = trustme.CA(), trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost")
    ca = directory / "authority.pem"
    authority.cert_pem.write_to_path(ca)
    return Certificates(
        _written(directory, "server", ca, server),
        _written(directory, "client", ca, authority.issue_cert("verifier.invalid")),
        _written(directory, "stranger", ca, other.issue_cert("verifier.invalid")),
    )


def _written(directory: Path, name: str, ca: Path, issued: "trustme.LeafCert") -> TlsFiles:
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.touch(PRIVATE)
    key.write_bytes(issued.private_key_pem.bytes())
    return TlsFiles(ca, certificate, key)
