"""The two JWT secrets: there, of the right form, not everybody's, and not the same."""

import stat
from collections.abc import Iterator
from pathlib import Path

from verifier.configuration.sections import Configuration
from verifier.errors import JwtSecretError
from verifier.executors.jwt import read_secret

from .finding import Finding, fail, ok, warn

MAKE = "openssl rand -hex 32"


def check_secrets(values: Configuration) -> Iterator[Finding]:
    """Findings on both files. Nothing of what they hold is ever shown."""
    if not values.engine.enabled:
        return
    found: list[bytes] = []
    for side, path in (
        ("execution client", values.execution.jwt_secret_file),
        ("consensus client", values.engine.jwt_secret_file),
    ):
        assert path is not None, "checked with the configuration"
        subject = f"JWT secret, {side}"
        try:
            secret = read_secret(path)
        except JwtSecretError as error:
            yield fail(subject, str(error), f"make one with `{MAKE} > {path}`, and give the {side} the same file")
            continue
        found.append(secret)
        if not any(secret):
            yield fail(subject, f"{path}: all zeros", f"make one with `{MAKE} > {path}`")
        elif others := _others(path):
            yield warn(subject, f"{path}: {others} can read it", f"chmod 600 {path}")
        else:
            yield ok(subject, f"{path}: 32 bytes, readable by its owner alone")
    if len(found) == 2 and found[0] == found[1]:
        remedy = f"make another for the consensus client with `{MAKE}`"
        yield warn("JWT secrets", "both are the same: a consensus client could be pointed past the gate", remedy)


def _others(path: Path) -> str:
    mode = path.stat().st_mode
    who = [name for name, bits in (("its group", stat.S_IRWXG), ("everybody", stat.S_IRWXO)) if mode & bits]
    return " and ".join(who)
