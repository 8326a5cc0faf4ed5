"""Tells the process that started us how we stand (systemd's `Type=notify`, sd_notify(3)); nothing where none asks."""

import contextlib
import os
import socket

VARIABLE = "NOTIFY_SOCKET"


def notify_supervisor(state: str) -> None:
    """Sends one state ("READY=1", "STOPPING=1"). Never raises: nothing depends on it."""
    path = os.environ.get(VARIABLE, "")
    if not path.startswith(("/", "@")):
        return
    address = f"\0{path[1:]}" if path.startswith("@") else path  # an abstract socket
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        out.sendto(state.encode(), address)
