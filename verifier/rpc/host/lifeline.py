"""Ending with one's parent, however it ends: a pipe that only the parent holds open reaches end-of-file."""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable

PR_SET_PDEATHSIG = 1  # linux/prctl.h
READ_SIZE = 4096  # bytes; what is written to a lifeline has no meaning


def watch(descriptor: int, ended: Callable[[], None]) -> threading.Thread:
    """Calls `ended` from a thread of its own when `descriptor` reaches end-of-file or fails."""

    def wait() -> None:
        try:
            while os.read(descriptor, READ_SIZE):
                pass
        except OSError:
            pass  # closed under our feet: as good as ended
        ended()

    thread = threading.Thread(target=wait, name="lifeline", daemon=True)
    thread.start()
    return thread


def die_with_parent() -> None:
    """Asks Linux to kill this process when the thread that started it ends, also while no Python code can run.

    A second line behind `watch`, which needs the interpreter; elsewhere than on Linux it does nothing.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
