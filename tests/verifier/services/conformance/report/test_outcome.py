"""How each client did in one test."""

from dataclasses import replace

import pytest

from verifier.domain.conformance import (
    Answer,
    CaseName,
    Difference,
    ExaminedBlock,
    ExaminedCase,
    Expected,
    ReasonClass,
    Said,
)
from verifier.services.conformance.report.outcome import NOT_ASKED, Column, State, judge

NAME = CaseName("a/b.json", "test", "Cancun", "blockchain_test")
VALID = Answer("geth", "geth", Said.VALID, ms=1.5)
INVALID = Answer("geth", "geth", Said.INVALID, "state_root", ms=2.0)
ABSTAIN = Answer("geth", "geth", Said.ABSTAIN, "timeout", ms=3.0)
GETH = Column("geth")


def unknown(difference: Difference) -> Difference:
    return difference


def known(difference: Difference) -> Difference:
    return replace(difference, known="why")


def case(*answers: Answer, expected: Expected = Expected.VALID) -> ExaminedCase:
    """A block for each answer."""
    blocks = (
        ExaminedBlock(index, index + 1, bytes(32), expected, answers=(answer,)) for index, answer in enumerate(answers)
    )
    return ExaminedCase(NAME, tuple(blocks))


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ((VALID, VALID), State.AGREED),
        ((VALID, INVALID), State.DIFFERS),
        ((ABSTAIN, VALID), State.CANNOT_TELL),
        ((ABSTAIN, INVALID), State.DIFFERS),
    ],
)
def test_the_worst_answer_counts(answers: tuple[Answer, ...], state: State) -> None:
    test = judge(case(*answers), (GETH,), unknown)
    assert test.outcomes[GETH].state is state
    assert test.outcomes[GETH].ms == sum(answer.ms for answer in answers)
    assert test.state is state
    assert judge(case(*answers), (GETH,), known).state is (State.AGREED if state is State.AGREED else State.KNOWN)


def test_a_new_difference_is_not_hidden_by_a_known_one() -> None:
    def first(difference: Difference) -> Difference:
        return known(difference) if difference.index == 0 else difference

    assert judge(case(INVALID, INVALID), (GETH,), first).state is State.DIFFERS
    assert judge(case(INVALID, ABSTAIN), (GETH,), first).state is State.CANNOT_TELL


def test_both_ways_of_asking_a_client_are_kept_apart() -> None:
    stateful = replace(INVALID, stateful=True)
    block = ExaminedBlock(0, 1, bytes(32), Expected.VALID, answers=(stateful, VALID))
    test = judge(ExaminedCase(NAME, (block,)), (), unknown)
    assert {str(column): outcome.state for column, outcome in test.outcomes.items()} == {
        "geth (stateful)": State.DIFFERS,
        "geth": State.AGREED,
    }


def test_who_was_not_asked_is_skipped_with_the_reason() -> None:
    columns = (GETH, Column("revm"), Column("eels"))
    test = judge(replace(case(VALID), skipped={"revm": "does not know Osaka"}), columns, unknown)
    assert test.outcomes[Column("revm")].reason == "does not know Osaka"
    assert test.outcomes[Column("eels")].reason == NOT_ASKED
    assert test.outcomes[Column("eels")].state is State.SKIPPED
    assert test.state is State.AGREED
    assert judge(case(), columns, unknown).state is State.SKIPPED


def test_a_test_that_could_not_be_run_is_nobodys_agreement() -> None:
    failed = ExaminedCase(NAME, failure="recorder ended")
    test = judge(failed, (GETH,), unknown)
    assert test.state is State.NOT_RUN
    assert test.outcomes[GETH].reason == "recorder ended"
    assert judge(failed, (), unknown).state is State.NOT_RUN
    assert judge(failed, (GETH,), known).state is State.KNOWN


def test_another_reason_differs() -> None:
    block = ExaminedBlock(
        0,
        1,
        bytes(32),
        Expected.INVALID,
        "BlockException.X",
        frozenset({ReasonClass.HEADER}),
        answers=(replace(INVALID, classes=frozenset({ReasonClass.RESULT})),),
    )
    assert judge(ExaminedCase(NAME, (block,)), (GETH,), unknown).state is State.DIFFERS
