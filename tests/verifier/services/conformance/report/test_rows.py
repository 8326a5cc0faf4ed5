"""A test as one line of JSON."""

import json
from dataclasses import replace

import pytest

from verifier.services.conformance.report.commands import Commands
from verifier.services.conformance.report.outcome import Column, judge
from verifier.services.conformance.report.rows import MOST_BLOCKS, MOST_DETAILED, Words, brief, row

from .runs import BIGGER_GAS, FACTS, SomeKnown, hostile, whole

COLUMNS = [Column(each.client, each.stateful) for each in FACTS.participants]


def test_an_agreeing_test_is_short() -> None:
    words = Words()
    cases = [case for case in whole(300) if len(case.blocks) == 1 and not case.skipped][:100]
    lengths = []
    for case in cases:
        test = judge(case, COLUMNS, SomeKnown().explain)
        if {each.state for each in test.outcomes.values()} == {"agreed"}:
            lengths.append(len(json.dumps(row(test, COLUMNS, words, Commands(FACTS)), separators=(",", ":"))))
    assert len(lengths) > 50
    assert sum(lengths) / len(lengths) < 150
    assert len(words) < 300


def test_a_difference_is_told_whole() -> None:
    case = next(each for each in whole(20) if any(answer.fields for block in each.blocks for answer in block.answers))
    words = Words()
    test = judge(case, COLUMNS, SomeKnown().explain)
    path, name, network, states, _, blocks, details = row(test, COLUMNS, words, Commands(FACTS))
    table = list(words)
    assert (table[path], name, table[network]) == (case.name.path, case.name.test, case.name.network)
    assert states == "aadaaaa"
    assert len(blocks) == len(case.blocks)
    told = details["blocks"][0]
    assert told["hash"] == f"0x{case.blocks[0].hash.hex()}"
    assert len(told["answers"]) == 7
    column, said, reason, classes, fields, kind, known = told["answers"][2]
    assert (COLUMNS[column].client, said, classes, fields) == ("revm", 1, [], ["state_root", "gas_used"])
    assert reason.startswith("state_root: header")
    assert table[kind] == "rejects a valid block"
    assert known == -1
    assert details["commands"][0].endswith("--adapters revm")
    assert details["commands"][1].startswith("verifier trace ")


def test_why_a_difference_is_known_is_told() -> None:
    words = Words()
    for case in whole(300):
        test = judge(case, COLUMNS, SomeKnown().explain)
        if test.differences and test.differences[0].known:
            details = row(test, COLUMNS, words, Commands(FACTS))[6]
            answer = details["blocks"][0]["answers"][3]
            assert list(words)[answer[6]] == BIGGER_GAS
            return
    pytest.fail("no known difference in the run")


def test_long_chains_are_cut() -> None:
    case = next(each for each in whole(20) if any(answer.fields for block in each.blocks for answer in block.answers))
    block = case.blocks[0]
    longer = replace(case, blocks=tuple(replace(block, index=2 * index) for index in range(MOST_BLOCKS + 5)))
    made = row(judge(longer, COLUMNS, SomeKnown().explain), COLUMNS, Words(), Commands(FACTS))
    assert len(made[5]) == MOST_BLOCKS
    assert made[6]["more"] == 5
    assert len(made[6]["blocks"]) == MOST_DETAILED
    assert made[6]["indexes"][:3] == [0, 2, 4]


def test_whatever_is_in_it_is_json() -> None:
    words = Words()
    columns = list(COLUMNS)
    for case in hostile():
        test = judge(case, columns, SomeKnown().explain)
        columns += [each for each in test.outcomes if each not in columns]
        text = json.dumps(row(test, columns, words, Commands(FACTS)), ensure_ascii=False, allow_nan=False)
        assert text.isprintable()
    assert all(text.isprintable() for text in words)


@pytest.mark.parametrize(
    ("ms", "short"), [(0.0, 0), (0.123456, 0.123), (12.3456, 12.3), (1234.5, 1230), (7.0, 7), (float("inf"), None)]
)
def test_times_have_three_digits(ms: float, short: float | None) -> None:
    assert brief(ms) == short
