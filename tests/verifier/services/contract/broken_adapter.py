"""pyevm's adapter with one obligation of the contract broken, as its first argument says. Run as a module.

`unbroken` breaks none. Breakages of the client are made in the workers, the others in the server's process.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

import verifier.rpc.host.server as server
import verifier.rpc.host.task as task_module
import witness.file
from adapters.pyevm.description import ADAPTER, describe
from tests.verifier.services.contract.broken_additions import (
    ADDITIONS,
    PRESTATE_ANSWERS,
    SERVER_ADDITIONS,
    WORKER_ADDITIONS,
    trace_outcome,
    tracer_for,
)
from verifier.rpc.host import command, lifeline
from verifier.rpc.host.client import Adapter
from verifier.rpc.host.job import Job
from verifier.rpc.host.responses import broken_rule
from verifier.rpc.host.task import Answered, BlockTask
from verifier.rpc.host.tracer import Tracer
from verifier.rpc.v1 import executor_pb2 as pb
from witness.errors import EncodingError
from witness.header import decode_block_header
from witness.trie_node import decode_node

# Modules as what they are here: things to change.
WORKER: Any = sys.modules["__main__"]  # in a worker; its names are what it runs with
TASK: Any = task_module
SERVER: Any = server
FILE: Any = witness.file
MODE_VARIABLE = "BROKEN_ADAPTER_MODE"
CLAIMED_FORK = "amsterdam"


class Anything(int):
    """A checksum that is equal to every other."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 0


class BrokenClient:
    """pyevm's client, with what the mode says around it."""

    def __init__(self) -> None:
        from adapters.pyevm.client import PyEvmClient

        self._client = PyEvmClient()
        self._mode = os.environ[MODE_VARIABLE]
        breakage = WORKER_BREAKAGES.get(self._mode) or WORKER_ADDITIONS.get(self._mode)
        if breakage is not None:
            breakage()

    def warm(self) -> None:
        self._client.warm()

    def measure(self, task: BlockTask) -> bytes:
        return self._client.measure(task)

    def execute(self, task: BlockTask) -> pb.ExecuteResponse:
        if self._mode == "crashes-on-garbage" and not all(map(is_node, task.nodes)):
            os.kill(os.getppid(), signal.SIGKILL)
        return self._changed(task, self._client.execute(task))

    def trace(self, task: BlockTask, tracer: Tracer) -> pb.ExecuteResponse:
        response = self._client.trace(task, broken := tracer_for(self._mode, task, tracer))
        broken.flush()
        trace_outcome(self._mode, response)
        return self._changed(task, response)

    def _changed(self, task: BlockTask, response: pb.ExecuteResponse) -> pb.ExecuteResponse:
        change = ANSWER_BREAKAGES.get(self._mode)
        if change is not None:
            change(task, response)
        on_prestate = PRESTATE_ANSWERS.get(self._mode)
        if on_prestate is not None and task.prestate is not None:
            on_prestate(response)
        return response


def is_node(octets: Any) -> bool:
    try:
        decode_node(octets)
    except EncodingError:
        return False
    return True


# What becomes of an answer


def copy_results(task: BlockTask, response: pb.ExecuteResponse) -> None:
    if response.WhichOneof("outcome") == "computed":
        for name in ("state_root", "receipts_root", "logs_bloom", "gas_used", "requests_hash"):
            value = getattr(task.header, name)
            if value is not None:
                setattr(response.computed, name, value)


def misses_a_node(response: pb.ExecuteResponse) -> bool:
    return any(item.kind == pb.Missing.KIND_NODE for item in response.abstention.missing)


def blame_the_block(task: BlockTask, response: pb.ExecuteResponse) -> None:
    if misses_a_node(response):
        response.CopyFrom(broken_rule(pb.RULE_TRANSACTION, "transaction 0: sender not found"))


def answer_some_root(task: BlockTask, response: pb.ExecuteResponse) -> None:
    if misses_a_node(response):
        header = task.header
        response.CopyFrom(
            pb.ExecuteResponse(
                computed=pb.Computed(
                    state_root=b"\x11" * 32,
                    receipts_root=header.receipts_root,
                    logs_bloom=header.logs_bloom,
                    gas_used=header.gas_used,
                    transactions_root=header.transactions_root,
                    withdrawals_root=header.withdrawals_root,
                    blob_gas_used=header.blob_gas_used,
                    requests_hash=header.requests_hash,
                )
            )
        )


