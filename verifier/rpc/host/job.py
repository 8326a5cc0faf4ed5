"""One request on its way from gRPC to a worker, and what comes back."""

import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field

from ..v1 import executor_pb2 as pb
from .channel import ChannelError, Kind

EVENTS_AHEAD = 4  # events of a trace between worker and gRPC; each has at most some megabytes


@dataclass
class Job:
    """A request to execute a block. deadline: on time.monotonic(), None for never."""

    request: bytes
    deadline: float | None
    future: "Future[pb.ExecuteResponse]" = field(default_factory=Future)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _process: "subprocess.Popen[bytes] | None" = None
    _cancelled: bool = False
    _begun: bool = False

    @property
    def kind(self) -> Kind:
        """As what the request goes to the worker."""
        return Kind.REQUEST

    def cancel(self) -> None:
        """Gives the job up: it does not start, and if it runs, its worker is killed. Nothing if it is done."""
        with self._lock:
            self._cancelled = True
            if self._process is not None:
                self._process.kill()
            if self._begun:
                return  # the worker's end finishes it
        self.future.cancel()

    def begin(self, process: "subprocess.Popen[bytes]") -> bool:
        """Claims the job for a worker; false if nobody waits for it any more."""
        with self._lock:
            if self._cancelled or (self.deadline is not None and time.monotonic() >= self.deadline):
                return False
            self._begun = True
            self._process = process
            return True

    def take(self, payload: bytes) -> None:
        """An event from the worker before its answer.

        Raises TimeoutError at the deadline, ChannelError or DecodeError where it is none.
        """
        raise ChannelError(f"an event of {len(payload)} bytes that nobody asked for")

    def end(self) -> bool:
        """Unties the job from its worker; true if it was cancelled meanwhile (and the worker killed)."""
        with self._lock:
            self._process = None
            return self._cancelled

    def finish(self, outcome: pb.ExecuteResponse | Exception) -> None:
        """Hands the outcome to whoever waits; nothing if the job was cancelled before it was started."""
        with suppress(InvalidStateError):
            if isinstance(outcome, Exception):
                self.future.set_exception(outcome)
            else:
                self.future.set_result(outcome)


class TraceJob(Job):
    """A request to trace a block: few events wait for their reader, then the worker does."""

    def __init__(self, request: bytes, deadline: float | None) -> None:
        super().__init__(request, deadline)
        self._events: deque[pb.TraceEvent] = deque()
        self._changed = threading.Condition()
        self._given_up = False
        self.future.add_done_callback(lambda _: self._wake())

    @property
    def kind(self) -> Kind:
        """As what the request goes to the worker."""
        return Kind.TRACE_REQUEST

    def cancel(self) -> None:
        """See Job; events are dropped from now on."""
        super().cancel()
        with self._changed:
            self._given_up = True
            self._events.clear()
            self._changed.notify_all()

    def take(self, payload: bytes) -> None:
        """See Job; waits until there is room for the event."""
        event = pb.TraceEvent.FromString(payload)
        if event.WhichOneof("event") in (None, "outcome"):
            raise ChannelError(f"an event of {len(payload)} bytes that is none of a trace")
        with self._changed:
            remaining = None if self.deadline is None else self.deadline - time.monotonic()
            if not self._changed.wait_for(lambda: self._given_up or len(self._events) < EVENTS_AHEAD, remaining):
                raise TimeoutError("the deadline has passed")
            if not self._given_up:
                self._events.append(event)
                self._changed.notify_all()

    def events(self) -> Iterator[pb.TraceEvent]:
        """The events in order, until the job is done. Raises TimeoutError at the deadline."""
        while True:
            with self._changed:
                remaining = None if self.deadline is None else self.deadline - time.monotonic()
                if not self._changed.wait_for(lambda: self._events or self.future.done(), remaining):
                    raise TimeoutError("the deadline has passed")
                if not self._events:
                    return
                event = self._events.popleft()
                self._changed.notify_all()
            yield event

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()
