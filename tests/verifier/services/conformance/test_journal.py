"""The journal: every line comes back as it was, a run goes on after its last whole batch, and results have no times."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.domain.conformance import Answer, CaseName, ExaminedBlock, ExaminedCase, Expected, ReasonClass, Said
from verifier.services.conformance.journal import (
    Journal,
    JournalError,
    OtherRunError,
    RunIdentity,
    from_line,
    read_cases,
    read_identity,
    to_line,
    without_times,
    write_results,
)

IDENTITY = RunIdentity("ab12", "Cancun", {"geth": "1.17.10"}, "embedded", "proof")
times = st.floats(0, 1e9)
classes = st.frozensets(st.sampled_from(ReasonClass), max_size=3)
answers = st.builds(
    Answer, st.text(), st.text(), st.sampled_from(Said), st.text(), classes, st.tuples(st.text()), times, st.booleans()
)
blocks = st.builds(
    ExaminedBlock,
    st.integers(0),
    st.integers(0),
    st.binary(max_size=32),
    st.sampled_from(Expected),
    st.text(),
    classes,
    st.integers(0),
    st.integers(0),
    st.lists(answers, max_size=3).map(tuple),
)
names = st.builds(CaseName, st.text(), st.text(), st.text(), st.text())
cases = st.builds(
    ExaminedCase,
    names,
    st.lists(blocks, max_size=3).map(tuple),
    st.dictionaries(st.text(), st.text(), max_size=2),
    st.text(),
    times,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["valid", "0x", "abstain"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = ("path", "test", "blocks", "skipped", "failure", "seconds", "answers", "hash", "expected", "said", "classes")


def examined(test: str, seconds: float = 0.5) -> ExaminedCase:
    answer = Answer("geth", "geth", Said.VALID, ms=seconds * 10)
    block = ExaminedBlock(0, 1, b"\x01" * 32, Expected.VALID, answers=(answer,))
    return ExaminedCase(CaseName("a/b.json", test, "Cancun", "blockchain_test"), (block,), seconds=seconds)


@given(cases)
def test_a_line_comes_back(case: ExaminedCase) -> None:
    line = to_line(case)
    assert "\n" not in line
    assert from_line(line) == case


@given(st.text() | st.dictionaries(st.sampled_from(KEYS), json_values).map(json.dumps))
def test_any_line_is_read_or_refused(line: str) -> None:
    try:
        read = from_line(line)
    except JournalError:
        return
    assert from_line(to_line(read)) == read


@given(cases)
def test_what_was_found_has_no_times(case: ExaminedCase) -> None:
    found = without_times(case)
    assert found.seconds == 0
    assert all(answer.ms == 0 for block in found.blocks for answer in block.answers)
    assert without_times(found) == found


def test_results_are_in_the_order_of_the_suite_and_without_times(tmp_path: Path) -> None:
    for number, order in enumerate(([0, 1, 2], [2, 0, 1])):
        with Journal.create(tmp_path / "journal.jsonl", IDENTITY) as journal:
            for batch in order:
                journal.add(batch, [to_line(examined(f"{batch}.{each}", 0.1 + number)) for each in range(batch)])
            write_results(journal, tmp_path / f"results{number}", tmp_path / f"timings{number}")
    first, second = ((tmp_path / f"results{number}").read_bytes() for number in (0, 1))
    assert first == second
    assert [case.name.test for case in read_cases(tmp_path / "results0")] == ["1.0", "2.0", "2.1"]
    timings = [json.loads(line) for line in (tmp_path / "timings1").read_text().splitlines()]
    assert timings[0] == {"path": "a/b.json", "test": "1.0", "seconds": 1.1, "ms": {"geth": 11.0}}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_run_goes_on_after_its_last_whole_batch_wherever_it_was_cut(tmp_path: Path) -> None:
    whole, path = tmp_path / "whole", tmp_path / "journal.jsonl"
    lines = {batch: [to_line(examined(f"{batch}.{each}")) for each in range(2)] for batch in range(3)}
    with Journal.create(whole, IDENTITY) as journal:
        start = whole.stat().st_size
        for batch, each in lines.items():
            journal.add(batch, each)
        write_results(journal, tmp_path / "expected", tmp_path / "timings")
    content = whole.read_bytes()
    for length in range(start, len(content) + 1, 7):
        path.write_bytes(content[:length])
        with Journal.resume(path, IDENTITY) as journal:
            assert journal.tests == 2 * len(journal.done)
            for batch in sorted(lines.keys() - journal.done):
                journal.add(batch, lines[batch])
            write_results(journal, tmp_path / "results", tmp_path / "timings")
        assert (tmp_path / "results").read_bytes() == (tmp_path / "expected").read_bytes()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (RunIdentity("ab13", "Cancun", {"geth": "1.17.10"}, "embedded", "proof"), "suite"),
        (RunIdentity("ab12", "", {"geth": "1.17.10"}, "embedded", "proof"), "'everything'"),
        (RunIdentity("ab12", "Cancun", {"geth": "1.17.11"}, "embedded", "proof"), "geth is '1.17.10' there"),
        (RunIdentity("ab12", "Cancun", {"geth": "1.17.10", "revm": "43"}, "embedded", "proof"), "'not asked' there"),
        (RunIdentity("ab12", "Cancun", {"geth": "1.17.10"}, "geth", "proof"), "recorder"),
        (RunIdentity("ab12", "Cancun", {"geth": "1.17.10"}, "embedded", "prestate"), "mode"),
    ],
)
def test_another_run_is_refused_and_loses_nothing(tmp_path: Path, other: RunIdentity, said: str) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal.create(path, IDENTITY) as journal:
        journal.add(0, [to_line(examined("one"))])
    before = path.read_bytes()
    with pytest.raises(OtherRunError, match=said):
        Journal.resume(path, other)
    assert path.read_bytes() == before


def test_two_runs_do_not_write_to_one_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal.create(path, IDENTITY) as journal:
        journal.add(0, [to_line(examined("one"))])
        before = path.read_bytes()
        for begin in (Journal.create, Journal.resume):
            with pytest.raises(JournalError, match="another run is writing"):
                begin(path, IDENTITY)
        assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"{}\n", "does not say what was run"),
        (b'{"run":{"version":9}}\n', "version 9"),
        (b'{"run":{"version":1,"clients":{"geth":1}}}\n', "does not say what was run"),
        (b"\xff\n", "line 1"),
        (b"[]\n", "line 1"),
    ],
)
def test_what_is_no_journal_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=said):
        Journal.resume(path, IDENTITY)
    assert path.read_bytes() == content


def test_damage_in_the_middle_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal.create(path, IDENTITY) as journal:
        journal.add(0, [to_line(examined("one")), to_line(examined("two"))])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"{\n" + lines[2])
    with pytest.raises(JournalError, match="line 2"):
        list(read_cases(path))
    with pytest.raises(JournalError, match="line 2"):
        Journal.resume(path, IDENTITY)


def test_what_was_run_can_be_read(tmp_path: Path) -> None:
    Journal.create(tmp_path / "journal.jsonl", IDENTITY).__exit__()
    assert read_identity(tmp_path / "journal.jsonl") == IDENTITY
    with pytest.raises(JournalError, match="No such file"):
        read_identity(tmp_path / "absent")
