"""Batches over workers: in this process, and on a cluster that is there already."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from distributed import LocalCluster

from tests.verifier.services.conformance.suites import SAMPLE
from verifier.domain.conformance import Answer, CaseName, DifferenceKind, Said
from verifier.errors import AdapterUnavailableError, ExecutorError
from verifier.executors.stateless.manifest import Manifest
from verifier.services.conformance.batch import Batch, plan
from verifier.services.conformance.case import Case, Prepared, Recorded, Recorder
from verifier.services.conformance.distribution import AT_ONCE, SUBMITTED, ClusterError, in_process, on_cluster
from verifier.services.conformance.journal import from_line
from verifier.services.conformance.workbench import ExaminedBatch, WorkbenchSettings

TESTS = 12


class Credulous:
    """Accepts every block; nobody else is asked."""

    name = "credulous"

    def record(self, case: Case, directory: Path) -> Iterator[Prepared | Recorded]:
        assert list(directory.iterdir()) == []
        for index in range(len(case.blocks)):
            yield Recorded(index, Answer(self.name, "geth", Said.VALID, stateful=True))

    def interrupt(self) -> None:
        """Nothing takes long here."""


@contextmanager
def open_credulous() -> Iterator[Recorder]:
    yield Credulous()


def but_three(name: CaseName) -> bool:
    return name.path != "chain 03"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    for number in range(TESTS):
        folder = tmp_path / "suite" / f"chain {number:02}"
        folder.mkdir(parents=True)
        shutil.copy(SAMPLE / "genesis.json", folder)
        shutil.copy(SAMPLE / "chain.rlp", folder)
    (tmp_path / "suite" / "manifest.json").write_text("{}")
    (tmp_path / "suite" / "torn.json").write_text("{")
    return tmp_path / "suite"


def settings(scratch: Path) -> WorkbenchSettings:
    return WorkbenchSettings((), open_credulous, but_three, scratch=scratch)


def check(examined: list[ExaminedBatch], suite: Path) -> None:
    examined = sorted(examined, key=lambda each: each.batch.number)
    assert [each.batch.number for each in examined] == list(range(TESTS + 2))
    cases = [from_line(line) for each in examined for line in each.lines]
    assert [case.name.path for case in cases] == [
        *(f"chain {number:02}" for number in range(TESTS) if number != 3),
        "manifest.json",
        "torn.json",
    ]
    assert all(len(case.blocks) == 37 for case in cases[:-2])
    assert cases[-2].skipped == {"": "no tests in it"}
    assert [each.kind for batch in examined for each in batch.found] == [DifferenceKind.NOT_RUN]


def test_in_this_process(suite: Path, tmp_path: Path) -> None:
    taken = 0

    def counted() -> Iterator[Batch]:
        nonlocal taken
        for batch in plan([str(suite)]).batches:
            taken += 1
            yield batch

    examined = []
    for each in in_process(counted(), settings(tmp_path)):
        examined.append(each)
        assert taken - len(examined) <= 2 * AT_ONCE
    check(examined, suite)


def test_on_a_cluster(suite: Path, tmp_path: Path) -> None:
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        taken = 0

        def counted() -> Iterator[Batch]:
            nonlocal taken
            for batch in plan([str(suite)]).batches:
                taken += 1
                yield batch

        examined = []
        for each in on_cluster(counted(), settings(tmp_path), address=cluster.scheduler_address):
            examined.append(each)
            assert taken - len(examined) <= 2 * SUBMITTED + 1
        check(examined, suite)
        workers = list(cluster.workers.values())
        assert len(workers) == 2
        # The run has left, and its workbenches with it; the cluster is somebody else's and stays.
        assert not [name for worker in workers for name in worker.plugins if "conformance" in name]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["suite"]


class Faulty(Credulous):
    """Fails in a way that nobody has foreseen."""

    def record(self, case: Case, directory: Path) -> Iterator[Prepared | Recorded]:
        if case.name.path == "chain 05":
            raise ZeroDivisionError("by zero")
        return super().record(case, directory)


@contextmanager
def open_faulty() -> Iterator[Recorder]:
    yield Faulty()


def test_a_mistake_of_ours_is_a_test_that_did_not_run(suite: Path, tmp_path: Path) -> None:
    made = WorkbenchSettings((), open_faulty, but_three, scratch=tmp_path)
    examined = list(in_process(plan([str(suite)]).batches, made))
    found = {each.name.path: each.text for batch in examined for each in batch.found}
    assert found == {"chain 05": "ZeroDivisionError: by zero", "torn.json": found["torn.json"]}
    assert sum(len(batch.lines) for batch in examined) == TESTS + 1


def test_leaving_early_ends_everything(suite: Path, tmp_path: Path) -> None:
    examined = in_process(iter(plan([str(suite)]).batches), settings(tmp_path))
    next(examined)
    examined.close()  # type: ignore[attr-defined]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["suite"]


class Slow(Credulous):
    """Takes for ever, unless it is interrupted."""

    def __init__(self) -> None:
        self._ended = threading.Event()

    def record(self, case: Case, directory: Path) -> Iterator[Prepared | Recorded]:
        if case.name.path != "chain 00":
            yield from super().record(case, directory)
            return
        self._ended.wait()
        raise ExecutorError("interrupted")

    def interrupt(self) -> None:
        """As Recorder.interrupt."""
        self._ended.set()


@contextmanager
def open_slow() -> Iterator[Recorder]:
    yield Slow()


def test_leaving_does_not_wait_for_a_block(suite: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = WorkbenchSettings((), open_slow, but_three, scratch=tmp_path, recorders=2)
    examined = in_process(iter(plan([str(suite)]).batches), made)
    assert next(examined).batch.path != "chain 00"
    examined.close()  # type: ignore[attr-defined]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["suite"]
    assert caplog.messages == []


def test_a_scheduler_that_is_not_there_is_told(suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verifier.services.conformance.distribution.CONNECT_TIMEOUT", 1)
    with pytest.raises(ClusterError, match="no scheduler"):
        list(on_cluster(plan([str(suite)]).batches, settings(tmp_path), address="tcp://127.0.0.1:1"))


def test_an_adapter_that_does_not_start_ends_the_run(suite: Path, tmp_path: Path) -> None:
    broken = Manifest("broken", "geth", "", ("paris",), tmp_path, ("/bin/false",))
    made = WorkbenchSettings((broken,), open_credulous, but_three, scratch=tmp_path)
    with pytest.raises(AdapterUnavailableError, match="broken cannot be started: exit status 1"):
        list(in_process(plan([str(suite)]).batches, made))
