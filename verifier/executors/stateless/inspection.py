"""What an adapter says of itself when it is not running: its `--describe`."""

import asyncio
import contextlib
from dataclasses import dataclass

from google.protobuf import json_format

from verifier.errors import AdapterError
from verifier.rpc.v1 import executor_pb2 as pb

from .client import Description, decode_description
from .manifest import Manifest

DESCRIBE_TIMEOUT = 60.0  # seconds; importing a Python client takes seconds on busy cores, nothing is warmed


@dataclass(frozen=True, slots=True)
class Inspection:
    """An adapter's state: "ready" (it can be started), "not built", "toolchain missing", "packages missing", "crashed".

    reason: one line where it is not ready; description where it is.
    """

    manifest: Manifest
    state: str
    reason: str = ""
    description: Description | None = None


async def inspect(manifest: Manifest) -> Inspection:
    """Asks the adapter to describe itself. Never raises for what the adapter does."""
    unavailable = manifest.unavailable_because()
    if unavailable is not None:
        return Inspection(manifest, *unavailable)
    command = (*manifest.command, "--describe")
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        return Inspection(manifest, "crashed", f"cannot start {command[0]}: {error.strerror}")
    try:
        async with asyncio.timeout(DESCRIBE_TIMEOUT):
            output, errors = await process.communicate()
    except TimeoutError:
        return Inspection(manifest, "crashed", f"no answer to --describe within {DESCRIBE_TIMEOUT:.0f} s")
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        lines = errors.decode(errors="replace").strip().splitlines()
        return Inspection(manifest, "crashed", f"exit status {process.returncode}: {lines[-1] if lines else ''}")
    try:
        description = decode_description(json_format.Parse(output, pb.DescribeResponse()))
    except (json_format.ParseError, UnicodeDecodeError, AdapterError) as error:
        return Inspection(manifest, "crashed", f"its description cannot be read: {error}")
    if description.lineage != manifest.lineage:
        return Inspection(manifest, "crashed", f"it is of lineage {description.lineage}, adapter.toml says otherwise")
    return Inspection(manifest, "ready", "", description)