def swallow_codes(task: BlockTask, response: pb.ExecuteResponse) -> None:
    if any(item.kind == pb.Missing.KIND_CODE for item in response.abstention.missing):
        response.CopyFrom(broken_rule(pb.RULE_OTHER, "no such code"))


def name_nothing(task: BlockTask, response: pb.ExecuteResponse) -> None:
    for item in response.abstention.missing:
        if item.kind == pb.Missing.KIND_NODE:
            item.hash = b"\x22" * 32


def change_receipts(task: BlockTask, response: pb.ExecuteResponse) -> None:
    for receipt in response.computed.receipts:
        receipt.logs_hash = b"\x33" * 32


def remember_runs(task: BlockTask, response: pb.ExecuteResponse) -> None:
    if response.WhichOneof("outcome") == "computed":
        response.computed.unchecked_rules.append(RULES[SEEN.setdefault("runs", 0) % len(RULES)])
        SEEN["runs"] += 1


SEEN: dict[str, int] = {}
# As many as do not divide the number of blocks that are asked twice.
RULES = (pb.RULE_NUMBER, pb.RULE_TIMESTAMP, pb.RULE_GAS_LIMIT, pb.RULE_NONCE, pb.RULE_BASE_FEE)
ANSWER_BREAKAGES: dict[str, Callable[[BlockTask, pb.ExecuteResponse], None]] = {
    "copies-results": copy_results,
    "missing-node-is-invalid": blame_the_block,
    "missing-node-is-some-root": answer_some_root,
    "missing-code-is-invalid": swallow_codes,
    "names-another-node": name_nothing,
    "wrong-receipts": change_receipts,
    "another-answer-each-time": remember_runs,
}


# What is done to the worker's process


def trust_any_root() -> None:
    original = WORKER.open_task

    def open_task(request: pb.ExecuteRequest, forks: Any) -> Any:
        try:
            return original(request, forks)
        except Answered as answered:
            if "is not the trusted" not in answered.response.abstention.detail:
                raise
        content = TASK._open(request)
        parent = TASK.decode_header(content.witness.headers[-1])
        request.pre_state_root = parent.state_root
        return original(request, forks)

    WORKER.open_task = open_task


def believe_files() -> None:
    FILE.crc32 = lambda *_: Anything()


def take_any_block() -> None:
    TASK._block_header = lambda content, _: decode_block_header(content.block)


def ignore_chain_config() -> None:
    original = TASK._chain_config
    TASK._chain_config = lambda _, content: original(pb.ExecuteRequest(), content)


def answer_block_hash_zero() -> None:
    import adapters.pyevm.machine

    machine: Any = adapters.pyevm.machine

    def previous_hashes(self: Any) -> Any:
        for number in range(self.get_header().block_number - 1, -1, -1):
            yield self._ancestor_hashes.get(number, bytes(32))

    machine.BlockMachine.previous_hashes = property(previous_hashes)


def skip_nonce() -> None:
    import adapters.pyevm.execution
    from adapters.pyevm.machine import BrokenRuleError

    execution: Any = adapters.pyevm.execution
    original = execution.check_block

    def check_block(*arguments: Any, **keywords: Any) -> None:
        try:
            original(*arguments, **keywords)
        except BrokenRuleError as error:
            if error.rule != pb.RULE_NONCE:
                raise

    execution.check_block = check_block


WORKER_BREAKAGES: dict[str, Callable[[], None]] = {
    "trusts-any-root": trust_any_root,
    "believes-damaged-files": believe_files,
    "takes-another-block": take_any_block,
    "ignores-chain-config": ignore_chain_config,
    "block-hash-is-zero": answer_block_hash_zero,
    "skips-nonce": skip_nonce,
}


# What is done to the server's process


def ignore_deadlines() -> None:
    class Undying(Job):
        def cancel(self) -> None:
            pass

    SERVER.Job = lambda request, _: Undying(request, None)


