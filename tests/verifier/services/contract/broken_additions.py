"""What broken_adapter breaks of prestate mode, traces, uploads and `--listen`, by the name of the mode."""

import hashlib
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import grpc

import verifier.rpc.host.endpoint as endpoint_module
import verifier.rpc.host.job as job_module
import verifier.rpc.host.server as server_module
import verifier.rpc.host.task as task_module
import verifier.rpc.host.uploads as uploads_module
from verifier.rpc.host.responses import broken_rule, refused
from verifier.rpc.host.task import Answered, BlockTask
from verifier.rpc.host.tracer import Tracer
from verifier.rpc.v1 import executor_pb2 as pb
from witness.errors import WitnessFileError
from witness.model import BlockWitness, PostState, PreState
from witness.prestate import decode_poststate

# Modules as what they are here: things to change.
TASK: Any = task_module
SERVER: Any = server_module
UPLOADS: Any = uploads_module
JOB: Any = job_module
ENDPOINT: Any = endpoint_module
SYSTEM_CONTRACT = bytes.fromhex("000f3df6d732807ef1319fb7b8bb8522d0beac02")  # EIP-4788
SKIPPED = 7  # of so many steps one is left out
recorded: list[PostState] = []  # of the file that is being executed


# What becomes of a trace


class MoreGas(Tracer):
    """Says one gas more than there is."""

    def step(self, depth: int, account: bytes, pc: int, op: int, gas: int, *rest: Any, **fields: Any) -> pb.Step:
        return super().step(depth, account, pc, op, gas + 1, *rest, **fields)


class SkipsSteps(Tracer):
    """Leaves some steps out."""

    count = 0

    def start_transaction(self, index: int, hash_: bytes) -> None:
        self.count = 0
        super().start_transaction(index, hash_)

    def step(self, *fields: Any, **named: Any) -> pb.Step:
        self.count += 1
        return super().step(*fields, **named) if self.count % SKIPPED else pb.Step()


class CountsOneMore(Tracer):
    """Says one step more than it sent."""

    def end_transaction(self, gas_used: int, *, succeeded: bool) -> None:
        self._sent += 1
        super().end_transaction(gas_used, succeeded=succeeded)


def whole_block(first: int, count: int, send: Callable[[pb.TraceEvent], object]) -> Tracer:
    """Traces all, whatever was asked for."""
    return Tracer(0, 0, send)


class TracesSystemCalls(Tracer):
    """Sends a step of a system contract before those of each transaction."""

    def step(self, *fields: Any, **named: Any) -> pb.Step:
        if not self._sent and not self._batch.steps.steps:
            super().step(1, SYSTEM_CONTRACT, 0, 0x33, 30_000_000, b"")
        return super().step(*fields, **named)


TRACERS: dict[str, Callable[[int, int, Callable[[pb.TraceEvent], object]], Tracer]] = {
    "steps-with-more-gas": MoreGas,
    "skips-steps": SkipsSteps,
    "counts-a-step-more": CountsOneMore,
    "traces-every-transaction": whole_block,
    "traces-system-calls": TracesSystemCalls,
}


def tracer_for(mode: str, task: BlockTask, tracer: Any) -> Any:
    """The tracer with what the mode breaks around it."""
    if mode == "other-steps-on-prestate" and task.prestate is not None:
        return MoreGas(tracer._first, tracer._end - tracer._first if tracer._end is not None else 0, tracer._send)
    make = TRACERS.get(mode)
    if make is None:
        return tracer
    return make(tracer._first, tracer._end - tracer._first if tracer._end is not None else 0, tracer._send)


def trace_outcome(mode: str, response: pb.ExecuteResponse) -> None:
    """Changes the outcome of a trace."""
    if mode == "traces-blame-the-block" and response.abstention.missing:
        response.CopyFrom(broken_rule(pb.RULE_OTHER, "something was missing"))
    if mode == "traces-another-rule" and response.WhichOneof("outcome") == "broken_rule":
        response.broken_rule.rule = pb.RULE_OTHER


# What becomes of an answer in prestate mode


def change_receipts(response: pb.ExecuteResponse) -> None:
    for receipt in response.computed.receipts:
        receipt.logs_hash = b"\x33" * 32


def forget_a_slot(response: pb.ExecuteResponse) -> None:
    for account in response.computed.post_state:
        if account.slots:
            del account.slots[-1]


def ignore_rules(response: pb.ExecuteResponse) -> None:
    if response.WhichOneof("outcome") == "broken_rule":
        response.CopyFrom(refused("the prestate does not tell"))


