"""Messages between server and worker: a kind, a length, the bytes, over a socket pair.

Not a memory-shared queue: a worker that dies in the middle of a message must be seen as exactly that.
"""

import socket
import struct
import time
from enum import IntEnum

FRAME = struct.Struct("<BQ")  # kind, length in bytes
MAX_LENGTH = 1 << 31  # bytes; more than any request (256 MiB) or answer can have
CHUNK = 1 << 20  # bytes read at once


class Kind(IntEnum):
    """What a frame holds. LAST_ANSWER: an answer after which the worker wants to be replaced. EVENT: of a trace."""

    READY = 1
    FAILED = 2
    REQUEST = 3
    ANSWER = 4
    LAST_ANSWER = 5
    TRACE_REQUEST = 6
    EVENT = 7


class ChannelError(Exception):
    """The other side sent what is no frame."""


class Channel:
    """One end of the socket pair. Deadlines are on time.monotonic(), in seconds; None waits for ever."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def send(self, kind: Kind, payload: bytes, deadline: float | None = None) -> None:
        """Raises TimeoutError at the deadline, OSError if the other side is gone."""
        self._set_timeout(deadline)
        self._connection.sendall(FRAME.pack(kind, len(payload)))
        self._connection.sendall(payload)

    def receive(self, deadline: float | None = None) -> tuple[Kind, bytes]:
        """Raises TimeoutError at the deadline, EOFError or OSError if the other side is gone, ChannelError."""
        kind, length = FRAME.unpack(self._receive_exactly(FRAME.size, deadline))
        if length > MAX_LENGTH or kind not in list(Kind):
            raise ChannelError(f"frame of kind {kind}, {length} bytes")
        return Kind(kind), bytes(self._receive_exactly(length, deadline))

    def close(self) -> None:
        """Closes this end."""
        self._connection.close()

    def _receive_exactly(self, length: int, deadline: float | None) -> bytearray:
        data = bytearray()
        while len(data) < length:
            self._set_timeout(deadline)
            chunk = self._connection.recv(min(CHUNK, length - len(data)))
            if not chunk:
                raise EOFError("the other side closed the channel")
            data += chunk
        return data

    def _set_timeout(self, deadline: float | None) -> None:
        if deadline is None:
            self._connection.settimeout(None)
            return
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("the deadline has passed")
        self._connection.settimeout(remaining)
