"""An adapter for tests that keeps or breaks the process contract as its first argument says. Run as a script."""

import argparse
import mmap
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc
from google.protobuf import json_format
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer

from verifier.rpc.v1 import executor_pb2 as pb
from verifier.rpc.v1 import executor_pb2_grpc

ANSWER = pb.ExecuteResponse(
    computed=pb.Computed(
        state_root=b"\x05" * 32,
        receipts_root=b"\x07" * 32,
        logs_bloom=bytes(256),
        gas_used=21_000,
        transactions_root=b"\x06" * 32,
    ),
    timings=pb.Timings(total_us=1500),
)

STEP = pb.Step(depth=1, account=b"\x0a" * 20, pc=3, op=0x60, gas=100_000, stack=bytes(64), gas_cost=3)
START = pb.TraceEvent(transaction_start=pb.TransactionStart(index=0, hash=b"\x09" * 32))
STEPS = pb.TraceEvent(steps=pb.Steps(steps=[STEP, STEP]))
END = pb.TraceEvent(transaction_end=pb.TransactionEnd(index=0, succeeded=True, gas_used=21_000, steps=2))
TRACED = pb.ExecuteResponse(
    computed=pb.Computed(
        state_root=b"\x05" * 32,
        receipts_root=b"\x07" * 32,
        logs_bloom=bytes(256),
        gas_used=21_000,
        transactions_root=b"\x06" * 32,
        receipts=[pb.Receipt(cumulative_gas_used=21_000, logs_hash=bytes(32), succeeded=True)],
    ),
    timings=pb.Timings(total_us=1500),
)
OUTCOME = pb.TraceEvent(outcome=TRACED)
OTHER_STEP = pb.Step(depth=1, account=b"\x0a" * 20, pc=3, op=0x60, gas=99_999, stack=bytes(63) + b"\1", error="no")
OTHER_STEPS = pb.TraceEvent(steps=pb.Steps(steps=[STEP, OTHER_STEP]))
TRACES = {  # mode → what is streamed
    "well": (START, STEPS, END, OUTCOME),
    "no-outcome": (START, STEPS, END),
    "no-end": (START, STEPS, OUTCOME),
    "cut": (START, STEPS),
    "other": (START, OTHER_STEPS, END, OUTCOME),
}


class Scripted(executor_pb2_grpc.StatelessExecutorServicer):
    """Behaves as its mode says."""

    def __init__(self, mode: str, folder: Path) -> None:
        self.mode = mode
        self.folder = folder
        self.only_place = threading.Lock()

    @staticmethod
    def swell() -> None:
        """Takes memory until there is none, then ends as a runtime does that cannot go on."""
        taken = []
        try:
            while True:
                taken.append(mmap.mmap(-1, 256 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))  # not touched
        except OSError:
            print(f"fatal: out of memory after {len(taken) // 4} GiB", file=sys.stderr, flush=True)
            os._exit(134)

    def Describe(self, request: pb.DescribeRequest, context: grpc.ServicerContext) -> pb.DescribeResponse:  # noqa: N802
        return describe(self.mode)

    def Execute(self, request: pb.ExecuteRequest, context: grpc.ServicerContext) -> pb.ExecuteResponse:  # noqa: N802
        first = self.folder / "first-request"
        if self.mode == "crash-always" or (self.mode == "crash-once" and not first.exists()):
            first.touch()
            print("fatal: scripted crash", file=sys.stderr, flush=True)
            os._exit(7)
        if self.mode == "hang":
            threading.Event().wait()
        with self.only_place:
            return self.execute_alone(request, context, first)

    def execute_alone(
        self, request: pb.ExecuteRequest, context: grpc.ServicerContext, first: Path
    ) -> pb.ExecuteResponse:
        """While it holds the adapter's only place."""
        if self.mode == "deaf":  # its one place is taken for ever
            threading.Event().wait()
        if request.WhichOneof("witness") == "content":  # what a supervisor asks to see whether a place is free
            return pb.ExecuteResponse(abstention=pb.Abstention(reason=pb.ABSTENTION_REASON_REFUSED))
        if self.mode == "hang-once" and not first.exists():
            first.touch()
            threading.Event().wait()
        if self.mode == "slow" and not first.exists():
            first.touch()
            gone = threading.Event()
            context.add_callback(gone.set)
            gone.wait()
        if self.mode == "swell-once" and not first.exists():
            first.touch()
            self.swell()
        if self.mode == "malformed":
            return pb.ExecuteResponse(computed=pb.Computed(state_root=b"short"))
        if self.mode == "empty":
            return pb.ExecuteResponse()
        if self.mode == "error":
            context.abort(grpc.StatusCode.INTERNAL, "scripted\nerror")
        return ANSWER

    def Trace(self, request: pb.TraceRequest, context: grpc.ServicerContext) -> Iterator[pb.TraceEvent]:  # noqa: N802
        if self.mode == "deaf":
            yield START
            threading.Event().wait()
        if self.mode == "endless":
            yield START
            while context.is_active():
                yield STEPS
        yield from TRACES.get(self.mode, ())
        if self.mode == "cut":
            os._exit(7)
        if self.mode == "hang":
            threading.Event().wait()
        if self.mode == "error":
            context.abort(grpc.StatusCode.INTERNAL, "scripted\nerror")


def describe(mode: str) -> pb.DescribeResponse:
    """What the scripted adapter says of itself."""
    return pb.DescribeResponse(
        client_name="scripted",
        client_version="1.0",
        lineage="other" if mode == "wrong-lineage" else "scripted",
        forks=["paris", "prague"],
        modes=[pb.MODE_PROOF],
        max_concurrent_requests=1,
        contract_version=2 if mode == "wrong-contract" else 1,
        traces=mode != "no-traces",
    )


def main() -> None:
    """Serves until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("mode")
    parser.add_argument("--socket")
    parser.add_argument("--describe", action="store_true")
    arguments = parser.parse_args()
    if arguments.mode == "exit":
        print("warning: something\nfatal: scripted exit", file=sys.stderr)
        sys.exit(9)
    if arguments.describe:
        if arguments.mode == "garbage":
            print("no json")
            return
        print(json_format.MessageToJson(describe(arguments.mode), indent=None))
        return
    socket = Path(arguments.socket)
    if arguments.mode == "ignore-sigterm":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    server = grpc.server(futures.ThreadPoolExecutor(8))
    scripted = Scripted(arguments.mode, socket.parent)
    executor_pb2_grpc.add_StatelessExecutorServicer_to_server(scripted, server)  # type: ignore[no-untyped-call]
    health = HealthServicer()
    serving = health_pb2.HealthCheckResponse.NOT_SERVING if arguments.mode == "never-healthy" else None
    health.set("", serving or health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    if arguments.mode != "ignore-sigterm":
        sys.stdin.read()
        socket.unlink(missing_ok=True)
        os._exit(0)
    threading.Event().wait()


if __name__ == "__main__":
    main()
