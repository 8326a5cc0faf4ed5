"""A conformance run on a cluster, or interrupted: a worker killed, the whole run killed. The result stays the same."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Client

from verifier.domain.conformance import Said, differences
from verifier.services.conformance.journal import read_cases
from verifier.services.conformance.loaders.rlp_chain import load_blocks

pytestmark = pytest.mark.xdist_group("conformance")

CHAIN = Path(__file__).parents[2] / "fixtures" / "chain"
TESTS = 60  # each takes a twentieth of a second: enough that a run is caught in its middle
VERIFIER = (str(Path(sys.executable).with_name("verifier")), "-v", "conformance")
CLIENTS = ("--adapters", "pyevm", "--recorder", "embedded")
DASK = {name: (sys.executable, "-m", f"distributed.cli.dask_{name}") for name in ("scheduler", "worker")}
LOCAL = ("--host", "127.0.0.1", "--no-dashboard")
START_TIMEOUT = 60.0  # seconds for a scheduler to listen, on busy cores
END_TIMEOUT = 60.0  # seconds for processes to notice that their parent is gone, on busy cores


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Chains of one block or two, each a test of its own."""
    directory = tmp_path_factory.mktemp("suite")
    blocks = list(load_blocks(CHAIN / "chain.rlp"))
    for number in range(TESTS):
        folder = directory / f"chain {number:02}"
        folder.mkdir()
        shutil.copy(CHAIN / "genesis.json", folder)
        (folder / "chain.rlp").write_bytes(b"".join(blocks[: 1 + number % 2]))
    return directory


@pytest.fixture(scope="module")
def expected(suite: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The results of a run that nothing interrupts."""
    directory = tmp_path_factory.mktemp("whole")
    with running(suite, directory) as process:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    cases = list(read_cases(directory / "results.jsonl"))
    assert [case.name.path for case in cases] == [f"chain {number:02}" for number in range(TESTS)]
    for number, case in enumerate(cases):
        assert len(case.blocks) == 1 + number % 2
        assert all(answer.said is Said.VALID for block in case.blocks for answer in block.answers)
        assert [len(block.answers) for block in case.blocks] == [2] * len(case.blocks)
        assert not differences(case)
    return (directory / "results.jsonl").read_bytes()


@contextmanager
def running(suite: Path, directory: Path, *options: str, **how: Any) -> Iterator[subprocess.Popen[str]]:
    """The command, at work; it is ended where the test did not."""
    command = (*VERIFIER, str(suite), *CLIENTS, "--directory", str(directory), *options)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_batch(process: subprocess.Popen[str]) -> None:
    """Returns when the journal has one more batch."""
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        if "event=done" in line:
            return
        seen.append(line)
    raise AssertionError("".join(seen))


@contextmanager
def started(name: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """One of Dask's processes, as whoever has a cluster starts it."""
    process = subprocess.Popen((*DASK[name], *LOCAL, *options), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def cluster(directory: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler's address, and its two workers, each a process of its own that nobody starts again."""
    file = str(directory / "scheduler.json")
    options = ("--scheduler-file", file, "--nthreads", "2", "--no-nanny", "--local-directory", str(directory / "dask"))
    with (
        started("scheduler", "--port", "0", "--scheduler-file", file),
        started("worker", *options) as first,
        started("worker", *options) as second,
        Client(scheduler_file=file, timeout=START_TIMEOUT, set_as_default=False) as client,  # type: ignore[no-untyped-call]
    ):
        client.wait_for_workers(2, timeout=START_TIMEOUT)
        yield client.scheduler_info()["address"], [first, second]


def batches(journal: Path) -> int:
    return sum("batch" in json.loads(line) for line in journal.read_text().splitlines())


def listening(process: psutil.Process) -> set[str]:
    """The addresses at which it can be reached over a network."""
    return {each.laddr.ip for each in process.net_connections("inet") if each.status == psutil.CONN_LISTEN}


def assert_gone(processes: Sequence[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=END_TIMEOUT)
    assert not alive


def test_a_worker_that_is_killed_loses_nothing(suite: Path, expected: bytes, tmp_path: Path) -> None:
    attempts = (tmp_path / str(attempt) for attempt in range(3))
    assert any(killed_in_the_middle(suite, expected, directory) for directory in attempts)


def killed_in_the_middle(suite: Path, expected: bytes, directory: Path) -> bool:
    """Whether a worker was killed while there was work; on a busy machine all may be done before it is found."""
    with running(suite, directory, "--workers", "2") as process:
        wait_batch(process)
        children = psutil.Process(process.pid).children()
        workers = [each for each in children if is_worker(each) and each.children()]
        if not workers or batches(directory / "journal.jsonl") == TESTS:
            return False
        adapters = workers[0].children(recursive=True)
        workers[0].kill()
        assert_gone(adapters)
        here = psutil.Process(process.pid)
        assert listening(here) == {"127.0.0.1"}
        everybody = here.children(recursive=True)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        assert_gone(everybody)
    assert (directory / "results.jsonl").read_bytes() == expected
    return True


def test_an_interrupt_while_workers_start_is_one_line(suite: Path, tmp_path: Path) -> None:
    """Ctrl-C on a terminal reaches all processes of the run at once."""
    with running(suite, tmp_path, "--workers", "2", start_new_session=True) as process:
        here = psutil.Process(process.pid)
        while not (workers := [each for each in here.children(recursive=True) if is_worker(each)]):
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate()
        assert process.returncode == 130
        assert "Traceback" not in errors
        assert "go on with --resume" in errors
        assert_gone(workers)


def is_worker(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def test_a_cluster_that_loses_a_worker_gives_the_same(suite: Path, expected: bytes, tmp_path: Path) -> None:
    with cluster(tmp_path) as (address, workers), running(suite, tmp_path, "--dask", address) as process:
        wait_batch(process)
        assert batches(tmp_path / "journal.jsonl") < TESTS
        adapters = [child for each in workers for child in psutil.Process(each.pid).children(recursive=True)]
        lost = psutil.Process(workers[0].pid).children(recursive=True)
        workers[0].kill()
        assert_gone(lost)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        assert_gone(adapters)
        assert workers[1].poll() is None  # the cluster is not ours
    assert (tmp_path / "results.jsonl").read_bytes() == expected


def test_a_run_goes_on_however_it_was_ended(suite: Path, expected: bytes, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    with running(suite, tmp_path) as process:
        wait_batch(process)
        everybody = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        assert process.returncode == 130
        assert "go on with --resume" in errors
        assert_gone(everybody)
    done = batches(journal)
    assert 0 < done < TESTS
    with running(suite, tmp_path, "--resume") as process:
        wait_batch(process)
        everybody = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        assert_gone(everybody)
    assert done < batches(journal) < TESTS
    assert not (tmp_path / "results.jsonl").exists()
    with running(suite, tmp_path, "--resume") as process:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        assert errors.count("event=done") < TESTS - done
    assert (tmp_path / "results.jsonl").read_bytes() == expected
