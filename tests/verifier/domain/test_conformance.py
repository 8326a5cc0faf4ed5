"""Answers against what fixtures expect: every pair has one reading."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.domain.conformance import (
    Answer,
    CaseName,
    DifferenceKind,
    ExaminedBlock,
    ExaminedCase,
    Expected,
    ReasonClass,
    Said,
    differences,
)

NAME = CaseName("a/b.json", "test", "Prague", "blockchain_test")
CLASSES = st.frozensets(st.sampled_from(ReasonClass), max_size=3)
ANSWERS = st.builds(Answer, st.sampled_from(["geth", "revm"]), st.just("x"), st.sampled_from(Said), classes=CLASSES)
BLOCKS = st.builds(
    ExaminedBlock,
    st.integers(0, 3),
    st.just(1),
    st.just(bytes(32)),
    st.sampled_from(Expected),
    classes=CLASSES,
    answers=st.lists(ANSWERS, max_size=4).map(tuple),
)


@pytest.mark.parametrize(
    ("expected", "said", "kind"),
    [
        (Expected.VALID, Said.VALID, None),
        (Expected.VALID, Said.INVALID, DifferenceKind.REJECTS_VALID),
        (Expected.VALID, Said.ABSTAIN, DifferenceKind.CANNOT_TELL),
        (Expected.INVALID, Said.VALID, DifferenceKind.ACCEPTS_INVALID),
        (Expected.INVALID, Said.INVALID, None),
        (Expected.INVALID, Said.ABSTAIN, DifferenceKind.CANNOT_TELL),
        (Expected.REFUSED, Said.ABSTAIN, None),
        (Expected.REFUSED, Said.VALID, DifferenceKind.ACCEPTS_INCOMPLETE),
        (Expected.REFUSED, Said.INVALID, DifferenceKind.ACCEPTS_INCOMPLETE),
    ],
)
def test_each_answer_has_one_reading(expected: Expected, said: Said, kind: DifferenceKind | None) -> None:
    block = ExaminedBlock(0, 1, bytes(32), expected, answers=(Answer("geth", "geth", said, "why"),))
    found = differences(ExaminedCase(NAME, (block,)))
    assert [each.kind for each in found] == ([] if kind is None else [kind])


@pytest.mark.parametrize(
    ("expected", "said", "differs"),
    [
        ({ReasonClass.TRANSACTION}, {ReasonClass.TRANSACTION}, False),
        ({ReasonClass.TRANSACTION, ReasonClass.BLOB_GAS}, {ReasonClass.BLOB_GAS}, False),
        ({ReasonClass.TRANSACTION}, {ReasonClass.HEADER}, True),
        ({ReasonClass.TRANSACTION}, set(), True),
        (set(), {ReasonClass.HEADER}, False),  # the fixture does not say why
    ],
)
def test_a_reason_of_another_class_is_a_difference(
    expected: set[ReasonClass], said: set[ReasonClass], differs: bool
) -> None:
    answer = Answer("geth", "geth", Said.INVALID, "why", frozenset(said))
    block = ExaminedBlock(0, 1, bytes(32), Expected.INVALID, classes=frozenset(expected), answers=(answer,))
    found = differences(ExaminedCase(NAME, (block,)))
    assert [each.kind for each in found] == [DifferenceKind.OTHER_REASON] * differs


def test_a_test_that_cannot_be_run_is_a_difference() -> None:
    (found,) = differences(ExaminedCase(NAME, failure="no such fork"))
    assert (found.kind, found.index, found.text) == (DifferenceKind.NOT_RUN, -1, "no such fork")


@given(st.lists(BLOCKS, max_size=4))
def test_no_answer_is_read_twice_or_as_good_where_it_is_wrong(blocks: list[ExaminedBlock]) -> None:
    found = differences(ExaminedCase(NAME, tuple(blocks)))
    wrong = sum(
        (block.expected.value, answer.said.value)
        not in {("valid", "valid"), ("invalid", "invalid"), ("refused", "abstain")}
        for block in blocks
        for answer in block.answers
    )
    reasons = sum(each.kind is DifferenceKind.OTHER_REASON for each in found)
    assert len(found) - reasons == wrong
