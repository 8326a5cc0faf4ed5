"""Reading results: VALID only ever comes from equal values."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.domain.builders import PARIS_HEADER, PRAGUE_HEADER, computed_for
from verifier.domain.result import Abstention, AbstentionReason, BrokenRule, Missing, Outcome, Result
from verifier.domain.vote import COMPARED_FIELDS, Vote, VoteKind, cast_vote, withhold
from witness.model import Header

HASHES = st.binary(min_size=32, max_size=32)


def cast(header: Header, outcome: Outcome) -> Vote:
    return cast_vote(header, Result("geth", "geth", outcome, elapsed_ms=7.5))


@pytest.mark.parametrize("header", [PARIS_HEADER, PRAGUE_HEADER], ids=["paris", "prague"])
def test_equal_values_are_valid(header: Header) -> None:
    vote = cast(header, computed_for(header))
    assert (vote.kind, vote.reason, vote.differences, vote.elapsed_ms) == (VoteKind.VALID, None, (), 7.5)


@pytest.mark.parametrize("field", [field for field in COMPARED_FIELDS if getattr(PRAGUE_HEADER, field) is not None])
def test_each_differing_field_is_invalid_and_named(field: str) -> None:
    value: Any = getattr(PRAGUE_HEADER, field)
    other: Any = value + 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]
    vote = cast(PRAGUE_HEADER, replace(computed_for(PRAGUE_HEADER), **{field: other}))
    assert vote.kind is VoteKind.INVALID
    assert [difference.field for difference in vote.differences] == [field]
    expected = (hex(value), hex(other)) if isinstance(value, int) else (f"0x{value.hex()}", f"0x{other.hex()}")
    assert (vote.differences[0].header, vote.differences[0].computed) == expected


@pytest.mark.parametrize("field", ["blob_gas_used", "withdrawals_root", "requests_hash"])
def test_a_field_that_was_not_computed_is_no_valid(field: str) -> None:
    nothing: dict[str, Any] = {field: None}
    vote = cast(PRAGUE_HEADER, replace(computed_for(PRAGUE_HEADER), **nothing))
    assert (vote.kind, vote.reason) == (VoteKind.ABSTAIN, f"refused: did not compute {field}")


def test_a_field_that_the_header_lacks_is_no_valid() -> None:
    vote = cast(PARIS_HEADER, replace(computed_for(PARIS_HEADER), requests_hash=b"\1" * 32))
    assert vote.kind is VoteKind.ABSTAIN


def test_a_header_field_that_nobody_can_compare_is_no_valid() -> None:
    vote = cast(replace(PRAGUE_HEADER, unknown_fields=1), computed_for(PRAGUE_HEADER))
    assert vote.kind is VoteKind.ABSTAIN
    assert (vote.reason or "").startswith("unsupported_fork")


def test_unchecked_rules_are_said() -> None:
    vote = cast(PRAGUE_HEADER, replace(computed_for(PRAGUE_HEADER), unchecked_rules=("base_fee", "gas_limit")))
    assert (vote.kind, vote.reason) == (VoteKind.VALID, "unchecked: base_fee, gas_limit")


def test_a_broken_rule_is_invalid() -> None:
    vote = cast(PRAGUE_HEADER, BrokenRule("base_fee", "header 7, expected 8"))
    assert (vote.kind, vote.reason) == (VoteKind.INVALID, "broken_rule: base_fee: header 7, expected 8")


def test_an_abstention_names_what_is_missing() -> None:
    missing = (Missing("node", b"\x8a" * 32, where="account path 22c"), Missing("header", number=7))
    vote = cast(PRAGUE_HEADER, Abstention(AbstentionReason.WITNESS_INSUFFICIENT, "", missing))
    assert vote.kind is VoteKind.ABSTAIN
    assert vote.reason == f"witness_insufficient: missing node 0x{'8a' * 32} (account path 22c), header number 7"


def test_what_the_detail_names_is_not_said_twice() -> None:
    missing = (Missing("node", b"\x8a" * 32),)
    detail = f"missing node 0x{'8a' * 32}"
    vote = cast(PRAGUE_HEADER, Abstention(AbstentionReason.WITNESS_INSUFFICIENT, detail, missing))
    assert vote.reason == f"witness_insufficient: {detail}"


@given(
    st.one_of(
        st.builds(Abstention, st.sampled_from(AbstentionReason), st.text()),
        st.builds(BrokenRule, st.text(), st.text()),
        st.builds(
            replace,
            st.just(computed_for(PRAGUE_HEADER)),
            state_root=HASHES,
            receipts_root=st.sampled_from([PRAGUE_HEADER.receipts_root, bytes(32)]),
            gas_used=st.integers(0, 2**64 - 1),
        ),
    )
)
def test_valid_implies_that_every_field_is_equal(outcome: Outcome) -> None:
    if cast(PRAGUE_HEADER, outcome).kind is VoteKind.VALID:
        assert outcome == computed_for(PRAGUE_HEADER)


@given(st.sampled_from(AbstentionReason), st.text())
def test_missing_data_never_becomes_a_statement(reason: AbstentionReason, detail: str) -> None:
    assert cast(PRAGUE_HEADER, Abstention(reason, detail)).kind is VoteKind.ABSTAIN


@pytest.mark.parametrize("kind", VoteKind)
def test_a_withheld_vote_is_no_statement(kind: VoteKind) -> None:
    vote = Vote("geth", "geth", kind, "because")
    withheld = withhold(vote, "the root is not trusted")
    if kind is VoteKind.ABSTAIN:
        assert withheld is vote
    else:
        assert (withheld.kind, withheld.reason) == (VoteKind.ABSTAIN, "refused: the root is not trusted")


@pytest.mark.parametrize(
    ("outcome", "field"),
    [
        (replace(computed_for(PRAGUE_HEADER), state_root=b"\1" * 32), "state_root"),
        (BrokenRule("base_fee", "7, not 8"), "rules"),
    ],
)
def test_who_does_not_notice_what_is_missing_contradicts_and_does_not_reject(outcome: Outcome, field: str) -> None:
    vote = cast_vote(PRAGUE_HEADER, Result("node", "geth", outcome, missing_unnoticed=True))
    assert vote.kind is VoteKind.ABSTAIN
    assert (vote.reason or "").endswith("; or the witness lacks something")
    assert [difference.field for difference in vote.differences] == [field]
