"""The host as a process: every way in which a client can misbehave, and every way in which the process can end."""

import signal
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2

from tests.verifier.rpc.block_example import example, request
from tests.verifier.rpc.conftest import PATIENCE, FakeAdapter
from verifier.rpc.host.fake import ADAPTER
from verifier.rpc.host.server import AdapterServer
from verifier.rpc.v1 import executor_pb2 as pb
from verifier.rpc.v1 import executor_pb2_grpc
from witness.file import write_witness_file


def crash(adapter: FakeAdapter, order: str) -> str:
    response = adapter.execute(request(example(order)))
    assert response.abstention.reason == pb.ABSTENTION_REASON_CRASHED, response
    assert "\n" not in response.abstention.detail
    return response.abstention.detail


def test_describe_and_execute(fake_adapter: FakeAdapter, tmp_path: Path) -> None:
    description = fake_adapter.stub.Describe(pb.DescribeRequest())
    assert description.lineage == "fake"
    assert description.modes == [pb.MODE_PROOF, pb.MODE_PRESTATE]
    assert description.max_concurrent_requests == 1
    assert description.contract_version == 1
    assert stat.S_IMODE(fake_adapter.socket.stat().st_mode) == 0o600
    content = example()
    by_content = fake_adapter.execute(request(content))
    path = write_witness_file(content, tmp_path, sync=False)
    by_path = fake_adapter.execute(request(content, path=str(path)))
    assert by_content.computed.state_root == by_path.computed.state_root == b"\x11" * 32
    assert by_path.timings.total_us >= by_path.timings.decode_us > 0


def test_raising_client_is_contained_by_its_worker(fake_adapter: FakeAdapter) -> None:
    (worker,) = fake_adapter.workers()
    assert crash(fake_adapter, "raise") == "ValueError: told to raise over two lines"
    assert fake_adapter.execute(request(example("recurse"))).WhichOneof("outcome") == "computed"
    assert fake_adapter.workers() == [worker]


@pytest.mark.parametrize(
    ("order", "named"),
    [
        ("exit 7", "ended with status 7"),
        (f"signal {int(signal.SIGSEGV)}", "was ended by SIGSEGV"),
        (f"signal {int(signal.SIGKILL)}", "was ended by SIGKILL"),
        ("garbage", "no answer"),
        ("empty", "no answer"),
    ],
)
def test_lost_worker_is_replaced(fake_adapter: FakeAdapter, order: str, named: str) -> None:
    (worker,) = fake_adapter.workers()
    assert named in crash(fake_adapter, order)
    assert fake_adapter.execute(request(example())).computed.gas_used == 1
    assert fake_adapter.workers() != [worker]
    assert not worker.is_running()


@pytest.mark.parametrize("order", ["spin", "hang"])
def test_deadline_ends_the_worker(fake_adapter: FakeAdapter, order: str) -> None:
    (worker,) = fake_adapter.workers()
    with pytest.raises(grpc.RpcError) as caught:
        fake_adapter.execute(request(example(order)), timeout=0.3)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert fake_adapter.execute(request(example())).computed.gas_used == 1
    assert worker.wait(PATIENCE) is None or not worker.is_running()


def test_cancelled_request_ends_the_worker(fake_adapter: FakeAdapter) -> None:
    (worker,) = fake_adapter.workers()
    idle = worker.cpu_times().user
    call = fake_adapter.stub.Execute.future(request(example("spin")))
    busy = fake_adapter.stub.Execute.future(request(example()))
    while worker.cpu_times().user < idle + 0.05:  # seconds: it spins
        assert not call.done()
    call.cancel()
    assert busy.result(PATIENCE).computed.gas_used == 1
    psutil.wait_procs([worker], PATIENCE)
    assert not worker.is_running()


def test_too_many_requests(fake_adapter: FakeAdapter) -> None:
    # One runs, two wait, the rest is refused at once.
    calls = [fake_adapter.stub.Execute.future(request(example("hang"))) for _ in range(5)]
    refused = threading.Semaphore(0)
    for call in calls:
        call.add_done_callback(lambda _: refused.release())
    for _ in range(2):
        assert refused.acquire(timeout=PATIENCE)
    done = [call for call in calls if call.done()]
    assert len(done) == 2
    assert {call.code() for call in done} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    # What needs no worker is answered all the same.
    assert fake_adapter.stub.Describe(pb.DescribeRequest(), timeout=PATIENCE).lineage == "fake"
    for call in calls:
        call.cancel()
    assert fake_adapter.execute(request(example())).WhichOneof("outcome") == "computed"


