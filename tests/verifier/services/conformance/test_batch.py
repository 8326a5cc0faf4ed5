"""How a suite is cut into batches, and that every test of it is in exactly one."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.domain.conformance import CaseName
from verifier.errors import InputError
from verifier.services.conformance.batch import PART_LENGTH, PLAIN_PART_LENGTH, Batch, fetch, plan
from verifier.services.conformance.case import LoadFailure
from verifier.services.conformance.workbench import Part


def write_suite(directory: Path, sizes: dict[str, int]) -> None:
    for name, size in sizes.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * size)


def test_files_in_their_order_large_ones_in_parts(tmp_path: Path) -> None:
    large = {"b/two.json.gz": PART_LENGTH * 3, "b/three.json": PLAIN_PART_LENGTH * 2}
    write_suite(tmp_path, {**large, "a.json": 5, ".hidden.json": 5, "note.txt": 5})
    suite = plan([str(tmp_path)])
    assert [(each.number, each.path, each.part, each.parts) for each in suite.batches] == [
        (0, "a.json", 0, 1),
        (1, "b/three.json", 0, 2),
        (2, "b/three.json", 1, 2),
        (3, "b/two.json.gz", 0, 3),
        (4, "b/two.json.gz", 1, 3),
        (5, "b/two.json.gz", 2, 3),
    ]
    assert [Path(each.source) for each in suite.batches[:2]] == [tmp_path / "a.json", tmp_path / "b/three.json"]
    assert sum(each.weight for each in suite.batches) == 5 + sum(large.values())


def test_a_file_alone_has_its_own_name(tmp_path: Path) -> None:
    write_suite(tmp_path, {"b/two.json": 5})
    (batch,) = plan([str(tmp_path / "b" / "two.json")]).batches
    assert batch.path == "two.json"


def test_several_suites_follow_one_another(tmp_path: Path) -> None:
    write_suite(tmp_path, {"b/one.json": 5, "a/one.json": 6})
    suite = plan([str(tmp_path / "b"), str(tmp_path / "a")])
    assert [(each.number, each.path) for each in suite.batches] == [(0, "b/one.json"), (1, "a/one.json")]


def test_files_in_a_run_of_several_suites_are_called_by_their_own_names(tmp_path: Path) -> None:
    write_suite(tmp_path, {"b/one.json": 5, "a/two.json": 6})
    suite = plan([str(tmp_path / "b" / "one.json"), str(tmp_path / "a")])
    assert [each.path for each in suite.batches] == ["one.json", "a/two.json"]


def test_a_files_name_may_be_any_bytes(tmp_path: Path) -> None:
    write_suite(tmp_path, {os.fsdecode(b"\xff.json"): 5})
    (batch,) = plan([str(tmp_path)]).batches
    assert batch.path == "\udcff.json"


@pytest.mark.parametrize(
    "change",
    [
        lambda path: (path / "a.json").write_bytes(b"y" * 5),
        lambda path: (path / "a.json").rename(path / "b.json"),
        lambda path: (path / "c.json").write_bytes(b""),
        lambda path: (path / "chain" / "chain.rlp").write_bytes(b"other"),
    ],
)
def test_the_digest_is_of_all_names_and_contents(tmp_path: Path, change: Callable[[Path], object]) -> None:
    write_suite(tmp_path, {"a.json": 5, "chain/genesis.json": 3, "chain/chain.rlp": 4})
    before = plan([str(tmp_path)])
    assert [each.path for each in before.batches] == ["a.json", "chain"]
    assert plan([str(tmp_path)]) == before
    change(tmp_path)
    assert plan([str(tmp_path)]).digest != before.digest


@pytest.mark.parametrize("name", ["absent", "empty"])
def test_nothing_to_run_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=name):
        plan([str(tmp_path / name)])


def test_a_pipe_is_no_suite(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(InputError, match="neither a file nor a directory"):
        plan([str(tmp_path / "pipe.json")])
    with pytest.raises(InputError, match="nothing to run"):
        plan([str(tmp_path)])


def test_a_suite_elsewhere_is_fetched_file_by_file(tmp_path: Path) -> None:
    system = fsspec.filesystem("memory")
    content = gzip.compress(json.dumps({}).encode())
    try:
        system.pipe("/suite/a/one.json.gz", content)
        system.pipe("/suite/.git/index", b"")
        suite = plan(["memory://suite"])
        (batch,) = suite.batches
        assert (batch.path, batch.source) == ("a/one.json.gz", "memory://suite/a/one.json.gz")
        assert fetch(batch, tmp_path).read_bytes() == content
        assert plan(["memory://suite/a/one.json.gz"]).batches[0].path == "one.json.gz"
        system.pipe("/suite/a/one.json.gz", content + b"\0")
        assert plan(["memory://suite"]).digest != suite.digest
        system.rm("/suite", recursive=True)
        with pytest.raises(InputError, match=r"one\.json\.gz"):
            fetch(batch, tmp_path)
    finally:
        if system.exists("/suite"):
            system.rm("/suite", recursive=True)


@pytest.mark.parametrize("url", ["nosuch://suite", "memory://absent"])
def test_what_is_nowhere_is_told(url: str) -> None:
    with pytest.raises(InputError, match=url):
        plan([url])


@given(st.integers(1, 8), st.lists(st.booleans(), max_size=30))
def test_every_wanted_test_is_in_exactly_one_part(parts: int, wanted: list[bool]) -> None:
    names = [CaseName("file", f"test {number}", "Cancun", "kind") for number in range(len(wanted))]
    takes = dict(zip(names, wanted, strict=True))
    broken = LoadFailure(CaseName("file", "", "", ""), "something of it")
    found, failures = [], 0
    for number in range(parts):
        part = Part(Batch(number, "file", "file", number, parts), takes.__getitem__)
        loaded = [LoadFailure(name, "broken") for name in names if part.takes(name)]
        found.append([each.name for each in loaded if part.has(each)])
        failures += part.has(broken)
    together = [name for each in found for name in each]
    assert sorted(together, key=str) == sorted((name for name in names if takes[name]), key=str)
    assert max(map(len, found)) - min(map(len, found)) <= 1
    assert failures == 1
