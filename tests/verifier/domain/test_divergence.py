"""Traces compared: equal whatever the batches, and any single change found at its place."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.domain.builders import PRAGUE_HEADER, computed_for
from verifier.domain.divergence import Divergence, Ended, TraceComparison, TransactionTrace
from verifier.domain.result import Abstention, AbstentionReason, BrokenRule, Outcome
from verifier.domain.trace import Step, TraceItem, TransactionEnd, TransactionStart

COMPUTED = computed_for(PRAGUE_HEADER)
BROKEN = BrokenRule("transaction", "transaction 1: nonce")
ABSENT = Abstention(AbstentionReason.UNSUPPORTED_FORK, "byzantium")
STEP = Step(1, b"\x0a" * 20, 0, 0x60, 50_000, b"")


def block(*lengths: int) -> list[TraceItem]:
    """The items of a block whose transactions have so many steps; no two steps are alike."""
    items: list[TraceItem] = []
    for index, length in enumerate(lengths):
        items.append(TransactionStart(index, bytes([index]) * 32))
        items += [replace(STEP, pc=pc, gas=50_000 - pc) for pc in range(length)]
        items.append(TransactionEnd(index, True, 21_000 + index, length))
    return items


@dataclass
class Script:
    """One adapter's stream: its items, how they are cut into batches, and its outcome."""

    items: list[TraceItem]
    sizes: tuple[int, ...] = (100,)
    outcome: Outcome = COMPUTED


def compare(scripts: dict[str, Script], context: int = 3) -> tuple[TraceComparison, list[TransactionTrace]]:
    """Feeds each adapter whose batch is wanted, as a service does."""
    comparison = TraceComparison(scripts, context)
    completed: list[TransactionTrace] = []
    at, batches = dict.fromkeys(scripts, 0), dict.fromkeys(scripts, 0)
    while not comparison.finished:
        assert comparison.wanted
        for name in comparison.wanted:
            script = scripts[name]
            if at[name] == len(script.items):
                comparison.finish(name, script.outcome)
                continue
            size = script.sizes[batches[name] % len(script.sizes)]
            comparison.feed(name, script.items[at[name] : at[name] + size])
            at[name], batches[name] = min(at[name] + size, len(script.items)), batches[name] + 1
        completed += comparison.advance()
    return comparison, completed


def divergence(**scripts: Script) -> Divergence:
    comparison, _ = compare(scripts)
    assert comparison.divergence is not None
    return comparison.divergence


LENGTHS = st.lists(st.integers(0, 12), max_size=4)
SIZES = st.lists(st.integers(1, 7), min_size=1, max_size=4).map(tuple)


@given(LENGTHS, st.lists(SIZES, min_size=1, max_size=4))
def test_equal_streams_are_equal_whatever_the_batches(lengths: list[int], sizes: list[tuple[int, ...]]) -> None:
    scripts = {f"adapter {i}": Script(block(*lengths), each) for i, each in enumerate(sizes)}
    comparison, completed = compare(scripts)
    assert comparison.divergence is None
    assert comparison.compared == tuple(scripts)
    assert comparison.steps == sum(lengths)
    assert [each.steps for each in completed] == lengths
    assert [each.hash for each in completed] == [bytes([index]) * 32 for index in range(len(lengths))]