def blame_codes(response: pb.ExecuteResponse) -> None:
    if any(item.kind == pb.Missing.KIND_CODE for item in response.abstention.missing):
        response.CopyFrom(broken_rule(pb.RULE_OTHER, "no such code"))


def copy_post_state(response: pb.ExecuteResponse) -> None:
    if response.WhichOneof("outcome") != "computed" or not recorded:
        return
    del response.computed.post_state[:]
    for address, account in sorted(recorded[0].items()):
        entry = response.computed.post_state.add(address=address, deleted=account is None)
        if account is not None:
            entry.nonce, entry.balance, entry.code_hash = account.nonce, quantity(account.balance), account.code_hash
            for key, value in sorted(account.slots.items()):
                entry.slots.add(key=key, value=quantity(value))


def quantity(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


PRESTATE_ANSWERS: dict[str, Callable[[pb.ExecuteResponse], None]] = {
    "other-receipts-on-prestate": change_receipts,
    "forgets-a-changed-slot": forget_a_slot,
    "no-rules-on-prestate": ignore_rules,
    "code-missing-on-prestate-is-invalid": blame_codes,
    "copies-post-state": copy_post_state,
}


# What is done to the worker's process


class AllListed(dict[bytes, Any]):
    """An account that is not listed passes for an absent one."""

    def __contains__(self, address: object) -> bool:
        return True

    def __missing__(self, address: bytes) -> None:
        return None


class AllZero(dict[bytes, int]):
    """A slot that is not listed passes for zero."""

    def get(self, key: bytes, default: Any = None) -> Any:
        return super().get(key, 0)


def change_prestate(change: Callable[[Any], PreState]) -> None:
    """Puts `change` between the file's section and who reads it."""
    original = TASK._prestate
    TASK._prestate = lambda content: change(original(content))


def take_unlisted_accounts() -> None:
    change_prestate(AllListed)


def take_unlisted_slots() -> None:
    change_prestate(
        lambda accounts: {
            address: account and replace(account, slots=AllZero(account.slots)) for address, account in accounts.items()
        }
    )


def do_without_section() -> None:
    original = TASK._prestate
    TASK._prestate = lambda content: {} if content.prestate is None else original(content)


def take_any_section() -> None:
    original = TASK._prestate

    def prestate(content: BlockWitness) -> Any:
        try:
            return original(content)
        except Answered:
            if content.prestate is None:
                raise
            return {}

    TASK._prestate = prestate


def look_at_nodes() -> None:
    original = TASK._prestate

    def prestate(content: BlockWitness) -> Any:
        if not content.witness.state:
            raise Answered(refused("no nodes"))
        return original(content)

    TASK._prestate = prestate


def remember_post_state() -> None:
    original = TASK._prestate

    def prestate(content: BlockWitness) -> Any:
        recorded.clear()
        with suppress(WitnessFileError):
            recorded.append(decode_poststate(content.poststate or b""))
        return original(content)

    TASK._prestate = prestate


WORKER_ADDITIONS: dict[str, Callable[[], None]] = {
    "unlisted-account-is-absent": take_unlisted_accounts,
    "unlisted-slot-is-zero": take_unlisted_slots,
    "does-without-section": do_without_section,
    "takes-any-section": take_any_section,
    "looks-at-nodes": look_at_nodes,
    "copies-post-state": remember_post_state,
}


# What is done to the server's process


def read_on() -> None:
    """A trace goes on, however slow its reader is."""

    def take(self: Any, payload: bytes) -> None:
        with self._changed:
            self._events.append(pb.TraceEvent.FromString(payload))
            self._changed.notify_all()

    JOB.TraceJob.take = take


def trace_malformed() -> None:
    """A malformed request to trace is an answer."""
    original = SERVER.Servicer.Trace

    def trace(self: Any, request: pb.TraceRequest, context: grpc.ServicerContext) -> Any:
        if SERVER.invalid_argument(request.execution) is not None:
            yield pb.TraceEvent(outcome=refused("malformed"))
            return
        yield from original(self, request, context)

    SERVER.Servicer.Trace = trace


def trace_in_no_place() -> None:
    """A trace takes a place of its own."""
    original = SERVER.Servicer.__init__

    class Places:
        def __init__(self, ours: Any, own: Any) -> None:
            self._ours, self._own = ours, own

        def submit(self, job: Any) -> None:
            (self._own if isinstance(job, JOB.TraceJob) else self._ours).submit(job)

    def init(self: Any, description: pb.DescribeResponse, pool: Any, *rest: Any) -> None:
        size = description.max_concurrent_requests
        own = SERVER.WorkerPool(pool._adapter, tuple(description.forks), size, 2 * size, lambda _: None)
        own.start()
        original(self, description, Places(pool, own), *rest)

    SERVER.Servicer.__init__ = init


def ignore_cancelled_traces() -> None:
    JOB.TraceJob.cancel = lambda self: None


def assemble(parts: Iterable[pb.UploadPart], *, by_length: bool, by_digest: bool) -> tuple[bytes, bytes]:
    """As the host's own, with some of its checks."""
    digest, length, content, is_first = b"", 0, b"", True
    for part in parts:
        if is_first:
            digest, length, is_first = part.digest, part.length, False
            if len(digest) != 32:
                raise UPLOADS.UploadError("no digest")
            if length > UPLOADS.MAX_LENGTH:
                raise UPLOADS.UploadTooLargeError("too large")
        content += part.content
        if by_length and len(content) > length:
            raise UPLOADS.UploadError("more than was announced")
    if is_first or (by_length and len(content) != length):
        raise UPLOADS.UploadError("another length")
    if by_digest and hashlib.sha256(content).digest() != digest:
        raise UPLOADS.UploadError("another digest")
    return digest, content


def believe_digests() -> None:
    UPLOADS._assembled = lambda parts: assemble(parts, by_length=True, by_digest=False)


def take_any_length() -> None:
    def assembled(parts: Iterable[pb.UploadPart]) -> tuple[bytes, bytes]:
        return assemble(parts, by_length=False, by_digest=True)

    UPLOADS._assembled = assembled


def keep_broken_uploads() -> None:
    """What came before the stream ended early is held under the digest that was announced."""
    original = UPLOADS._assembled

    def assembled(parts: Iterable[pb.UploadPart]) -> tuple[bytes, bytes]:
        received = []
        with suppress(grpc.RpcError):
            for part in parts:
                received.append(part)
        content = b"".join(part.content for part in received)
        if received and len(content) < received[0].length:
            return received[0].digest, content
        found: tuple[bytes, bytes] = original(iter(received))
        return found

    UPLOADS._assembled = assembled


def hold_one_upload() -> None:
    UPLOADS.HELD_FILES, UPLOADS.HELD_BYTES = 1, 0


def forget_after_use() -> None:
    UPLOADS.Uploads.get = lambda self, digest: self._files.pop(digest, None)


def call_unknown_invalid() -> None:
    original = SERVER._abort

    def abort(context: grpc.ServicerContext, code: grpc.StatusCode, detail: str) -> Any:
        other = grpc.StatusCode.INVALID_ARGUMENT if code is grpc.StatusCode.NOT_FOUND else code
        return original(context, other, detail)

    SERVER._abort = abort


def take_small_uploads() -> None:
    UPLOADS.MAX_LENGTH = 64 << 20


def take_huge_uploads() -> None:
    UPLOADS.MAX_LENGTH = 1 << 50


def listen_anywhere() -> None:
    class Loopback:
        is_loopback = True

    class Addresses:
        ip_address = staticmethod(lambda text: Loopback())

    ENDPOINT.ipaddress = Addresses


def ask_for_no_certificate() -> None:
    original = grpc.ssl_server_credentials

    def credentials(pairs: Any, root_certificates: bytes, require_client_auth: bool) -> Any:
        return original(pairs)

    ENDPOINT.grpc.ssl_server_credentials = credentials


def end_with_standard_input() -> None:
    if "--listen" in sys.argv and not stat.S_ISCHR(os.fstat(0).st_mode):
        threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()


SERVER_ADDITIONS: dict[str, Callable[[], None]] = {
    "traces-without-waiting": read_on,
    "traces-malformed-requests": trace_malformed,
    "traces-in-no-place": trace_in_no_place,
    "ignores-cancelled-traces": ignore_cancelled_traces,
    "believes-digests": believe_digests,
    "takes-any-length": take_any_length,
    "keeps-broken-uploads": keep_broken_uploads,
    "holds-one-upload": hold_one_upload,
    "forgets-uploads-after-use": forget_after_use,
    "unknown-upload-is-invalid": call_unknown_invalid,
    "takes-small-uploads": take_small_uploads,
    "takes-huge-uploads": take_huge_uploads,
    "listens-anywhere": listen_anywhere,
    "asks-for-no-certificate": ask_for_no_certificate,
    "ends-with-standard-input": end_with_standard_input,
}
TRACE_OUTCOMES = ("traces-blame-the-block", "traces-another-rule")
ADDITIONS = tuple(
    dict.fromkeys(
        (*TRACERS, "other-steps-on-prestate", *TRACE_OUTCOMES, *PRESTATE_ANSWERS, *WORKER_ADDITIONS, *SERVER_ADDITIONS)
    )
)
