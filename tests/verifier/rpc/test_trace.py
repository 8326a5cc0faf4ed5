"""Traces through the host: order, batches, a reader that is slow or leaves, and a worker that is lost."""

import itertools
import threading
from dataclasses import replace
from pathlib import Path

import grpc
import psutil
import pytest
from google.protobuf.message import DecodeError

from tests.verifier.rpc.block_example import example, request
from tests.verifier.rpc.conftest import PATIENCE, FakeAdapter
from verifier.rpc.host.channel import ChannelError
from verifier.rpc.host.fake import ADAPTER
from verifier.rpc.host.job import Job, TraceJob
from verifier.rpc.host.server import AdapterServer
from verifier.rpc.host.tracer import STACKS_A_MESSAGE, STEPS_A_MESSAGE, Tracer
from verifier.rpc.v1 import executor_pb2 as pb
from verifier.rpc.v1 import executor_pb2_grpc

ENDLESS = "steps 1 0"


def ask(order: str, first: int = 0, count: int = 0) -> pb.TraceRequest:
    return pb.TraceRequest(execution=request(example(order)), first=first, count=count)


def trace(adapter: FakeAdapter, asked: pb.TraceRequest) -> list[pb.TraceEvent]:
    return list(adapter.stub.Trace(asked, timeout=PATIENCE))


def kinds(events: list[pb.TraceEvent]) -> list[str | None]:
    return [event.WhichOneof("event") for event in events]


def test_events_in_order(fake_adapter: FakeAdapter) -> None:
    assert fake_adapter.stub.Describe(pb.DescribeRequest()).traces
    events = trace(fake_adapter, ask(f"steps 2 {2 * STEPS_A_MESSAGE + 1}"))
    each = ["transaction_start", "steps", "steps", "steps", "transaction_end"]
    assert kinds(events) == [*each, *each, "outcome"]
    assert [event.transaction_start.index for event in (events[0], events[5])] == [0, 1]
    assert events[5].transaction_start.hash == b"\1" * 32
    assert events[4].transaction_end == pb.TransactionEnd(
        index=0, succeeded=True, gas_used=21_000, steps=2 * STEPS_A_MESSAGE + 1
    )
    steps = [step for event in events[:5] for step in event.steps.steps]
    assert [step.pc for step in steps] == list(range(2 * STEPS_A_MESSAGE + 1))
    outcome = events[-1].outcome
    assert outcome.computed.state_root == b"\x11" * 32
    assert outcome.timings.total_us >= outcome.timings.decode_us > 0


@pytest.mark.parametrize(
    ("first", "count", "wanted"), [(1, 1, [1]), (1, 0, [1, 2, 3]), (2, 9, [2, 3]), (7, 1, []), (0, 2, [0, 1])]
)
def test_range(fake_adapter: FakeAdapter, first: int, count: int, wanted: list[int]) -> None:
    events = trace(fake_adapter, ask("steps 4 3", first, count))
    starts = [event.transaction_start.index for event in events if event.WhichOneof("event") == "transaction_start"]
    assert starts == wanted
    assert len([step for event in events for step in event.steps.steps]) == 3 * len(wanted)
    assert events[-1].outcome.WhichOneof("outcome") == "computed"


def test_outcome_equals_the_execution(fake_adapter: FakeAdapter) -> None:
    refused = pb.TraceRequest(execution=request(example(), pre_state_root=b"\7" * 32))
    (event,) = trace(fake_adapter, refused)
    assert event.outcome.abstention.reason == pb.ABSTENTION_REASON_REFUSED


@pytest.mark.parametrize(
    ("order", "named"), [("raise", "ValueError"), ("exit 7", "ended with status 7"), ("garbage", "no answer")]
)
def test_lost_execution_is_an_outcome_after_what_was_sent(fake_adapter: FakeAdapter, order: str, named: str) -> None:
    events = trace(fake_adapter, ask(order))
    assert kinds(events)[0] == "transaction_start"
    assert named in events[-1].outcome.abstention.detail
    assert events[-1].outcome.abstention.reason == pb.ABSTENTION_REASON_CRASHED
    assert fake_adapter.execute(request(example())).WhichOneof("outcome") == "computed"


def test_reader_that_is_slow_holds_the_execution_up(fake_adapter: FakeAdapter) -> None:
    (worker,) = fake_adapter.workers()
    server = psutil.Process(fake_adapter.process.pid)
    call = fake_adapter.stub.Trace(ask(ENDLESS), timeout=PATIENCE)
    assert next(call).WhichOneof("event") == "transaction_start"
    stood_still, used, before = 0, 0.0, (worker.memory_info().rss, server.memory_info().rss)
    while stood_still < 20:  # looks in a row at which neither process had done anything since the one before
        psutil.cpu_percent(interval=0.02)
        now = worker.cpu_times().user + server.cpu_times().user
        stood_still = stood_still + 1 if now == used else 0
        used = now
    grown = worker.memory_info().rss + server.memory_info().rss - sum(before)
    assert grown < 64 << 20
    events = list(itertools.islice(call, 2000))  # more than can have waited anywhere: it goes on
    assert sum(len(event.steps.steps) for event in events) == 2000 * STEPS_A_MESSAGE
    call.cancel()