@given(
    LENGTHS.filter(any),
    st.lists(SIZES, min_size=2, max_size=4),
    st.sampled_from(("depth", "account", "pc", "op", "gas", "stack")),
    st.data(),
)
def test_a_changed_step_is_found_at_its_place(
    lengths: list[int], sizes: list[tuple[int, ...]], field: str, data: st.DataObject
) -> None:
    scripts = {f"adapter {i}": Script(block(*lengths), each) for i, each in enumerate(sizes)}
    other = data.draw(st.sampled_from(sorted(scripts)))
    transaction = data.draw(st.sampled_from([index for index, length in enumerate(lengths) if length]))
    step = data.draw(st.integers(0, lengths[transaction] - 1))
    position = sum(length + 2 for length in lengths[:transaction]) + 1 + step
    original = scripts[other].items[position]
    assert isinstance(original, Step)
    changed: Any = {"account": b"\x0b" * 20, "stack": bytes(32)}.get(field, 7_777)
    scripts[other].items[position] = replace(original, **{field: changed})
    comparison, completed = compare(scripts, context=2)
    found = comparison.divergence
    assert found is not None
    assert (found.transaction, found.step, found.fields) == (transaction, step, (field,))
    assert {group.adapters: group.event for group in found.groups} == {
        tuple(name for name in scripts if name != other): original,
        (other,): scripts[other].items[position],
    }
    assert list(found.before) == scripts["adapter 0"].items[position - min(2, step) : position] or other == "adapter 0"
    assert len(completed) == transaction


@given(LENGTHS.filter(any), SIZES, SIZES, st.data())
def test_a_step_that_one_lacks_is_found(
    lengths: list[int], one: tuple[int, ...], other: tuple[int, ...], data: st.DataObject
) -> None:
    transaction = data.draw(st.sampled_from([index for index, length in enumerate(lengths) if length]))
    step = data.draw(st.integers(0, lengths[transaction] - 1))
    position = sum(length + 2 for length in lengths[:transaction]) + 1 + step
    shorter = block(*lengths)
    del shorter[position]
    found = divergence(a=Script(block(*lengths), one), b=Script(shorter, other))
    assert (found.transaction, found.step) == (transaction, step)
    assert found.fields == (("event",) if step == lengths[transaction] - 1 else ("pc", "gas"))


def test_what_is_not_compared_may_differ() -> None:
    items = block(1)
    items[1] = replace(STEP, gas=50_000, gas_cost=3, memory_size=32, error="out of gas")
    assert compare({"a": Script(block(1)), "b": Script(items)})[0].divergence is None


@pytest.mark.parametrize("field", ["succeeded", "gas_used", "steps", "index"])
def test_a_differing_end(field: str) -> None:
    items = block(2, 1)
    end = items[3]
    assert isinstance(end, TransactionEnd)
    changed: Any = False if field == "succeeded" else 7
    items[3] = replace(end, **{field: changed})
    found = divergence(a=Script(block(2, 1)), b=Script(items), c=Script(block(2, 1)))
    assert (found.transaction, found.step, found.fields) == (0, 2, (field,))
    assert [group.adapters for group in found.groups] == [("a", "c"), ("b",)]


def test_a_transaction_that_one_lacks() -> None:
    found = divergence(a=Script(block(2, 1)), b=Script(block(2)))
    assert (found.transaction, found.step, found.fields) == (0, 2, ("event",))
    assert found.groups[1].event == Ended(COMPUTED)


def test_differences_before_the_first_transaction() -> None:
    found = divergence(a=Script(block(2)), b=Script([]))
    assert (found.transaction, found.step) == (None, 0)


def test_equal_steps_and_other_results() -> None:
    found = divergence(a=Script(block(2)), b=Script(block(2), outcome=replace(COMPUTED, state_root=bytes(32))))
    assert (found.transaction, found.step, found.fields) == (0, 2, ("state_root",))


def test_what_was_not_checked_is_no_difference() -> None:
    other = replace(COMPUTED, unchecked_rules=("nonce",))
    assert compare({"a": Script(block(2)), "b": Script(block(2), outcome=other)})[0].divergence is None


@pytest.mark.parametrize("length", [0, 2, 3, 4, 8])
def test_who_abstains_stands_apart_from_there_on(length: int) -> None:
    scripts = {
        "a": Script(block(2, 3)),
        "b": Script(block(2, 3)[:length], outcome=ABSENT),
        "c": Script(block(2, 3), (1,)),
    }
    comparison, completed = compare(scripts)
    assert comparison.divergence is None
    assert comparison.apart == {"b": ABSENT}
    assert comparison.compared == ("a", "c")
    assert len(completed) == 2


