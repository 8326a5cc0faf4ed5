"""What an adapter's process may not do, whatever a witness makes of it. docs/containment.md says how far that goes."""

import sys
from pathlib import Path

from .sandbox import has_socket_filter, landlock_version

# Bytes of private memory a process. The largest of six clients takes 0.3 GiB on a full block; a witness file may have
# 1 GiB and is held twice where it comes as bytes.
MEMORY_LIMIT = 4 << 30


def contained(command: tuple[str, ...], directory: Path, *, network: bool = False) -> tuple[str, ...]:
    """The command that starts `command` with less: memory limited, no network, writes below `directory` only.

    network: it is to listen on TCP. On a system that is not Linux the command is returned as it is.
    """
    if not sys.platform.startswith("linux"):
        return command
    limits = ("--memory", str(MEMORY_LIMIT), "--writable", str(directory), *(("--network",) if network else ()))
    # -I: neither the working directory nor the environment says what the launcher imports.
    launcher = (sys.executable, "-I", str(Path(__file__).with_name("sandbox.py")))
    return (*launcher, *limits, "--", *command)


def enforced() -> dict[str, str]:
    """Which limits this system enforces on an adapter, and why not where it does not; for `verifier adapters list`."""
    if not sys.platform.startswith("linux"):
        return dict.fromkeys(("memory", "network", "files"), f"no: {sys.platform} is not Linux")
    version = landlock_version()
    return {
        "memory": f"{MEMORY_LIMIT >> 20} MiB a process",
        "network": "none but unix-domain sockets" if has_socket_filter() else "no: this kernel has no seccomp filters",
        "files": f"read-only but its own directory (Landlock {version})"
        if version
        else "no: this kernel has no Landlock",
    }
