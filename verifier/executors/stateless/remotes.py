"""The file that names adapters which already run elsewhere (docs/remote.md), one TOML table each.

```toml
[geth-frankfurt]
lineage = "geth"
address = "10.0.0.7:9500"           # or unix:/path
tls_ca = "ca.pem"                   # paths are relative to this file
tls_certificate = "verifier.pem"
tls_key = "verifier-key.pem"
```
"""

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verifier.errors import InputError, UsageError

from .address import Address, TlsFiles
from .manifest import Manifest

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")  # it stands in reports, logs and lists separated by commas
TLS_KEYS = ("tls_ca", "tls_certificate", "tls_key")
KEYS = ("name", "lineage", "address", *TLS_KEYS)


@dataclass(frozen=True, slots=True)
class Remote:
    """An adapter that somebody else runs: its name here, the lineage that it has to be of, and where it listens."""

    name: str
    lineage: str
    address: Address


def read_remotes(path: Path) -> list[Remote]:
    """The adapters in a file, in its order. Raises InputError for the file, UsageError for an address."""
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: {error}") from None
    if not document:
        raise InputError(f"{path}: no adapter in it")
    return [_remote(path, table, content) for table, content in document.items()]


def _remote(path: Path, table: str, content: Any) -> Remote:
    where = f"{path}: [{table}]"
    if not isinstance(content, dict):
        raise InputError(f"{path}: {table} is not a table; each adapter has one")
    unknown = [key for key in content if key not in KEYS]
    if unknown:
        raise InputError(f"{where}: unknown: {', '.join(unknown)} (known: {', '.join(KEYS)})")
    for key, value in content.items():
        if not isinstance(value, str) or not value:
            raise InputError(f"{where}: {key} is not a string, or empty")
    name = content.get("name", table)
    if not NAME.fullmatch(name):
        raise InputError(f"{where}: {name!r} is no name: letters, digits, '.', '_', '-'")
    for key in ("lineage", "address"):
        if key not in content:
            raise InputError(f"{where}: {key} is missing")
    files = [path.parent / content[key] if key in content else None for key in TLS_KEYS]
    try:
        tls = TlsFiles.of(*files)
        address = Address.parse(content["address"], tls)
        if tls is not None:
            tls.credentials()  # what is wrong with them is said now, not by every block
    except (UsageError, InputError) as error:
        raise InputError(f"{where}: {error}") from None
    return Remote(name, content["lineage"], address)


def check_names(names: Iterable[str]) -> None:
    """Raises UsageError if two adapters have the same name: one of their votes would not count."""
    seen = set[str]()
    for name in names:
        if name in seen:
            raise UsageError(f"two adapters are named {name}: give the remote one another name")
        seen.add(name)


def select_all(
    manifests: Sequence[Manifest], remotes: Sequence[Remote], names: Sequence[str]
) -> tuple[list[Manifest], list[Remote]]:
    """Those of the given names, of both kinds, all where no name is given. Raises UsageError."""
    check_names([*(each.name for each in manifests), *(each.name for each in remotes)])
    known = [*(each.name for each in manifests), *(each.name for each in remotes)]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"no such adapter: {', '.join(unknown)} (there are: {', '.join(known) or 'none'})")
    wanted = set(names or known)
    return [each for each in manifests if each.name in wanted], [each for each in remotes if each.name in wanted]
