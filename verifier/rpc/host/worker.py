"""One client in one process: takes a request, answers it, takes the next.

Started by `pool` as `python -m verifier.rpc.host.worker FACTORY FORKS CHANNEL LIFELINE PARENT MEMORY_LIMIT`, where
CHANNEL and LIFELINE are inherited descriptors. Execution runs in a thread with a large stack: 1024 nested EVM calls
are several thousand nested Python calls.
"""

import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from google.protobuf.message import DecodeError

from ..v1 import executor_pb2 as pb
from . import lifeline
from .channel import Channel, ChannelError, Kind
from .client import Client, load_client
from .responses import crashed, describe_error
from .task import Answered, BlockTask, open_task
from .tracer import Tracer

T = TypeVar("T")

STACK_SIZE = 256 << 20  # bytes of address space; pages are only used as far as recursion goes
RECURSION_LIMIT = 200_000  # Python frames; the stack above holds them, and a MemoryError or the deadline ends the rest


def execute(client: Client, request: pb.ExecuteRequest, forks: frozenset[str]) -> pb.ExecuteResponse:
    """Opens, binds and executes one request; anything but running out of memory becomes an answer."""
    return _answer(client.execute, request, forks)


def trace(
    client: Client, request: pb.TraceRequest, forks: frozenset[str], send: Callable[[pb.TraceEvent], object]
) -> pb.ExecuteResponse:
    """As `execute`; the events before the outcome go to `send`."""
    tracer = Tracer(request.first, request.count, send)
    response = _answer(lambda task: client.trace(task, tracer), request.execution, forks)
    tracer.flush()  # of a transaction that came to no end
    return response


def _answer(
    run: Callable[[BlockTask], pb.ExecuteResponse], request: pb.ExecuteRequest, forks: frozenset[str]
) -> pb.ExecuteResponse:
    started = time.monotonic_ns()
    opened = 0
    try:
        task = open_task(request, forks)
        opened = time.monotonic_ns() - started
        response = run(task)
    except Answered as answered:
        response = answered.response
        opened = time.monotonic_ns() - started
    except MemoryError:
        raise
    except Exception as error:  # the contract: whatever a client raises is contained
        response = crashed(describe_error(error))
    response.timings.decode_us += opened // 1000
    response.timings.total_us = (time.monotonic_ns() - started) // 1000
    return response


def call_with_deep_stack(function: Callable[[], T]) -> T:
    """Calls `function` in a thread with room for deep recursion. Raises what it raises."""
    previous = threading.stack_size(STACK_SIZE)
    try:
        with ThreadPoolExecutor(1, "client") as thread:
            sys.setrecursionlimit(max(RECURSION_LIMIT, sys.getrecursionlimit()))
            return thread.submit(function).result()
    finally:
        threading.stack_size(previous)


def serve(client: Client, forks: frozenset[str], channel: Channel) -> None:
    """Warms the client, then answers requests until the server closes the channel."""
    try:
        client.warm()
    except Exception as error:  # reported to the server, which decides
        channel.send(Kind.FAILED, describe_error(error).encode())
        return
    channel.send(Kind.READY, b"")
    while True:
        try:
            kind, payload = channel.receive()
        except (EOFError, OSError, ChannelError):
            return
        try:
            if kind == Kind.TRACE_REQUEST:
                traced = pb.TraceRequest.FromString(payload)
                del payload
                response = trace(client, traced, forks, lambda event: _send_event(channel, event))
            else:
                request = pb.ExecuteRequest.FromString(payload)
                del payload
                response = execute(client, request, forks)
            answer = Kind.ANSWER, response.SerializeToString()
        except MemoryError:
            # What else failed to be allocated, and what state that left behind, cannot be known.
            answer = Kind.LAST_ANSWER, crashed("MemoryError: the worker's memory limit").SerializeToString()
        except DecodeError as error:
            answer = Kind.ANSWER, crashed(describe_error(error)).SerializeToString()
        except _ServerGoneError:
            return
        channel.send(*answer)


class _ServerGoneError(BaseException):
    """Nobody reads the trace any more. No client may take it for a mistake of its own: hence no Exception."""


def _send_event(channel: Channel, event: pb.TraceEvent) -> None:
    try:
        channel.send(Kind.EVENT, event.SerializeToString())
    except OSError as error:
        raise _ServerGoneError from error


def main(arguments: list[str]) -> None:
    """Runs until the server closes the channel or ends."""
    factory, forks, channel_fd, lifeline_fd, parent, memory_limit = arguments
    lifeline.die_with_parent()
    lifeline.watch(int(lifeline_fd), lambda: os._exit(0))
    if os.getppid() != int(parent):
        os._exit(0)  # the server ended before the lines above ran
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the server ends its workers
    if int(memory_limit):
        resource.setrlimit(resource.RLIMIT_DATA, (int(memory_limit), int(memory_limit)))
    channel = Channel(socket.socket(fileno=int(channel_fd)))

    def run() -> None:
        try:
            client = load_client(factory)
        except Exception as error:  # reported to the server, which decides
            channel.send(Kind.FAILED, describe_error(error).encode())
            return
        serve(client, frozenset(forks.split(",")), channel)

    call_with_deep_stack(run)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
