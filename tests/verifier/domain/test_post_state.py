"""Prestate mode: who is right about what a block changed, and who nobody can say."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.domain.builders import PRAGUE_HEADER, computed_for
from verifier.domain.post_state import MAX_DIFFERENCES, cast_votes, post_state_differences
from verifier.domain.quorum import Verdict, decide, quorum_policy
from verifier.domain.result import Abstention, AbstentionReason, BrokenRule, Outcome, Result
from verifier.domain.vote import Vote, VoteKind
from witness.model import PostAccount, PostState

CODE = b"\xc5" * 32
ALICE, BOB = b"\xaa" * 20, b"\xbb" * 20
LINEAGES = ("geth", "revm", "ethrex", "ethereumjs", "eels")
POLICY = quorum_policy({name: name for name in LINEAGES})  # 3 of 5

SLOTS = st.dictionaries(st.binary(min_size=32, max_size=32), st.integers(0, 2**256 - 1), max_size=3)
ACCOUNTS = st.one_of(
    st.none(),
    st.builds(PostAccount, st.integers(0, 2**64 - 1), st.integers(0, 2**256 - 1), st.just(CODE), SLOTS),
)
POST_STATES: st.SearchStrategy[PostState] = st.dictionaries(st.sampled_from([ALICE, BOB]), ACCOUNTS)


def state(balance: int = 7, **slots: int) -> PostState:
    keyed = {bytes([int(name[1:])]) * 32: value for name, value in slots.items()}
    return {ALICE: PostAccount(1, balance, CODE, keyed), BOB: None}


def result(name: str, post_state: PostState) -> Result:
    return Result(name, name, unproven(post_state))


def unproven(post_state: PostState) -> Outcome:
    return replace(computed_for(PRAGUE_HEADER), state_root=None, post_state=post_state)


def cast(results: Sequence[Result], recorded: PostState | None = None) -> tuple[Vote, ...]:
    return cast_votes(PRAGUE_HEADER, results, POLICY, recorded)


def kinds(votes: Sequence[Vote]) -> list[VoteKind]:
    return [vote.kind for vote in votes]


V, I, A = VoteKind.VALID, VoteKind.INVALID, VoteKind.ABSTAIN  # noqa: E741


def test_equal_post_states_are_valid_and_say_what_is_not_proven() -> None:
    votes = cast([result(name, state()) for name in LINEAGES])
    assert {(vote.kind, vote.reason) for vote in votes} == {(V, "unproven: state_root")}


def test_a_quorum_that_the_recorded_post_state_confirms_makes_an_outsider_invalid() -> None:
    agreeing = [result(name, state(7)) for name in LINEAGES[:3]]
    votes = cast([*agreeing, result("ethereumjs", state(1))], recorded=state(7))
    assert kinds(votes) == [V, V, V, I]
    assert decide(POLICY, votes, closed=True).verdict is Verdict.ATTEST


def test_a_recorded_post_state_that_nobody_has_rejects_nothing() -> None:
    """It may be incomplete, or of a source that is wrong: nothing binds it to the block."""
    votes = cast([result(name, state(1)) for name in LINEAGES], recorded=state(7))
    assert kinds(votes) == [A] * 5
    decision = decide(POLICY, votes, closed=True)
    assert (decision.verdict, decision.disagreement) == (Verdict.HOLD, True)


def test_two_quorums_are_not_decided_by_what_was_recorded() -> None:
    policy = quorum_policy({name: name for name in LINEAGES}, required=2)
    results = [result(name, state(index // 2)) for index, name in enumerate(LINEAGES[:4])]
    votes = cast_votes(PRAGUE_HEADER, results, policy, state(0))
    assert kinds(votes) == [A] * 4


def test_without_a_quorum_who_differs_from_the_recorded_post_state_abstains() -> None:
    votes = cast([result("geth", state(1)), result("revm", state(7)), result("ethrex", state(1))], recorded=state(7))
    assert kinds(votes) == [A, V, A]
    assert (votes[0].reason or "").startswith("refused: differs from the recorded post-state: post_state.0xaaaa")
    difference = votes[0].differences[0]
    assert (difference.field.rpartition(".")[2], difference.header, difference.computed) == ("balance", "0x7", "0x1")


def test_a_quorum_makes_an_outsider_invalid_and_names_the_slot() -> None:
    votes = cast([*(result(name, state(s1=5)) for name in LINEAGES[:3]), result("ethereumjs", state(s1=6))])
    assert kinds(votes) == [V, V, V, I]
    assert votes[3].differences[0].field == f"post_state.0x{ALICE.hex()}.storage.0x{'01' * 32}"
    assert decide(POLICY, votes, closed=True).verdict is Verdict.ATTEST
    assert decide(POLICY, votes).disagreement


def test_without_a_quorum_contradicting_results_say_nothing() -> None:
    votes = cast([result("geth", state(1)), result("revm", state(2)), result("ethrex", state(1))])
    assert kinds(votes) == [A, A, A]
    assert all((vote.reason or "").startswith("refused: ") for vote in votes)
    assert votes[1].differences
    decision = decide(POLICY, votes, closed=True)
    assert (decision.verdict, decision.disagreement) == (Verdict.HOLD, True)


def test_two_quorums_that_contradict_each_other_decide_nothing() -> None:
    policy = quorum_policy({name: name for name in LINEAGES}, required=2)
    results = [result(name, state(index // 2)) for index, name in enumerate(LINEAGES[:4])]
    for order in permutations(results):
        votes = cast_votes(PRAGUE_HEADER, order, policy, None)
        assert kinds(votes) == [A] * 4
        assert decide(policy, votes, closed=True).verdict is Verdict.HOLD


def test_one_lineage_twice_is_no_quorum() -> None:
    policy = quorum_policy({"a": "geth", "b": "geth", "c": "revm"}, required=2)
    results = [Result(name, "geth", unproven(state(1))) for name in "ab"] + [Result("c", "revm", unproven(state(2)))]
    assert kinds(cast_votes(PRAGUE_HEADER, results, policy, None)) == [A, A, A]


def test_an_adapter_that_is_not_configured_makes_no_quorum() -> None:
    results = [result(name, state(1)) for name in ("geth", "revm", "stranger")] + [result("eels", state(2))]
    assert kinds(cast(results)) == [A] * 4


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (BrokenRule("base_fee", "7, not 8"), I),
        (Abstention(AbstentionReason.TIMEOUT), A),
        (replace(computed_for(PRAGUE_HEADER), state_root=None, gas_used=1, post_state=state()), I),
        (replace(computed_for(PRAGUE_HEADER), state_root=None, logs_bloom=None, post_state=state()), A),
    ],
)
def test_everything_else_is_read_as_in_proof_mode(outcome: Outcome, kind: VoteKind) -> None:
    votes = cast([Result("geth", "geth", outcome), result("revm", state())], recorded=state())
    assert kinds(votes) == [kind, V]


@given(POST_STATES, POST_STATES)
def test_differences_are_there_exactly_where_states_differ(expected: PostState, computed: PostState) -> None:
    differences = post_state_differences(expected, computed)
    assert (differences == ()) == (expected == computed)
    assert all(difference.header != difference.computed for difference in differences)


def test_a_vote_keeps_few_differences() -> None:
    many = {bytes([index]) * 20: None for index in range(100)}
    assert len(post_state_differences({}, many)) == MAX_DIFFERENCES


@given(st.lists(POST_STATES, min_size=1, max_size=5), st.none() | POST_STATES, st.randoms())
def test_order_does_not_matter_and_no_valid_contradicts_another(
    states: list[PostState], recorded: PostState | None, random: object
) -> None:
    results = [result(name, each) for name, each in zip(LINEAGES, states, strict=False)]
    votes = {vote.adapter: vote for vote in cast(results, recorded)}
    shuffled = list(results)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = {vote.adapter: vote.kind for vote in cast(shuffled, recorded)}
    assert again == {name: vote.kind for name, vote in votes.items()}
    valid = [each for name, each in zip(LINEAGES, states, strict=False) if votes[name].kind is V]
    assert all(each == valid[0] for each in valid)
    if recorded is not None:
        assert all(each == recorded for each in valid)