@pytest.mark.parametrize("read", [0, 3])
def test_reader_that_leaves_ends_the_worker(fake_adapter: FakeAdapter, read: int) -> None:
    (worker,) = fake_adapter.workers()
    call = fake_adapter.stub.Trace(ask(ENDLESS))
    for _ in range(1 + read):
        next(call)
    call.cancel()
    assert fake_adapter.execute(request(example())).computed.gas_used == 1
    psutil.wait_procs([worker], PATIENCE)
    assert not worker.is_running()


@pytest.mark.parametrize("order", [ENDLESS, "hang"])
def test_deadline_ends_the_worker(fake_adapter: FakeAdapter, order: str) -> None:
    (worker,) = fake_adapter.workers()
    with pytest.raises(grpc.RpcError) as caught:
        list(fake_adapter.stub.Trace(ask(order), timeout=0.5))
    assert caught.value.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
    assert fake_adapter.execute(request(example())).computed.gas_used == 1
    psutil.wait_procs([worker], PATIENCE)
    assert not worker.is_running()


def test_deadline_also_where_nobody_reads(fake_adapter: FakeAdapter) -> None:
    (worker,) = fake_adapter.workers()
    call = fake_adapter.stub.Trace(ask(ENDLESS), timeout=0.5)
    psutil.wait_procs([worker], PATIENCE)
    assert not worker.is_running()
    assert fake_adapter.execute(request(example())).computed.gas_used == 1
    call.cancel()


def test_takes_a_place(fake_adapter: FakeAdapter) -> None:
    # One runs, two wait, the rest is refused at once.
    refused = threading.Semaphore(0)
    calls = [fake_adapter.stub.Trace(ask("hang")) for _ in range(5)]
    for call in calls:
        call.add_done_callback(lambda _: refused.release())
    for _ in range(2):
        assert refused.acquire(timeout=PATIENCE)
    done = [call for call in calls if call.done()]
    assert {call.code() for call in done} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert len(done) == 2
    for call in calls:
        call.cancel()
    assert fake_adapter.execute(request(example())).WhichOneof("outcome") == "computed"


def test_adapter_that_does_not_trace(tmp_path: Path) -> None:
    def describe_without() -> pb.DescribeResponse:
        description = ADAPTER.description()
        description.traces = False
        return description

    server = AdapterServer(replace(ADAPTER, description=describe_without), tmp_path / "fake.sock", 1)
    server.start()
    try:
        with grpc.insecure_channel(f"unix:{tmp_path / 'fake.sock'}") as channel:
            stub = executor_pb2_grpc.StatelessExecutorStub(channel)  # type: ignore[no-untyped-call]  # generated
            with pytest.raises(grpc.RpcError) as caught:
                list(stub.Trace(ask("answer"), timeout=PATIENCE))
            assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    finally:
        server.stop()


@pytest.mark.parametrize("payload", [b"", b"\xff", pb.TraceEvent(outcome=pb.ExecuteResponse()).SerializeToString()])
def test_what_is_no_event_is_not_passed_on(payload: bytes) -> None:
    job = TraceJob(b"", None)
    with pytest.raises((ChannelError, DecodeError)):
        job.take(payload)
    with pytest.raises(ChannelError):
        Job(b"", None).take(pb.TraceEvent(transaction_start=pb.TransactionStart()).SerializeToString())


def test_not_well_formed(fake_adapter: FakeAdapter) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        trace(fake_adapter, pb.TraceRequest(execution=request(example(), block_hash=b"short")))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_large_stacks_leave_earlier() -> None:
    sent: list[pb.TraceEvent] = []
    tracer = Tracer(0, 0, sent.append)
    tracer.start_transaction(0, bytes(32))
    for _ in range(STEPS_A_MESSAGE):
        tracer.step(1, bytes(20), 0, 0x5B, 0, bytes(32 * 1024)).error = "marked"
    tracer.end_transaction(0, succeeded=False)
    batches = [event for event in sent if event.WhichOneof("event") == "steps"]
    assert max(event.ByteSize() for event in batches) < 2 * STACKS_A_MESSAGE
    assert sum(len(event.steps.steps) for event in batches) == STEPS_A_MESSAGE
    assert all(step.error == "marked" for event in batches for step in event.steps.steps)
    assert sent[-1].transaction_end.steps == STEPS_A_MESSAGE


def test_lifeline_also_while_tracing(fake_adapter: FakeAdapter, tmp_path: Path) -> None:
    workers = fake_adapter.workers()
    call = fake_adapter.stub.Trace(ask(ENDLESS))
    next(call)
    assert fake_adapter.process.stdin is not None
    fake_adapter.process.stdin.close()
    assert fake_adapter.process.wait(PATIENCE) == 0
    _, alive = psutil.wait_procs(workers, PATIENCE)
    assert not alive
