"""Selections: the language means what it says, and whatever is no expression is an error of its own."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.domain.conformance import CaseName
from verifier.services.conformance.selection import Selection, SelectionError

NAME = CaseName(
    "stRandom/a (1).json.gz", "tests/x.py::test_y[fork_Cancun-blockchain_test]", "Cancun", "blockchain_test"
)


@pytest.mark.parametrize(
    ("expression", "taken"),
    [
        ("", True),
        ("   ", True),
        ("stRandom", True),
        ("strandom", False),
        ("stRandom/a", True),
        ("gz::tests", True),
        ("stRandom*test_y", True),
        ("test_?[fork", True),
        ("test_y[fork_Cancun-blockchain_test]", True),
        ("[abc]", False),
        ("not stRandom", False),
        ("not not stRandom", True),
        ("not bar and test_y", True),
        ("bar or test_y", True),
        ("bar and test_y or stRandom", True),
        ("bar and (test_y or stRandom)", False),
        ("'a (1)'", True),
        ('"a (2)"', False),
        ("network:Cancun", True),
        ("network:Can", False),
        ("network:Can*", True),
        ("kind:blockchain_test", True),
        ("kind:blockchain_test_engine", False),
        ("path:*.json.gz", True),
        ("test:tests/*", True),
        ("path:tests/*", False),
        ("path:'stRandom/a (1).json.gz'", True),
        ("other:Cancun", False),
        ("stRandom and notable", False),
    ],
)
def test_expressions(expression: str, taken: bool) -> None:
    assert Selection(expression).takes(NAME) is taken


@pytest.mark.parametrize(
    "expression",
    ["and", "a or", "(a", "a)", "()", "a b", "not", "'a", "a 'b", "''", "(" * 2000 + "a", "not " * 2000 + "a"],
)
def test_what_is_no_expression(expression: str) -> None:
    with pytest.raises(SelectionError):
        Selection(expression)


@pytest.mark.parametrize(
    ("fork", "network", "taken"),
    [
        ("Cancun", "Cancun", True),
        ("cancun", "Cancun", True),
        ("Cancun", "ShanghaiToCancunAtTime15k", True),
        ("Shanghai", "ShanghaiToCancunAtTime15k", False),
        ("ShanghaiToCancunAtTime15k", "ShanghaiToCancunAtTime15k", True),
        ("ShanghaiToCancunAtTime15k", "Cancun", False),
        ("Paris", "Merge", True),
        ("Petersburg", "ConstantinopleFix", True),
        ("BPO2", "BPO1ToBPO2AtTime15k", True),
        ("Cancun", "Atlantis", False),
        ("Cancun", "", False),
    ],
)
def test_forks(fork: str, network: str, taken: bool) -> None:
    assert Selection(forks=(fork,)).takes(CaseName("a", "b", network, "c")) is taken


def test_expression_and_forks_both_count() -> None:
    selection = Selection("stRandom", ("Prague", "Cancun"))
    assert selection.takes(NAME)
    assert not Selection("stRandom", ("Prague",)).takes(NAME)


@pytest.mark.parametrize("fork", ["", "Atlantis", "CancunTo", "Cancun "])
def test_unknown_forks(fork: str) -> None:
    with pytest.raises(SelectionError, match="no fixtures"):
        Selection(forks=(fork,))


@given(
    expression=st.text() | st.lists(st.sampled_from(["a", "(", ")", "and", "or", "not", "'", "*", "?"])).map(" ".join)
)
def test_any_text_is_an_expression_or_an_error(expression: str) -> None:
    with contextlib.suppress(SelectionError):
        assert Selection(expression).takes(NAME) in (True, False)


@given(word=st.text(st.characters(categories=["L", "N"]), min_size=1))
def test_a_word_is_looked_for(word: str) -> None:
    if word not in ("and", "or", "not"):
        assert Selection(word).takes(NAME) is (word in str(NAME))
