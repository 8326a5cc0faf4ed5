"""A client for the host's tests: what it does is said by the witness's first code, in words.

It ships with the host because it is the Protocol's second implementation, and proves what the host promises.
"""

import os
import sys
import time

from ..v1 import executor_pb2 as pb
from .client import Adapter
from .task import BlockTask
from .tracer import Tracer


class FakeClient:
    """Reports the header's own values, or misbehaves as ordered."""

    def __init__(self) -> None:
        self._executed = 0

    def warm(self) -> None:
        """Nothing to do, unless the environment asks for a failure."""
        if os.environ.get("FAKE_CLIENT_WARM") == "fail":
            raise RuntimeError("told to fail")

    def execute(self, task: BlockTask) -> pb.ExecuteResponse:
        """Obeys `task.codes[0]`; counts its answers in `gas_used`."""
        order = bytes(task.codes[0]).decode() if task.codes else "answer"
        match order.split():
            case ["raise"]:
                raise ValueError("told to raise\nover two lines")
            case ["exit", status]:
                os._exit(int(status))
            case ["signal", number]:
                os.kill(os.getpid(), int(number))
                time.sleep(3600)  # another thread may be the one that gets it
            case ["spin"]:
                while True:
                    pass
            case ["hang"]:
                time.sleep(3600)
            case ["swell"]:
                swollen = []
                while True:
                    swollen.append(bytearray(16 << 20))
            case ["garbage"]:
                os.write(_channel_descriptor(), b"\xff" * 64)
                time.sleep(3600)
            case ["print"]:
                sys.stdout.write("a client may print\n")
                sys.stdout.flush()
            case ["empty"]:
                return pb.ExecuteResponse()
            case ["recurse"]:
                self._recurse(0)
        self._executed += 1
        return pb.ExecuteResponse(
            computed=pb.Computed(
                state_root=task.header.state_root,
                receipts_root=task.header.receipts_root,
                logs_bloom=task.header.logs_bloom,
                gas_used=self._executed,
                transactions_root=task.header.transactions_root,
                withdrawals_root=task.header.withdrawals_root,
            )
        )

    def trace(self, task: BlockTask, tracer: Tracer) -> pb.ExecuteResponse:
        """Obeys `steps TRANSACTIONS STEPS`: so many transactions of so many steps each, STEPS 0 meaning without end.

        Any other order is executed inside the first transaction, after one step.
        """
        order = bytes(task.codes[0]).decode().split() if task.codes else []
        if order[:1] != ["steps"]:
            self._trace_steps(tracer, 0, 1)
            return self.execute(task)
        transactions, steps = int(order[1]), int(order[2])
        for index in range(transactions):
            self._trace_steps(tracer, index, steps)
            tracer.end_transaction(21_000, succeeded=True)
        return self.execute(task)

    def _trace_steps(self, tracer: Tracer, index: int, steps: int) -> None:
        tracer.start_transaction(index, bytes([index]) * 32)
        step = 0
        while tracer.wanted and (step < steps or not steps):
            tracer.step(1, bytes(20), step, 0x5B, 1_000_000, step.to_bytes(32, "big"))
            step += 1

    def measure(self, task: BlockTask) -> bytes:
        """The header's state root."""
        return task.header.state_root

    def _recurse(self, depth: int) -> int:
        return self._recurse(depth + 1) if depth < 10_000 else depth


def _channel_descriptor() -> int:
    return int(sys.argv[3])  # see worker.main


def describe_fake() -> pb.DescribeResponse:
    """The fake's description."""
    return pb.DescribeResponse(
        client_name="fake",
        client_version="1",
        adapter_version="1",
        lineage="fake",
        forks=["frontier", "homestead", "paris", "shanghai"],
        unchecked_rules=[pb.RULE_OTHER],
        traces=True,
    )


ADAPTER = Adapter(name="fake", factory=f"{__name__}:FakeClient", required_modules=(), description=describe_fake)
