"""Results become sides whatever their order, and what differs between them is found and nothing else."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.domain.builders import PRAGUE_HEADER, computed_for
from tests.verifier.domain.test_post_state import ALICE, BOB, POST_STATES
from verifier.domain.result import Abstention, AbstentionReason, BrokenRule, Computed, Outcome, Receipt, Result
from verifier.domain.sides import (
    MAX_STATE_DIFFERENCES,
    agree,
    field_differences,
    first_differing_transaction,
    group_sides,
    state_differences,
)
from verifier.domain.statement import outcome_digest
from verifier.domain.vote import COMPARED_FIELDS, VoteKind, cast_vote
from witness.model import PostAccount, PostState

RIGHT = replace(
    computed_for(PRAGUE_HEADER), receipts=(Receipt(21_000, bytes(32), True), Receipt(50_000, bytes(32), True))
)
WRONG_ROOT = replace(RIGHT, state_root=b"\x99" * 32)
WRONG_GAS = replace(RIGHT, gas_used=1, receipts=(RIGHT.receipts[0], replace(RIGHT.receipts[1], cumulative_gas_used=1)))
ROOTS_ALONE = Computed(RIGHT.state_root, RIGHT.receipts_root, None, None, None)
BROKEN = BrokenRule("base_fee", "7, not 8")
ABSENT = Abstention(AbstentionReason.TIMEOUT)
LINEAGES = {
    "geth": "geth",
    "node": "geth",
    "revm": "revm",
    "ethrex": "ethrex",
    "eels": "eels",
    "ethereumjs": "ethereumjs",
}
RECEIPTS = st.lists(
    st.builds(Receipt, st.integers(0, 9), st.sampled_from([bytes(32), b"\x01" * 32]), st.sampled_from([True, False])),
    max_size=6,
)


def grouped(**outcomes: Outcome) -> list[tuple[tuple[str, ...], VoteKind]]:
    results = [Result(name, LINEAGES[name], outcome) for name, outcome in outcomes.items()]
    votes = [cast_vote(PRAGUE_HEADER, result) for result in results]
    return [(each.side.adapters, each.side.kind) for each in group_sides(results, votes)]


def test_the_side_of_most_lineages_comes_first_and_an_abstention_is_on_none() -> None:
    sides = grouped(eels=WRONG_ROOT, geth=RIGHT, revm=RIGHT, ethrex=ABSENT, ethereumjs=BROKEN)
    assert sides == [
        (("geth", "revm"), VoteKind.VALID),
        (("eels",), VoteKind.INVALID),
        (("ethereumjs",), VoteKind.INVALID),
    ]


def test_two_adapters_of_a_lineage_weigh_as_one() -> None:
    sides = grouped(geth=RIGHT, node=RIGHT, eels=WRONG_ROOT, ethrex=WRONG_ROOT)
    assert [names for names, _ in sides] == [("eels", "ethrex"), ("geth", "node")]


def test_a_side_has_the_digest_of_what_most_is_known_of() -> None:
    bare = replace(RIGHT, receipts=())
    results = [Result("geth", "geth", bare), Result("revm", "revm", RIGHT)]
    (side,) = group_sides(results, [cast_vote(PRAGUE_HEADER, each) for each in results])
    assert side.side.digest == outcome_digest(RIGHT)
    assert side.outcome is RIGHT


def test_a_client_that_tells_two_roots_alone_contradicts_without_a_vote() -> None:
    lying = replace(ROOTS_ALONE, state_root=b"\x99" * 32)
    results = [Result("geth", "geth", lying, missing_unnoticed=True), Result("revm", "revm", RIGHT)]
    votes = [cast_vote(PRAGUE_HEADER, each) for each in results]
    assert [each.side.kind for each in group_sides(results, votes)] == [VoteKind.ABSTAIN, VoteKind.VALID]


@given(
    st.permutations(list(LINEAGES)),
    st.lists(st.sampled_from([RIGHT, WRONG_ROOT, WRONG_GAS, BROKEN, ABSENT]), min_size=6),
)
def test_order_does_not_matter(order: list[str], outcomes: list[Outcome]) -> None:
    said = dict(zip(LINEAGES, outcomes, strict=False))
    sides = grouped(**{name: said[name] for name in order})
    assert sides == grouped(**said)
    members = [name for names, _ in sides for name in names]
    assert sorted(members) == sorted(name for name in said if said[name] is not ABSENT)
    assert all(len({outcome_digest(said[name]) for name in names}) == 1 for names, _ in sides)


@given(st.sets(st.sampled_from(COMPARED_FIELDS[:-1])))
def test_the_fields_that_differ_are_named_and_no_others(names: set[str]) -> None:
    changes: dict[str, Any] = {
        name: 1 if isinstance(getattr(RIGHT, name), int) else b"\x99" * len(getattr(RIGHT, name)) for name in names
    }
    other = replace(RIGHT, **changes)
    differences = field_differences((RIGHT, other))
    assert {each.field for each in differences} == names
    assert all(len(set(each.values)) == 2 for each in differences)
    assert agree(RIGHT, other) is not bool(names)


def test_a_broken_rule_is_a_difference_and_an_untold_field_is_none() -> None:
    (rule,) = field_differences((RIGHT, BROKEN))
    assert (rule.field, rule.values) == ("rule", (None, "base_fee"))
    assert field_differences((RIGHT, ROOTS_ALONE)) == ()
    assert agree(RIGHT, ROOTS_ALONE)
    assert not agree(RIGHT, BROKEN)
    assert agree(BROKEN, replace(BROKEN, detail="in other words"))


@given(RECEIPTS, RECEIPTS)
def test_the_first_differing_transaction(first: list[Receipt], second: list[Receipt]) -> None:
    index = first_differing_transaction((first, second))
    if index is None:
        assert first == second or not first or not second
    else:
        assert first[:index] == second[:index]
        assert first[index : index + 1] != second[index : index + 1]


@pytest.mark.parametrize("change", [{"cumulative_gas_used": 1}, {"succeeded": False}, {"logs_hash": b"\x01" * 32}])
def test_each_field_of_a_receipt_counts(change: dict[str, Any]) -> None:
    other = (RIGHT.receipts[0], replace(RIGHT.receipts[1], **change))
    assert first_differing_transaction((RIGHT.receipts, (), other)) == 1


@given(st.lists(st.none() | POST_STATES, min_size=2, max_size=4))
def test_state_differences_are_there_exactly_where_states_differ(states: list[PostState | None]) -> None:
    told = [state for state in states if state is not None]
    differences = state_differences(states)
    assert bool(differences) is any(state != told[0] for state in told)
    for each in differences:
        assert len(each.values) == len(states)
        assert len({value for value, state in zip(each.values, states, strict=True) if state is not None}) > 1


def test_state_differences_are_named() -> None:
    key = b"\x01" * 32
    first = {ALICE: PostAccount(1, 7, b"\xc5" * 32, {key: 5}), BOB: None}
    second = {ALICE: PostAccount(1, 8, b"\xc5" * 32, {key: 6})}
    differences = state_differences((first, second))
    assert [(each.address, each.what, each.values) for each in differences] == [
        (ALICE, "balance", ("0x7", "0x8")),
        (ALICE, f"slot 0x{key.hex()}", ("0x5", "0x6")),
        (BOB, "exists", ("no", None)),
    ]


def test_few_state_differences_are_kept() -> None:
    many: PostState = {bytes([index]) * 20: None for index in range(100)}
    assert len(state_differences(({}, many))) == MAX_STATE_DIFFERENCES
