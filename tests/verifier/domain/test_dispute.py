"""Disputes: what the statements amount to, in whatever order they come, and that what is concluded stays."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from verifier.domain.block import BlockReference
from verifier.domain.dispute import (
    Conclusion,
    Dispute,
    DisputeError,
    DisputeRule,
    DisputeRuleError,
    at_time,
    dispute_id,
    dispute_rule,
    dissenters,
    fell_silent,
    open_dispute,
    ruled,
    stated,
    weigh,
    with_evidence,
)
from verifier.domain.quorum import quorum_policy
from verifier.domain.result import Mode
from verifier.domain.statement import Statement
from verifier.domain.vote import VoteKind

BLOCK = BlockReference(1, 7, bytes.fromhex("abcdef0123456789") * 4)
ADAPTERS = {
    "node": "geth",
    "geth": "geth",
    "revm": "revm",
    "ethrex": "ethrex",
    "ethereumjs": "ethereumjs",
    "eels": "eels",
    "eels-2": "eels",
}
VALID, INVALID = VoteKind.VALID, VoteKind.INVALID
DECIDED = (Conclusion.VALID, Conclusion.INVALID)


@dataclass(frozen=True)
class Silent:
    """An adapter that is given up."""

    adapter: str


Happening = Statement | Silent


def said(
    adapter: str, kind: VoteKind, lineage: str | None = None, result: int = 0, mode: Mode = Mode.PROOF
) -> Statement:
    digest = kind.encode().ljust(31) + bytes([result])
    return Statement(BLOCK, adapter, lineage or ADAPTERS.get(adapter, adapter), mode, kind, digest, "", 1.0)


def dispute(rule: DisputeRule) -> Dispute:
    return open_dispute(BLOCK, "geth says INVALID", 100.0, rule)


def after(rule: DisputeRule, *happenings: Happening, start: Dispute | None = None) -> Dispute:
    """The dispute when all of it has happened, a second after another."""
    at = start or dispute(rule)
    for second, each in enumerate(happenings, 101):
        if isinstance(each, Silent):
            at = fell_silent(at, each.adapter, rule, float(second))
        else:
            at = stated(at, each, rule, float(second))
    return at


@st.composite
def rules(draw: st.DrawFn) -> DisputeRule:
    names = draw(st.lists(st.sampled_from(sorted(ADAPTERS)), min_size=1, unique=True))
    adapters = {name: ADAPTERS[name] for name in names}
    m = len(set(adapters.values()))
    valid = draw(st.integers(1, m))
    invalid = draw(st.integers(m - valid + 1, m))
    quarantined = draw(st.frozensets(st.sampled_from(names), max_size=2))
    return DisputeRule(adapters, valid, invalid, 600.0, quarantined)


statements = st.builds(
    said,
    st.sampled_from([*sorted(ADAPTERS), "stranger"]),
    st.sampled_from([VALID, INVALID]),
    st.none() | st.sampled_from(["geth", "eels"]),
    st.integers(0, 1),
    st.sampled_from(Mode),
)
happenings = st.lists(statements | st.builds(Silent, st.sampled_from(sorted(ADAPTERS))), max_size=14)


@st.composite
def single_words(draw: st.DrawFn) -> list[Happening]:
    """Of every adapter that appears one thing: a statement, once or twice, or that it is given up."""
    names = draw(st.lists(st.sampled_from([*sorted(ADAPTERS), "stranger"]), unique=True))
    drawn: list[Happening] = []
    for name in names:
        possible: list[Happening] = [said(name, VALID), said(name, INVALID), Silent(name)]
        word = draw(st.sampled_from(possible))
        drawn += [word] * draw(st.integers(1, 2))
    return drawn


def faulty_lineages(rule: DisputeRule, all_of_it: list[Happening]) -> set[str]:
    """Those with an adapter that said two things, or spoke and was given up."""
    words: dict[str, set[object]] = {}
    for each in all_of_it:
        if isinstance(each, Silent):
            words.setdefault(each.adapter, set()).add("silent")
        elif rule.adapters.get(each.adapter) == each.lineage:
            words.setdefault(each.adapter, set()).add((each.kind, each.digest, each.mode))
    return {rule.adapters[name] for name, different in words.items() if len(different) > 1 and name in rule.adapters}


@given(rules(), single_words(), st.data())
def test_no_two_orders_give_valid_and_invalid(rule: DisputeRule, words: list[Happening], data: st.DataObject) -> None:
    first = after(rule, *data.draw(st.permutations(words))).conclusion
    second = after(rule, *data.draw(st.permutations(words))).conclusion
    assert {first, second} != set(DECIDED)


@given(rules(), single_words(), st.data())
def test_the_end_is_the_same_in_every_order(rule: DisputeRule, words: list[Happening], data: st.DataObject) -> None:
    """More than the above: with one word an adapter the order does not even decide whether there is a conclusion."""
    first, second = after(rule, *words), after(rule, *data.draw(st.permutations(words)))
    assert first.conclusion is second.conclusion
    assert weigh(first, rule) == weigh(second, rule)


@given(rules(), happenings, st.data())
def test_two_orders_differ_only_by_the_fault_of_as_many_lineages_as_the_numbers_overlap(
    rule: DisputeRule, words: list[Happening], data: st.DataObject
) -> None:
    first = after(rule, *data.draw(st.permutations(words))).conclusion
    second = after(rule, *data.draw(st.permutations(words))).conclusion
    if {first, second} == set(DECIDED):
        overlap = rule.valid + rule.invalid - len(rule.lineages)
        assert len(faulty_lineages(rule, words)) >= overlap


@given(rules(), happenings, happenings, st.floats(0, 2000))
def test_what_is_concluded_stays(
    rule: DisputeRule, before: list[Happening], later: list[Happening], waited: float
) -> None:
    first = at_time(after(rule, *before), 100.0 + waited)
    assume(not first.open)
    second = at_time(after(rule, *later, start=first), 100.0 + 10 * waited)
    assert (second.conclusion, second.concluded_at, second.reason) == (
        first.conclusion,
        first.concluded_at,
        first.reason,
    )


@given(rules(), happenings)
def test_no_conclusion_without_the_lineages_that_it_takes(rule: DisputeRule, words: list[Happening]) -> None:
    at = dispute(rule)
    for each in words:
        before, at = at, after(rule, each, start=at)
        if before.open and not at.open:
            weights = weigh(at, rule)
            if at.conclusion is Conclusion.VALID:
                assert len(weights.valid) >= rule.valid
                assert {each.lineage for each in at.statements if each.kind is VALID} >= weights.valid
            else:
                assert len(weights.invalid) >= rule.invalid
                assert {each.lineage for each in at.statements if each.kind is INVALID} >= weights.invalid


@given(rules(), happenings)
def test_no_lineage_is_on_two_sides(rule: DisputeRule, words: list[Happening]) -> None:
    weights = weigh(after(rule, *words), rule)
    sides = (weights.valid, weights.invalid, weights.pending)
    assert sum(map(len, sides)) == len(frozenset().union(*sides)) <= len(rule.lineages)


@given(rules(), happenings, st.floats(0, 1e6))
def test_waiting_never_makes_it_valid_or_invalid(rule: DisputeRule, words: list[Happening], waited: float) -> None:
    before = after(rule, *words)
    assume(before.open)
    later = at_time(before, 100.0 + waited)
    assert later.conclusion is (Conclusion.UNRESOLVED if waited >= rule.seconds else None)
    assert (later.concluded_at is None) == later.open


@given(rules(), happenings)
def test_quarantined_adapters_weigh_nothing(rule: DisputeRule, words: list[Happening]) -> None:
    others = [each for each in words if each.adapter not in rule.quarantined]
    with_them, without = after(rule, *words), after(rule, *others)
    assert (with_them.conclusion, with_them.reason) == (without.conclusion, without.reason)


RULE = dispute_rule(
    quorum_policy({name: ADAPTERS[name] for name in ("node", "geth", "revm", "ethrex")}), {"eels": "eels"}
)


def test_a_dispute_is_named_by_its_block() -> None:
    assert dispute_id(BLOCK) == dispute(RULE).id == "7-abcdef01"


def test_a_new_dispute_is_open_until_its_deadline() -> None:
    new = dispute(RULE)
    assert (new.open, new.opened_at, new.deadline, new.why) == (True, 100.0, 700.0, "geth says INVALID")
    assert at_time(new, 699.9).open


def test_concluded_valid_by_lineages() -> None:
    # 3 of 4: geth is one lineage, though both its adapters have stated.
    at = after(RULE, said("node", VALID), said("geth", VALID), said("ethrex", VALID))
    assert at.open
    at = after(RULE, said("revm", VALID), start=at)
    assert (at.conclusion, at.concluded_at) == (Conclusion.VALID, 101.0)
    assert at.reason == "3 of 4 lineages say VALID (ethrex, geth, revm), 3 needed"


def test_two_against_two_is_a_persons() -> None:
    words = (said("revm", INVALID), said("ethrex", INVALID), said("eels", VALID), said("geth", VALID), Silent("node"))
    at = after(RULE, *words)
    assert (weigh(at, RULE).pending, at.open) == (frozenset(), True)
    assert at_time(at, 700.0).conclusion is Conclusion.UNRESOLVED


def test_a_lineage_waits_for_all_its_adapters() -> None:
    at = after(RULE, said("geth", INVALID), said("revm", INVALID), said("ethrex", INVALID))
    assert at.open
    assert weigh(at, RULE).pending == {"geth", "eels"}
    assert after(RULE, said("node", INVALID), start=at).conclusion is Conclusion.INVALID
    assert after(RULE, Silent("node"), start=at).conclusion is Conclusion.INVALID


def test_a_lineage_that_does_not_agree_with_itself_says_nothing() -> None:
    at = after(RULE, said("node", VALID), said("geth", INVALID), said("revm", INVALID), said("ethrex", INVALID))
    assert at.open
    assert weigh(at, RULE).invalid == {"revm", "ethrex"}
    assert weigh(at, RULE).valid == frozenset()


def test_who_contradicts_itself_counts_for_neither_side() -> None:
    words = (said("revm", INVALID), said("revm", VALID), said("ethrex", INVALID), said("eels", INVALID))
    at = after(RULE, *words)
    assert weigh(at, RULE).self_contradicting == {"revm"}
    assert weigh(at, RULE).invalid == {"ethrex", "eels"}
    assert at.open
    # Two results, both VALID, are two words as well.
    at = after(RULE, said("revm", VALID), said("revm", VALID, result=1))
    assert weigh(at, RULE).valid == frozenset()


def test_who_said_two_things_in_two_modes_counts_for_neither_side() -> None:
    at = after(RULE, said("revm", VALID, mode=Mode.PRESTATE), said("revm", INVALID))
    assert weigh(at, RULE).valid | weigh(at, RULE).invalid == frozenset()


def test_the_same_word_twice_is_one() -> None:
    once = after(RULE, said("revm", VALID))
    assert after(RULE, replace(said("revm", VALID), at=50.0, summary="once more"), start=once) == once


def test_the_same_result_read_otherwise_takes_the_place_of_its_earlier_reading() -> None:
    first = said("revm", VALID, mode=Mode.PRESTATE)
    at = after(RULE, first, said("ethrex", VALID), replace(first, kind=INVALID))
    assert [(each.adapter, each.kind) for each in at.statements] == [("ethrex", VALID), ("revm", INVALID)]
    assert weigh(at, RULE).invalid == {"revm"}


def test_who_was_given_up_and_speaks_after_all_counts() -> None:
    at = after(RULE, Silent("revm"), said("revm", VALID))
    assert at.silent == frozenset()
    assert weigh(at, RULE).valid == {"revm"}
    assert after(RULE, Silent("revm"), start=at) == at


def test_a_late_statement_is_kept_and_changes_nothing() -> None:
    unresolved = at_time(dispute(RULE), 700.0)
    assert unresolved.conclusion is Conclusion.UNRESOLVED
    assert unresolved.reason == "after 600 seconds the statements decided nothing"
    words = [said(name, VALID) for name in RULE.adapters]
    at = after(RULE, *words, start=unresolved)
    assert at.conclusion is Conclusion.UNRESOLVED
    assert at.statements == tuple(words)


def test_a_statement_after_the_deadline_concludes_nothing_though_nobody_looked_at_the_clock() -> None:
    at = after(RULE, said("node", VALID), said("geth", VALID), said("revm", VALID))
    assert stated(at, said("ethrex", VALID), RULE, 699.0).conclusion is Conclusion.VALID
    at = stated(at, said("ethrex", VALID), RULE, 700.0)
    assert (at.conclusion, len(at.statements)) == (Conclusion.UNRESOLVED, 4)
    assert fell_silent(dispute(RULE), "revm", RULE, 700.0).conclusion is Conclusion.UNRESOLVED


@pytest.mark.parametrize("conclusion", DECIDED)
def test_a_persons_word_ends_an_unresolved_dispute_and_an_open_one(conclusion: Conclusion) -> None:
    for before in (dispute(RULE), at_time(dispute(RULE), 700.0)):
        at = ruled(before, conclusion, "the operator: seen elsewhere", 900.0)
        assert (at.conclusion, at.concluded_at, at.reason) == (conclusion, 900.0, "the operator: seen elsewhere")
        assert ruled(at, conclusion, "once more", 901.0) == at


def test_a_persons_word_is_refused_where_it_cannot_be() -> None:
    invalid = ruled(dispute(RULE), Conclusion.INVALID, "the operator", 200.0)
    with pytest.raises(DisputeError, match="7-abcdef01 is concluded already: invalid: the operator"):
        ruled(invalid, Conclusion.VALID, "the operator", 201.0)
    with pytest.raises(DisputeError, match="VALID or INVALID"):
        ruled(dispute(RULE), Conclusion.UNRESOLVED, "the operator", 201.0)


def test_what_is_no_statement_on_the_block_is_refused() -> None:
    with pytest.raises(DisputeError, match="on block 8"):
        stated(dispute(RULE), replace(said("revm", VALID), block=BlockReference(1, 8, bytes(32))), RULE, 101.0)
    with pytest.raises(DisputeError, match="abstention"):
        stated(dispute(RULE), replace(said("revm", VALID), kind=VoteKind.ABSTAIN), RULE, 101.0)


def test_who_dissents() -> None:
    words = (said("node", VALID), said("geth", VALID), said("revm", INVALID), said("ethrex", VALID))
    at = after(replace(RULE, valid=2, invalid=3), *words)
    assert at.conclusion is Conclusion.VALID
    assert dissenters(at) == {"revm"}
    at = after(RULE, said("eels", INVALID), start=at)  # late
    assert at.conclusion is Conclusion.VALID
    assert dissenters(at) == {"revm", "eels"}
    assert dissenters(ruled(dispute(RULE), Conclusion.INVALID, "the operator", 200.0)) == frozenset()
    assert dissenters(ruled(after(RULE, words[0]), Conclusion.INVALID, "the operator", 200.0)) == {"node"}
    assert dissenters(at_time(after(RULE, words[0], words[2]), 700.0)) == frozenset()


def test_evidence_is_named_also_of_a_concluded_dispute() -> None:
    assert with_evidence(at_time(dispute(RULE), 700.0), "bundle").evidence == "bundle"


@pytest.mark.parametrize(
    ("m", "late", "valid", "invalid"),
    [(1, 0, 1, 1), (2, 0, 2, 2), (3, 0, 2, 2), (4, 0, 3, 3), (4, 1, 3, 3), (3, 2, 3, 3), (3, 3, 4, 4)],
)
def test_defaults(m: int, late: int, valid: int, invalid: int) -> None:
    policy = quorum_policy({str(each): str(each) for each in range(m)})
    rule = dispute_rule(policy, {f"late-{each}": f"late-{each}" for each in range(late)})
    assert (rule.valid, rule.invalid, rule.seconds, len(rule.lineages)) == (valid, invalid, 600.0, m + late)


def test_one_number_given_moves_the_other() -> None:
    policy = quorum_policy({name: name for name in ("a", "b", "c", "d")})
    assert dispute_rule(policy, {}, valid=4).invalid == 3
    assert dispute_rule(quorum_policy(policy.adapters, required=2), {}, valid=2).invalid == 3
    assert dispute_rule(quorum_policy(policy.adapters, required=1), {}, valid=1).invalid == 4
    assert dispute_rule(policy, {}, invalid=1).valid == 4
    assert dispute_rule(policy, {}, invalid=4, seconds=5.0) == DisputeRule(policy.adapters, 3, 4, 5.0)


@pytest.mark.parametrize(
    ("valid", "invalid", "seconds", "said_of_it"),
    [
        (2, 2, 1.0, "could both be had among 4"),
        (2, 3, 1.0, "2 lineages for VALID are fewer than the quorum, 3"),
        (1, 4, 1.0, "1 lineages for VALID are fewer than the quorum, 3"),
        (0, 4, 1.0, "0 lineages for VALID"),
        (4, 5, 1.0, "5 lineages for INVALID"),
        (3, 3, 0.0, "no time"),
        (3, 3, float("nan"), "no time"),
    ],
)
def test_rules_that_cannot_be(valid: int, invalid: int, seconds: float, said_of_it: str) -> None:
    policy = quorum_policy({name: name for name in ("a", "b", "c", "d")})
    with pytest.raises(DisputeRuleError, match=said_of_it):
        dispute_rule(policy, {}, valid, invalid, seconds)


def test_an_adapter_of_two_lineages() -> None:
    with pytest.raises(DisputeRuleError, match="of two lineages: eels"):
        dispute_rule(quorum_policy({"eels": "eels"}), {"eels": "pyevm"})
