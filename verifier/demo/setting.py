"""What the demonstration runs with: who of the adapters here counts, and the sidecar's configuration for it."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verifier.app.sidecar import Addresses
from verifier.executors.stateless.manifest import Manifest

from .errors import DemoError

FAST = ("geth", "revm", "ethrex", "ethereumjs")  # they judge a small block in some milliseconds each
ENOUGH = 2  # lineages beside the execution client's: with fewer, one lie and a majority's are the same
SECONDS_PER_SLOT = 4
SLOTS_PER_EPOCH = 8
# Seconds. Long, so that a busy machine does not make an honest block look like one that nobody judged.
ENGINE_HOLD = 6.0
BEACON_HOLD = 3.5  # below a slot
ANYWHERE = "127.0.0.1:0"  # any free port of this machine


@dataclass(frozen=True, slots=True)
class Cast:
    """Names of adapters: live ones count with the execution client, late ones only when they object."""

    live: tuple[str, ...]
    late: tuple[str, ...]


def cast(available: Sequence[Manifest], executor_lineage: str) -> Cast:
    """Who plays which part. available: adapters that can be started here. Raises DemoError if nobody could object."""
    others = [each for each in available if each.lineage != executor_lineage]
    live = [each for each in others if each.name in FAST]
    if len({each.lineage for each in live}) < ENOUGH:
        live = others
    if not live:
        raise DemoError(f"no adapter here is of another lineage than the execution client's, {executor_lineage}")
    return Cast(tuple(each.name for each in live), tuple(each.name for each in available if each not in live))


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients that the sidecar stands between."""

    name: str
    lineage: str
    engine_url: str
    secret_file: Path
    beacon_url: str


def write_configuration(
    directory: Path, clients: Clients, parts: Cast, genesis: dict[str, Any], addresses: Addresses | None = None
) -> Path:
    """The sidecar's configuration file in `directory`, with what it names.

    addresses: where it answered before, and shall again; None: every port is any free one.
    """
    consensus = directory / "consensus.jwt"
    if not consensus.exists():
        consensus.touch(mode=0o600)
        consensus.write_text(secrets.token_hex(32))
    engine, beacon, status = (
        (ANYWHERE,) * 3 if addresses is None else map(_port_of, (addresses.engine, addresses.beacon, addresses.status))
    )
    (directory / "genesis.json").write_text(json.dumps(genesis))
    sections: dict[str, dict[str, Any]] = {
        "execution": {
            "url": clients.engine_url,
            "jwt_secret_file": str(clients.secret_file),
            "name": clients.name,
            "lineage": clients.lineage,
        },
        "engine": {"listen": engine, "jwt_secret_file": "consensus.jwt", "hold_seconds": ENGINE_HOLD},
        "beacon": {"url": clients.beacon_url, "listen": beacon, "hold_seconds": BEACON_HOLD},
        "adapters": {"live": list(parts.live), "late": list(parts.late)},
        "disputes": {"enabled": True, "evidence": "evidence"},
        "chain": {"genesis": "genesis.json"},
        "storage": {"ledger": "ledger.sqlite", "witnesses": "witnesses", "embedded": "embedded"},
        "telemetry": {"listen": status, "log_level": "warning"},
    }
    path = directory / "verifier.toml"
    # A JSON string, number or list of strings is the same in TOML.
    path.write_text(
        "\n".join(
            f"[{section}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in content.items())
            for section, content in sections.items()
        )
    )
    return path


def _port_of(url: str) -> str:
    """Host and port."""
    return url.partition("//")[2].strip("/")
