"""n of m, as properties over all sets of votes and all policies."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.verifier.domain.builders import vote
from verifier.domain.quorum import QuorumPolicy, QuorumPolicyError, Verdict, decide, quorum_policy
from verifier.domain.vote import Vote, VoteKind

LINEAGES = ("geth", "revm", "ethrex", "ethereumjs", "eels", "pyevm")
# Two adapters of some lineages, as an operator may configure, and one that is not configured.
ADAPTERS = {**{lineage: lineage for lineage in LINEAGES}, "geth-2": "geth", "reth": "revm", "pyevm-2": "pyevm"}
KINDS = st.sampled_from(VoteKind)


@st.composite
def policies(draw: st.DrawFn) -> QuorumPolicy:
    adapters = draw(st.lists(st.sampled_from(sorted(ADAPTERS)), min_size=1, unique=True))
    m = len({ADAPTERS[adapter] for adapter in adapters})
    return QuorumPolicy({name: ADAPTERS[name] for name in adapters}, draw(st.integers(1, m)), draw(st.integers(1, m)))


@st.composite
def vote_sets(draw: st.DrawFn) -> list[Vote]:
    """At most one vote an adapter, configured or not, in any order."""
    names = draw(st.lists(st.sampled_from([*sorted(ADAPTERS), "stranger"]), unique=True))
    return [vote(name, draw(KINDS), ADAPTERS.get(name, "geth")) for name in names]


def lineages(policy: QuorumPolicy, votes: list[Vote], kind: VoteKind) -> set[str]:
    return {each.lineage for each in votes if each.adapter in policy.adapters and each.kind is kind}


@given(policies(), vote_sets(), st.booleans())
def test_no_attest_with_fewer_than_n_valid_lineages(policy: QuorumPolicy, votes: list[Vote], closed: bool) -> None:
    if decide(policy, votes, closed=closed).verdict is Verdict.ATTEST:
        assert len(lineages(policy, votes, VoteKind.VALID)) >= policy.required
        assert len(lineages(policy, votes, VoteKind.INVALID)) < policy.rejecting


@given(policies(), vote_sets())
def test_reject_exactly_from_the_threshold_on(policy: QuorumPolicy, votes: list[Vote]) -> None:
    rejected = decide(policy, votes, closed=True).verdict is Verdict.REJECT
    assert rejected == (len(lineages(policy, votes, VoteKind.INVALID)) >= policy.rejecting)


@given(policies(), vote_sets(), st.data())
def test_an_abstention_changes_no_verdict(policy: QuorumPolicy, votes: list[Vote], data: st.DataObject) -> None:
    silent = sorted(set(policy.adapters) - {each.adapter for each in votes})
    assume(silent)
    name = data.draw(st.sampled_from(silent))
    before = decide(policy, votes, closed=True)
    after = decide(policy, [*votes, vote(name, VoteKind.ABSTAIN, policy.adapters[name])], closed=True)
    assert after.verdict is before.verdict


@given(policies(), vote_sets(), st.booleans(), st.randoms(use_true_random=False))
def test_order_does_not_matter(policy: QuorumPolicy, votes: list[Vote], closed: bool, random: object) -> None:
    shuffled = list(votes)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert decide(policy, shuffled, closed=closed) == decide(policy, votes, closed=closed)


@given(policies(), vote_sets(), vote_sets())
def test_more_votes_never_turn_reject_into_anything_else(
    policy: QuorumPolicy, votes: list[Vote], more: list[Vote]
) -> None:
    known = {each.adapter for each in votes}
    later = [*votes, *(each for each in more if each.adapter not in known)]
    if decide(policy, votes).verdict is Verdict.REJECT:
        assert decide(policy, later).verdict is Verdict.REJECT


@given(policies(), vote_sets())
def test_a_settled_hold_stays_whatever_the_rest_says(policy: QuorumPolicy, votes: list[Vote]) -> None:
    decision = decide(policy, votes)
    if decision.verdict is Verdict.HOLD and decision.settled:
        silent = set(policy.adapters) - {each.adapter for each in votes}
        for kind in VoteKind:
            rest = [vote(name, kind, policy.adapters[name]) for name in silent]
            assert decide(policy, [*votes, *rest], closed=True).verdict is Verdict.HOLD


@given(policies(), vote_sets())
def test_an_unsettled_hold_can_still_become_something(policy: QuorumPolicy, votes: list[Vote]) -> None:
    decision = decide(policy, votes)
    if not decision.settled:
        silent = set(policy.adapters) - {each.adapter for each in votes}
        outcomes = set()
        for kind in VoteKind:
            rest = [vote(name, kind, policy.adapters[name]) for name in silent]
            outcomes.add(decide(policy, [*votes, *rest], closed=True).verdict)
        assert outcomes != {Verdict.HOLD}


@given(policies(), vote_sets())
def test_a_second_adapter_of_a_lineage_adds_no_weight(policy: QuorumPolicy, votes: list[Vote]) -> None:
    decision = decide(policy, votes, closed=True)
    assert len(decision.valid) + len(decision.invalid) + len(decision.abstaining) <= len(policy.lineages)
    doubled = QuorumPolicy(
        {**policy.adapters, **{f"{name}-copy": lineage for name, lineage in policy.adapters.items()}},
        policy.required,
        policy.rejecting,
    )
    copies = [
        vote(f"{each.adapter}-copy", each.kind, each.lineage) for each in votes if each.adapter in policy.adapters
    ]
    assert decide(doubled, [*votes, *copies], closed=True).verdict is decision.verdict


@given(policies(), vote_sets())
def test_strangers_do_not_count(policy: QuorumPolicy, votes: list[Vote]) -> None:
    own = [each for each in votes if each.adapter in policy.adapters]
    assert decide(policy, votes, closed=True).verdict is decide(policy, own, closed=True).verdict


def test_an_adapter_that_claims_another_lineage_does_not_count() -> None:
    policy = quorum_policy({"geth": "geth", "eels": "eels"}, required=2)
    votes = [vote("geth", VoteKind.VALID), vote("eels", VoteKind.VALID, lineage="revm")]
    assert decide(policy, votes, closed=True).verdict is Verdict.HOLD


def test_a_lineage_that_contradicts_itself_is_not_valid() -> None:
    policy = quorum_policy({"geth": "geth", "geth-2": "geth", "eels": "eels"}, required=2, rejecting=2)
    votes = [vote("geth", VoteKind.VALID), vote("geth-2", VoteKind.INVALID, "geth"), vote("eels", VoteKind.VALID)]
    decision = decide(policy, votes, closed=True)
    assert (decision.verdict, decision.disagreement) == (Verdict.HOLD, True)


def test_one_dissenter_of_four_is_a_disagreement_and_no_reject() -> None:
    policy = quorum_policy({name: name for name in LINEAGES[:4]})
    votes = [vote(name, VoteKind.VALID) for name in LINEAGES[:3]] + [vote(LINEAGES[3], VoteKind.INVALID)]
    decision = decide(policy, votes)
    assert (decision.verdict, decision.settled, decision.disagreement) == (Verdict.ATTEST, True, True)


@pytest.mark.parametrize(("m", "required", "rejecting"), [(1, 1, 1), (2, 2, 1), (3, 2, 2), (4, 3, 2), (6, 4, 3)])
def test_defaults(m: int, required: int, rejecting: int) -> None:
    policy = quorum_policy({name: name for name in LINEAGES[:m]})
    assert (policy.required, policy.rejecting) == (required, rejecting)


@pytest.mark.parametrize(("required", "rejecting"), [(0, 1), (3, 1), (1, 0), (1, 3)])
def test_impossible_policies_are_refused(required: int, rejecting: int) -> None:
    with pytest.raises(QuorumPolicyError, match="is not between 1 and the 2"):
        QuorumPolicy({"geth": "geth", "eels": "eels"}, required, rejecting)


def test_no_lineages_no_policy() -> None:
    with pytest.raises(QuorumPolicyError):
        quorum_policy({})
