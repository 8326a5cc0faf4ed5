"""The private directory in which one verifier process keeps its adapters' sockets and logs.

Its name carries the process id, so that what a killed verifier left is recognised and removed by the next one.
"""

import os
import re
import shutil
import tempfile
from pathlib import Path

import psutil

# A unix-domain socket's path has at most 107 bytes (sun_path, unix(7)), so the directory is short and near the root.
BASE = Path(tempfile.gettempdir())
PREFIX = "verifier-"
NAME = re.compile(rf"{PREFIX}(?P<uid>\d+)-(?P<pid>\d+)-(?P<started>\d+)-\w+")
MAX_SOCKET_PATH = 107  # bytes


def create_socket_directory(base: Path = BASE) -> Path:
    """A new directory, mode 0700, of this process. Removes those of processes that are gone. Raises OSError."""
    remove_stale_directories(base)
    started = int(psutil.Process().create_time())
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getuid()}-{os.getpid()}-{started}-", dir=base))


def remove_stale_directories(base: Path = BASE) -> list[Path]:
    """Removes the directories of this user's verifier processes that no longer run, and returns them."""
    removed = []
    for path in base.glob(f"{PREFIX}*"):
        match = NAME.fullmatch(path.name)
        if match is None or int(match["uid"]) != os.getuid() or path.is_symlink():
            continue
        try:
            owner = path.stat().st_uid
        except FileNotFoundError:
            continue  # another process that starts now has removed it, or it has ended
        if owner != os.getuid():
            continue
        if not _is_running(int(match["pid"]), int(match["started"])):
            shutil.rmtree(path, ignore_errors=True)
            removed.append(path)
    return removed


def _is_running(pid: int, started: int) -> bool:
    # The start time too: process ids are used again.
    try:
        return int(psutil.Process(pid).create_time()) == started
    except psutil.Error:
        return False
