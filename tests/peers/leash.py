"""`python -m tests.peers.leash COMMAND…`: runs a command that ends when this process's standard input does.

A peer knows nothing of the tests that started it. Whatever ends them, also SIGKILL, closes the pipe at this process's
standard input; then the peer is killed. SIGTERM is passed on, and the exit status is the peer's.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from verifier.rpc.host.lifeline import die_with_parent, watch


def main(command: Sequence[str]) -> int:
    """Runs the command to its end; its exit status, or 128 + the number of the signal that ended it."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
    print(f"leash: pid {process.pid}", flush=True)

    def end(*_: object) -> None:
        process.kill()

    def pass_on(number: int, _: object) -> None:
        process.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    watch(sys.stdin.fileno(), end)
    status = process.wait()
    return 128 - status if status < 0 else status


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # not waiting for the thread that reads standard input