def mix_up_answers() -> None:
    original = SERVER.Servicer.Execute
    lock, under_way = threading.Lock(), [0]
    latest: list[pb.ExecuteResponse] = []

    def execute(self: Any, request: pb.ExecuteRequest, context: grpc.ServicerContext) -> Any:
        with lock:
            under_way[0] += 1
            together = under_way[0] > 1
        try:
            response = original(self, request, context)
            with lock:
                if together or latest or under_way[0] > 1:
                    latest.append(response)
                    return latest[0]
                return response
        finally:
            with lock:
                under_way[0] -= 1
                if not under_way[0]:
                    latest.clear()

    SERVER.Servicer.Execute = execute


def keep_socket() -> None:
    def stop(self: Any) -> None:
        self._pool.stop()  # gRPC would remove the socket too

    SERVER.AdapterServer.stop = stop


def ignore_lifeline() -> None:
    lifeline.watch = lambda *_: threading.current_thread()


def ignore_signals() -> None:
    original = command._wake_on_signals

    def wake() -> Any:
        signals = original()
        signal.set_wakeup_fd(-1)
        return signals

    command._wake_on_signals = wake


def write_output() -> None:
    sys.stdout.write("serving\n")
    sys.stdout.flush()


def be_silent_on_the_service() -> None:
    original = SERVER.AdapterServer._set_serving

    def set_serving(self: Any, *, serving: bool) -> None:
        original(self, serving=serving)
        self._health.set(server.SERVICE, health_pb2.HealthCheckResponse.NOT_SERVING)

    SERVER.AdapterServer._set_serving = set_serving


def take_any_request() -> None:
    original = SERVER.invalid_argument
    SERVER.invalid_argument = lambda request: None if len(request.block_hash) == 31 else original(request)


def open_socket_to_all() -> None:
    original = SERVER.AdapterServer._bind

    def bind(self: Any, path: Path) -> Any:
        inode = original(self, path)
        path.chmod(0o666)
        return inode

    SERVER.AdapterServer._bind = bind


def queue_without_end() -> None:
    SERVER.QUEUE_PER_WORKER = 1000


def misreport_time() -> None:
    original = SERVER.Servicer.Execute

    def execute(self: Any, request: pb.ExecuteRequest, context: grpc.ServicerContext) -> Any:
        response = original(self, request, context)
        response.timings.total_us = response.timings.execute_us // 2
        return response

    SERVER.Servicer.Execute = execute


SERVER_BREAKAGES: dict[str, Callable[[], None]] = {
    "ignores-deadlines": ignore_deadlines,
    "mixes-up-answers": mix_up_answers,
    "keeps-socket": keep_socket,
    "ignores-lifeline": ignore_lifeline,
    "ignores-signals": ignore_signals,
    "writes-output": write_output,
    "half-healthy": be_silent_on_the_service,
    "takes-short-hash": take_any_request,
    "open-socket": open_socket_to_all,
    "endless-queue": queue_without_end,
    "misreports-time": misreport_time,
}
MODES = (
    "unbroken",
    *ANSWER_BREAKAGES,
    *WORKER_BREAKAGES,
    *SERVER_BREAKAGES,
    "crashes-on-garbage",
    "claims-a-fork",
    *ADDITIONS,
)


def description() -> pb.DescribeResponse:
    """pyevm's, with one fork more in that mode."""
    described = describe()
    if os.environ[MODE_VARIABLE] == "claims-a-fork":
        described.forks.append(CLAIMED_FORK)
    return described


def adapter() -> Adapter:
    """The broken one."""
    return replace(ADAPTER, factory=f"{__spec__.name}:BrokenClient", description=description)


def main() -> int:
    mode = sys.argv.pop(1)
    if mode not in MODES:
        sys.stderr.write(f"no such mode: {mode}\n")
        return 2
    os.environ[MODE_VARIABLE] = mode
    breakage = SERVER_BREAKAGES.get(mode) or SERVER_ADDITIONS.get(mode)
    if breakage is not None and (mode != "writes-output" or "--socket" in sys.argv):
        breakage()
    return command.main(adapter())


if __name__ == "__main__":
    sys.exit(main())
