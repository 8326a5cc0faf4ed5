"""Which scenes are shown, and what each of them has to come to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.demo.program import DEPTH, FEWEST_SLOTS, Act, Voting, program
from verifier.domain.dispute import Conclusion, dispute_rule
from verifier.domain.quorum import Verdict, quorum_policy

EXECUTOR = "node"


def voting(live: list[str], late: list[str], unable: frozenset[str] = frozenset()) -> Voting:
    """A geth node behind the gate, with adapters that have their lineages' names, but for "geth" and "own"."""
    lineage = {"own": "pyevm"}
    policy = quorum_policy({EXECUTOR: "geth"} | {name: lineage.get(name, name) for name in live})
    rule = dispute_rule(policy, {name: lineage.get(name, name) for name in late})
    able = rule.adapters.keys() - {EXECUTOR} - unable
    return Voting(policy, rule, EXECUTOR, frozenset(able), "EXP")


ALL = voting(["revm", "ethrex", "ethereumjs"], ["eels", "geth", "pyevm", "own"], frozenset({"own"}))


@st.composite
def votings(draw: st.DrawFn) -> Voting:
    live = draw(st.lists(st.sampled_from(["revm", "ethrex", "ethereumjs", "eels"]), min_size=1, unique=True))
    late = draw(st.lists(st.sampled_from(["geth", "pyevm", "reth"]), unique=True))
    return voting(live, late)


@given(votings(), st.integers(FEWEST_SLOTS, 100), st.sampled_from([4, 8, 32]))
def test_acts_are_shown_never_at_a_target_and_with_honest_slots_around(
    voting: Voting, slots: int, slots_per_epoch: int
) -> None:
    shall = program(voting, slots, slots_per_epoch)
    covered = [each.slot + above for each in shall.scenes for above in range(each.depth)]
    assert covered == list(range(1, slots + 1))
    wrong = [each for each in shall.scenes if each.act is not Act.HONEST]
    assert [each.act for each in wrong] == [act for act in Act if act not in (Act.HONEST, *shall.left_out)]
    assert wrong[0].act is Act.ONE_LIES
    for each in wrong:
        assert all(slot % slots_per_epoch for slot in range(each.slot, each.slot + each.depth))
    honest = {each.slot for each in shall.scenes if each.act is Act.HONEST}
    assert {1, slots} <= honest
    assert all(each.slot - 1 in honest and each.slot + each.depth in honest for each in wrong)
    assert all(EXECUTOR not in each.liars for each in shall.scenes)
    assert all(each.verdict is Verdict.ATTEST and not each.liars for each in shall.scenes if each.act is Act.HONEST)


def test_who_is_wrong_and_what_it_comes_to() -> None:
    one, erring, many = (each for each in program(ALL, 30, 8).scenes if each.act is not Act.HONEST)
    assert (one.liars, one.verdict, one.conclusion) == (("ethereumjs",), Verdict.ATTEST, Conclusion.VALID)
    assert (erring.liars, erring.verdict, erring.conclusion) == ((), Verdict.REJECT, Conclusion.INVALID)
    assert (erring.depth, erring.symptom) == (DEPTH, "EXP")
    # Two would reject it; it takes four of the six to conclude against it, and "own" is nobody's to make lie.
    assert set(many.liars) == {"revm", "ethrex", "ethereumjs", "eels"}
    assert (many.verdict, many.conclusion) == (Verdict.REJECT, Conclusion.INVALID)


def test_with_one_other_lineage_only_its_lie_is_shown() -> None:
    shall = program(voting(["revm"], []), 12, 8)
    (one,) = (each for each in shall.scenes if each.act is not Act.HONEST)
    assert (one.act, one.verdict, one.conclusion) == (Act.ONE_LIES, Verdict.REJECT, None)
    assert set(shall.left_out) == {Act.CLIENT_ERRS, Act.MAJORITY_LIES}


def test_with_two_other_lineages_everything_is_shown() -> None:
    shall = program(voting(["revm", "ethrex"], []), 12, 8)
    acts = [(each.act, each.verdict, each.conclusion) for each in shall.scenes if each.act is not Act.HONEST]
    assert acts == [
        (Act.ONE_LIES, Verdict.ATTEST, Conclusion.VALID),
        (Act.CLIENT_ERRS, Verdict.REJECT, Conclusion.INVALID),
        (Act.MAJORITY_LIES, Verdict.REJECT, Conclusion.INVALID),
    ]


def test_too_few_slots() -> None:
    with pytest.raises(ValueError, match="at least"):
        program(ALL, FEWEST_SLOTS - 1, 8)
