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
quarantines = st.frozensets(st.sampled_from([*sorted(ADAPTERS), "stranger"]), max_size=4)


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


@given(policies(), vote_sets(), quarantines, st.booleans())
def test_votes_in_quarantine_are_as_if_they_were_not_there(
    policy: QuorumPolicy, votes: list[Vote], quarantined: frozenset[str], closed: bool
) -> None:
    others = [each for each in votes if each.adapter not in quarantined]
    decision = decide(policy, votes, closed=closed, quarantined=quarantined)
    assert decision == decide(policy, others, closed=closed, quarantined=quarantined)
    assert (decision.valid, decision.invalid) == (decide(policy, others).valid, decide(policy, others).invalid)
    assert decision.disagreement is decide(policy, others).disagreement


@given(policies(), vote_sets(), quarantines)
def test_a_lineage_that_is_in_quarantine_as_a_whole_is_never_valid(
    policy: QuorumPolicy, votes: list[Vote], quarantined: frozenset[str]
) -> None:
    left = {lineage for name, lineage in policy.adapters.items() if name not in quarantined}
    decision = decide(policy, votes, quarantined=quarantined)
    assert decision.valid | decision.invalid <= left
    if len(left) < policy.required:
        assert decision.verdict is not Verdict.ATTEST


@given(policies(), vote_sets(), quarantines)
def test_with_quarantine_too_a_hold_is_settled_exactly_when_the_rest_cannot_change_it(
    policy: QuorumPolicy, votes: list[Vote], quarantined: frozenset[str]
) -> None:
    decision = decide(policy, votes, quarantined=quarantined)
    silent = set(policy.adapters) - {each.adapter for each in votes}
    verdicts = set()
    for kind in VoteKind:
        rest = [vote(name, kind, policy.adapters[name]) for name in silent]
        verdicts.add(decide(policy, [*votes, *rest], closed=True, quarantined=quarantined).verdict)
    if decision.verdict is Verdict.HOLD:
        assert decision.settled == (verdicts == {Verdict.HOLD})


def test_with_too_few_out_of_quarantine_nobody_is_waited_for() -> None:
    policy = quorum_policy({name: name for name in LINEAGES[:3]}, required=2, rejecting=2)
    quarantined = frozenset(LINEAGES[:2])
    decision = decide(policy, [], quarantined=quarantined)
    assert (decision.verdict, decision.settled) == (Verdict.HOLD, True)
    votes = [vote(name, VoteKind.VALID) for name in LINEAGES[:3]]
    decision = decide(policy, votes, quarantined=quarantined)
    assert decision.verdict is Verdict.HOLD
    assert decision.valid == {LINEAGES[2]}
    assert decision.abstaining == quarantined


def test_an_adapter_in_quarantine_makes_no_disagreement_and_leaves_the_other_one_of_its_lineage() -> None:
    policy = quorum_policy({"geth": "geth", "geth-2": "geth", "eels": "eels"}, required=2, rejecting=1)
    votes = [vote("geth", VoteKind.INVALID), vote("geth-2", VoteKind.VALID, "geth"), vote("eels", VoteKind.VALID)]
    decision = decide(policy, votes, quarantined=frozenset({"geth"}))
    assert (decision.verdict, decision.disagreement) == (Verdict.ATTEST, False)


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
