"""Counting a run."""

import random
from dataclasses import replace

from verifier.domain.conformance import Expected
from verifier.services.conformance.report.outcome import Column, State, judge
from verifier.services.conformance.report.tally import (
    MOST_LISTED,
    MOST_REASONS,
    MOST_WORDS,
    OTHER_REASONS,
    OTHER_WORDS,
    Tally,
)

from .runs import ADAPTERS, FACTS, SomeKnown, hostile, whole


def tallied(count: int, seed: int | None = None) -> Tally:
    cases = list(whole(count))
    if seed is not None:
        random.Random(seed).shuffle(cases)
    tally = Tally(FACTS)
    for case in cases:
        tally.add(judge(case, tally.columns, SomeKnown().explain))
    return tally


def test_every_test_is_counted_once_for_everybody() -> None:
    tally = tallied(600)
    assert tally.tests == 600 == sum(tally.states.values()) == sum(tally.folder_tests.values())
    assert len(tally.columns) == 1 + len(ADAPTERS)
    for column in tally.columns:
        assert sum(tally.count(column, state) for state in State) == 600
    assert tally.states[State.NOT_RUN] == 2 == sum(tally.not_run.values())
    assert tally.count(Column("revm"), State.DIFFERS) > 0
    assert tally.count(Column("ethrex"), State.KNOWN) == tally.known_differences > 0
    assert tally.count(Column("eels"), State.CANNOT_TELL) > 0
    assert tally.unexplained.count == sum(tally.kinds.values())
    assert set(tally.skipped[Column("revm")]) == {"does not know Frontier"}
    assert not tally.passed


def test_the_order_of_the_tests_does_not_matter() -> None:
    one, other = tallied(300), tallied(300, seed=1)
    assert list(one.unexplained) == list(other.unexplained)
    assert one.folders == other.folders
    assert one.states == other.states
    assert one.known == other.known


def test_nothing_is_passed_where_nothing_was_run() -> None:
    assert not Tally(FACTS).passed
    tally = tallied(10)
    assert tally.passed
    tally.gone.add("a known one")
    assert not tally.passed


def test_lists_are_bounded() -> None:
    tally = Tally(FACTS)
    template = next(case for case in whole(100) if case.blocks)
    for index in range(MOST_REASONS + 50):
        case = template.__class__(template.name, (), {"revm": f"reason {index}"})
        tally.add(judge(case, tally.columns, SomeKnown().explain))
    reasons = tally.skipped[Column("revm")]
    assert len(reasons) == MOST_REASONS + 1
    assert reasons[OTHER_REASONS] == 50
    for index in range(MOST_LISTED + 10):
        case = template.__class__(template.name, failure=f"failure {index}")
        tally.add(judge(case, tally.columns, SomeKnown().explain))
    assert len(list(tally.unexplained)) == MOST_LISTED
    assert tally.unexplained.left_out == 10


def test_whoever_else_answers_has_a_column_too() -> None:
    tally = Tally(FACTS)
    for case in hostile():
        tally.add(judge(case, tally.columns, SomeKnown().explain))
    assert len(tally.columns) > 1 + len(ADAPTERS)
    assert Column("[bold]markup[/bold] [/] :warning:") in tally.columns


def rejecting(*words: str) -> Tally:
    """A run of one test, with an invalid block for each of the words."""
    tally = Tally(FACTS)
    template = next(case for case in whole(100) if case.blocks)
    blocks = tuple(replace(template.blocks[0], expected=Expected.INVALID, exception=word) for word in words)
    tally.add(judge(replace(template, blocks=blocks), tally.columns, SomeKnown().explain))
    return tally


def test_words_that_no_reason_is_compared_with_are_counted() -> None:
    known = "BlockException.INVALID_GASLIMIT"
    tally = rejecting(known, "BlockException.NEW", f"BlockException.NEW|{known}", "")
    assert tally.unknown_words == {"BlockException.NEW": 2}
    many = rejecting(*(f"BlockException.NEW_{index}" for index in range(MOST_WORDS + 5)))
    assert len(many.unknown_words) == MOST_WORDS + 1
    assert many.unknown_words[OTHER_WORDS] == 5
