"""What suites of one run are called."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.services.conformance.suite_names import path_in_suite, suite_names


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["data/eest"], ("",)),
        (["data/eest", "data/ethereum_tests/"], ("eest", "ethereum_tests")),
        (["a/tests", "b/tests"], ("a/tests", "b/tests")),
        (["a/b.json", "c/a"], ("b.json", "a")),
        (["a/b", "b/c.json", "c/b/c.json"], ("here/a/b", "here/b/c.json", "c/b/c.json")),
        (["x/y/z/tests", "w/y/z/tests"], ("1-tests", "2-tests")),
        (["tests", "tests"], ("1-tests", "2-tests")),
        (["s3://bucket/tests", "tests/"], ("bucket/tests", "here/tests")),
        (["https://user:secret@example.org/", "a"], ("example.org", "a")),
        ([".", "../other"], ("here", "other")),
    ],
)
def test_the_last_part_that_tells_suites_apart(
    arguments: list[str], names: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert suite_names(arguments) == names


ARGUMENTS = st.lists(st.text("ab/.:\ud800", max_size=8), min_size=2, max_size=5)


@given(ARGUMENTS, st.text("ab/", max_size=4))
def test_no_path_is_of_two_suites(arguments: list[str], below: str) -> None:
    names = suite_names(arguments)
    assert len(set(names)) == len(arguments)
    for name in names:
        path = f"{name}/{below}" if below else name
        assert [path_in_suite(path, each) for each in names if path_in_suite(path, each) is not None] == [below]