def test_what_was_said_before_abstaining_counts() -> None:
    items = block(2)
    items[2] = replace(STEP, pc=9)
    found = divergence(a=Script(block(2)), b=Script(items[:3], outcome=ABSENT))
    assert (found.transaction, found.step) == (0, 1)


def test_all_abstain() -> None:
    comparison, _ = compare({"a": Script([], outcome=ABSENT), "b": Script([], outcome=ABSENT)})
    assert comparison.compared == ()
    assert comparison.divergence is None


@pytest.mark.parametrize("length", [0, 1, 2, 4, 5])
def test_a_broken_rule_may_be_found_at_any_time_by_those_that_find_one(length: int) -> None:
    other = replace(BROKEN, rule="other")
    comparison, _ = compare(
        {"a": Script(block(2, 1)[:5], outcome=BROKEN), "b": Script(block(2, 1)[:length], outcome=other)}
    )
    assert comparison.divergence is None
    assert set(comparison.compared) == {"a", "b"}


@pytest.mark.parametrize(("length", "place"), [(0, (None, 0)), (1, (0, 0)), (2, (0, 1)), (4, (0, 2)), (7, (1, 1))])
def test_a_broken_rule_that_others_do_not_find(length: int, place: tuple[int | None, int]) -> None:
    items = block(2, 1)[:length]
    found = divergence(a=Script(items, outcome=BROKEN), b=Script(block(2, 1)), c=Script(block(2, 1), (1,)))
    assert found.fields == ("event",)
    assert (found.transaction, found.step) == place
    assert [group.adapters for group in found.groups] == [("b", "c"), ("a",)]
    assert found.groups[1].event == Ended(BROKEN)


def test_three_ways_to_go_on() -> None:
    one, two = block(2), block(2)
    one[2], two[2] = replace(STEP, op=0x61, pc=1, gas=49_999), replace(STEP, op=0x62, pc=1, gas=40_000)
    found = divergence(a=Script(one), b=Script(two), c=Script(block(2)), d=Script(block(2)))
    assert [group.adapters for group in found.groups] == [("c", "d"), ("a",), ("b",)]
    assert found.fields == ("op", "gas")


def test_nobody_is_read_further_than_a_batch_ahead() -> None:
    comparison = TraceComparison(("a", "b"))
    comparison.feed("a", block(5)[:4])
    assert comparison.wanted == ("b",)
    assert comparison.advance() == []
    comparison.feed("b", block(5)[:2])
    comparison.advance()
    assert comparison.wanted == ("b",)
    comparison.feed("b", block(5)[2:6])
    comparison.advance()
    assert comparison.wanted == ("a",)


def test_one_alone_is_compared_with_nobody() -> None:
    comparison, completed = compare({"a": Script(block(2, 1))})
    assert comparison.divergence is None
    assert len(completed) == 2


@given(LENGTHS.filter(any), st.data())
def test_an_account_that_is_not_told_is_equal_to_any(lengths: list[int], data: st.DataObject) -> None:
    """Whoever tells it is shown before a divergence, and the divergence is still found."""
    items = block(*lengths)
    untold: list[TraceItem] = [replace(each, account=b"") if isinstance(each, Step) else each for each in items]
    order = data.draw(st.permutations(["told", "untold"]))
    scripts = {name: Script(items if name == "told" else untold) for name in order}
    comparison, completed = compare(scripts)
    assert comparison.divergence is None
    assert [each.steps for each in completed] == lengths
    places = [at for at, each in enumerate(items) if isinstance(each, Step)]
    at = data.draw(st.sampled_from(places))
    step = untold[at]
    assert isinstance(step, Step)
    untold[at] = replace(step, gas=7)
    found = divergence(**scripts)
    assert found.fields == ("gas",)
    assert all(each.account for each in found.before)
