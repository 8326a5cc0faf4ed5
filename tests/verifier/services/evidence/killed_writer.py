"""A process that writes one bundle and is killed in the middle: by itself at a chosen point, or by who started it."""

import os
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path

from verifier.services.evidence import write_bundle

from .builders import evidence

# Of the audit events of Python, raised before the system is asked: those of changes in a directory.
CHANGES = frozenset({"open", "os.mkdir", "os.rename", "os.link", "os.chmod", "os.remove", "os.rmdir", "os.truncate"})


def write(sources: Path, directory: Path, at: int | None, told: Connection) -> None:
    """Writes the bundle of the one dispute below `directory`. at: the change before which the process is killed.

    told: hears that it begins, and how many changes there were if it comes to its end.
    """
    given = evidence(sources)
    changes = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal changes
        if event in CHANGES and counting and str(directory) in str(arguments):
            changes += 1
            if changes == at:
                os.kill(os.getpid(), signal.SIGKILL)

    counting = False
    sys.addaudithook(count)
    told.send("it begins")
    counting = True
    write_bundle(directory, given)
    counting = False
    told.send(changes)