@pytest.mark.parametrize("changes", [{"block_hash": b"short"}, {"path": "relative"}], ids=["hash", "path"])
def test_requests_that_are_not_well_formed(fake_adapter: FakeAdapter, changes: dict[str, object]) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        fake_adapter.execute(request(example(), **changes))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_many_at_once(tmp_path: Path) -> None:
    adapter = FakeAdapter(tmp_path / "fake.sock", "--workers", "2")
    try:
        adapter.wait_until_serving()
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(adapter.execute, [request(example())] * 40))
        assert all(answer.WhichOneof("outcome") == "computed" for answer in answers)
        assert len(adapter.workers()) == 2
    finally:
        adapter.end()


def test_standard_output_stays_empty(fake_adapter: FakeAdapter) -> None:
    assert fake_adapter.execute(request(example("print"))).WhichOneof("outcome") == "computed"
    fake_adapter.channel.close()
    out, log = fake_adapter.process.communicate(timeout=PATIENCE)  # closes standard input: the lifeline
    assert out == ""
    assert "event=serving" in log
    assert "a client may print" in log


@pytest.mark.parametrize("how", ["lifeline", "SIGTERM", "SIGINT"])
@pytest.mark.parametrize("order", ["answer", "spin"])
def test_ends_and_leaves_nothing(fake_adapter: FakeAdapter, how: str, order: str) -> None:
    workers = fake_adapter.workers()
    running = fake_adapter.stub.Execute.future(request(example(order)))
    if order == "answer":
        running.result(PATIENCE)
    if how == "lifeline":
        assert fake_adapter.process.stdin is not None
        fake_adapter.process.stdin.close()
    else:
        fake_adapter.process.send_signal(signal.Signals[how])
    assert fake_adapter.process.wait(PATIENCE) == 0
    assert not fake_adapter.socket.exists()
    _, alive = psutil.wait_procs(workers, PATIENCE)
    assert not alive


@pytest.mark.parametrize("order", ["answer", "spin"])
def test_workers_end_with_a_killed_server(fake_adapter: FakeAdapter, order: str) -> None:
    workers = fake_adapter.workers()
    running = fake_adapter.stub.Execute.future(request(example(order)))
    if order == "answer":
        running.result(PATIENCE)
    fake_adapter.process.kill()
    _, alive = psutil.wait_procs(workers, PATIENCE)
    assert not alive


def test_existing_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "fake.sock"
    path.write_text("left by a predecessor")
    adapter = FakeAdapter(path, "--workers", "1")
    try:
        assert health_pb2.HealthCheckResponse.SERVING in adapter.wait_until_serving()
    finally:
        adapter.end()


def test_swelling_worker_is_replaced(tmp_path: Path) -> None:
    server = AdapterServer(ADAPTER, tmp_path / "fake.sock", 1, memory_limit=600 << 20)
    server.start()
    try:
        with grpc.insecure_channel(f"unix:{tmp_path / 'fake.sock'}") as channel:
            stub = executor_pb2_grpc.StatelessExecutorStub(channel)  # type: ignore[no-untyped-call]  # generated
            swollen = stub.Execute(request(example("swell")), timeout=PATIENCE)
            assert swollen.abstention.reason == pb.ABSTENTION_REASON_CRASHED
            assert "MemoryError" in swollen.abstention.detail
            assert stub.Execute(request(example()), timeout=PATIENCE).computed.gas_used == 1
    finally:
        server.stop()


def test_never_healthy_where_the_client_does_not_warm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CLIENT_WARM", "fail")
    adapter = FakeAdapter(tmp_path / "fake.sock", "--workers", "1")
    try:
        assert adapter.process.stderr is not None
        for line in adapter.process.stderr:  # ends with the failure; the test's own timeout bounds it
            if "event=worker_not_started" in line:
                assert "told to fail" in line
                break
        status = adapter.health.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE).status
        assert status == health_pb2.HealthCheckResponse.NOT_SERVING
    finally:
        adapter.end()
