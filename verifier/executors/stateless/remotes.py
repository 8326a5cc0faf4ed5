"""The file that names adapters which already run elsewhere (docs/remote.md), one TOML table each.

```toml
[geth-frankfurt]
lineage = "geth"
address = "10.0.0.7:9500"           # or unix:/path
tls_ca = "ca.pem"                   # paths are relative to this file
tls_certificate = "verifier.pem"
tls_key = "verifier-key.pem"

[geth-node]
kind = "engine"                     # a running client's Engine API (decision 18)
lineage = "geth"
url = "http://127.0.0.1:8551"       # https:// to another machine
jwt_secret_file = "jwt.hex"
```
"""

import re
import ssl
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from verifier.errors import InputError, UsageError
from verifier.executors.jwt import read_secret

from .address import LOOPBACK, Address, TlsFiles
from .manifest import Manifest

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")  # it stands in reports, logs and lists separated by commas
TLS_KEYS = ("tls_ca", "tls_certificate", "tls_key")
KEYS = ("kind", "name", "lineage", "address", *TLS_KEYS)
ENGINE_KEYS = ("kind", "name", "lineage", "url", "jwt_secret_file", "tls_ca", "plain_http")
ADAPTER, ENGINE = "adapter", "engine"


@dataclass(frozen=True, slots=True)
class Remote:
    """An adapter that somebody else runs: its name here, the lineage that it has to be of, and where it listens."""

    name: str
    lineage: str
    address: Address


@dataclass(frozen=True, slots=True)
class EngineRemote:
    """A running client with an Engine API, the file of the secret it shares, and its certificate's CA if private."""

    name: str
    lineage: str
    url: str
    jwt_secret_file: Path
    tls_ca: Path | None = None

    def tls_context(self) -> ssl.SSLContext | None:
        """What to verify its certificate with; None for the system's authorities. Raises InputError."""
        if self.tls_ca is None:
            return None
        try:
            return ssl.create_default_context(cafile=self.tls_ca)
        except (OSError, ValueError):
            raise InputError(f"{self.tls_ca}: no CA certificates in PEM can be read") from None


AnyRemote = Remote | EngineRemote


def voting_lineages(manifests: Iterable[Manifest], remotes: Iterable[AnyRemote]) -> dict[str, str]:
    """Adapter name → lineage of those that count in m: all but Engine APIs, which never answer every field."""
    adapters = {each.name: each.lineage for each in manifests}
    return adapters | {each.name: each.lineage for each in remotes if isinstance(each, Remote)}


def read_remotes(path: Path) -> list[AnyRemote]:
    """The adapters in a file, in its order. Raises InputError for the file, UsageError for an address."""
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}") from None
    if not document:
        raise InputError(f"{path}: no adapter in it")
    return [_remote(path, table, content) for table, content in document.items()]


def _remote(path: Path, table: str, content: Any) -> AnyRemote:
    where = f"{path}: [{table}]"
    if not isinstance(content, dict):
        raise InputError(f"{path}: {table} is not a table; each adapter has one")
    kind = content.get("kind", ADAPTER)
    if kind not in (ADAPTER, ENGINE):
        raise InputError(f"{where}: kind is neither {ADAPTER!r} nor {ENGINE!r}")
    keys = KEYS if kind == ADAPTER else ENGINE_KEYS
    unknown = [key for key in content if key not in keys]
    if unknown:
        raise InputError(f"{where}: unknown: {', '.join(unknown)} (known: {', '.join(keys)})")
    for key, value in content.items():
        if key == "plain_http":
            if not isinstance(value, bool):
                raise InputError(f"{where}: {key} is neither true nor false")
        elif not isinstance(value, str) or not value:
            raise InputError(f"{where}: {key} is not a string, or empty")
    name = content.get("name", table)
    if not NAME.fullmatch(name):
        raise InputError(f"{where}: {name!r} is no name: letters, digits, '.', '_', '-'")
    for key in ("lineage", "address") if kind == ADAPTER else ("lineage", "url", "jwt_secret_file"):
        if key not in content:
            raise InputError(f"{where}: {key} is missing")
    if kind == ENGINE:
        return _engine_remote(path, where, name, content)
    files = [path.parent / content[key] if key in content else None for key in TLS_KEYS]
    try:
        tls = TlsFiles.of(*files)
        address = Address.parse(content["address"], tls)
        if tls is not None:
            tls.credentials()  # what is wrong with them is said now, not by every block
    except (UsageError, InputError) as error:
        raise InputError(f"{where}: {error}") from None
    return Remote(name, content["lineage"], address)


def _engine_remote(path: Path, where: str, name: str, content: dict[str, Any]) -> EngineRemote:
    url = content["url"]
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise InputError(f"{where}: url is not http://host:port or https://host:port")
    if parts.username is not None or parts.password is not None:
        raise InputError(f"{where}: url holds a name or a password, which would be logged; the secret goes in a file")
    if parts.scheme == "http" and host not in LOOPBACK and not content.get("plain_http"):
        raise InputError(
            f"{where}: {url}: plain HTTP to another machine: use https, or on a network where nobody listens in or "
            "answers instead of it, plain_http = true"
        )
    ca = path.parent / content["tls_ca"] if "tls_ca" in content else None
    remote = EngineRemote(name, content["lineage"], url, path.parent / content["jwt_secret_file"], ca)
    try:
        read_secret(remote.jwt_secret_file)  # what is wrong with them is said now, not by every block
        remote.tls_context()
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return remote


def check_names(names: Iterable[str]) -> None:
    """Raises UsageError if two adapters have the same name: one of their votes would not count."""
    seen = set[str]()
    for name in names:
        if name in seen:
            raise UsageError(f"two adapters are named {name}: give the remote one another name")
        seen.add(name)


def select_all(
    manifests: Sequence[Manifest], remotes: Sequence[AnyRemote], names: Sequence[str]
) -> tuple[list[Manifest], list[AnyRemote]]:
    """Those of the given names, of both kinds, all where no name is given. Raises UsageError."""
    check_names([*(each.name for each in manifests), *(each.name for each in remotes)])
    known = [*(each.name for each in manifests), *(each.name for each in remotes)]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"no such adapter: {', '.join(unknown)} (there are: {', '.join(known) or 'none'})")
    wanted = set(names or known)
    return [each for each in manifests if each.name in wanted], [each for each in remotes if each.name in wanted]
