"""The summary in a terminal."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from verifier.services.conformance.report.commands import Commands
from verifier.services.conformance.report.facts import RunFacts
from verifier.services.conformance.report.outcome import judge
from verifier.services.conformance.report.tally import Tally
from verifier.services.conformance.report.terminal import MOST_DIFFERENCES, duration, print_summary

from .runs import FACTS, HOSTILE, SomeKnown, hostile, hostile_facts
from .test_tally import rejecting, tallied


def printed(tally: Tally, facts: RunFacts = FACTS, *, terminal: bool = False, width: int = 100) -> str:
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=terminal, color_system=None, highlight=False, soft_wrap=True
    )
    print_summary(console, tally, facts, Commands(facts))
    return out.getvalue()


def test_the_table_has_every_folder_and_client() -> None:
    tally = tallied(300)
    text = printed(tally)
    lines = text.splitlines()
    row = next(each for each in lines if "stBadOpcode" in each)
    assert row.split()[:2] == [
        "BlockchainTests/GeneralStateTests/stBadOpcode",
        str(tally.folder_tests["BlockchainTests/GeneralStateTests/stBadOpcode"]),
    ]
    header = next(each for each in lines if each.strip().startswith("folder"))
    assert header.split() == ["folder", "tests", "(stateful)", "geth", "revm", "ethrex", "ethereumjs", "eels", "pyevm"]
    assert "✗ differ  ? cannot tell  ! not run  ≈ known  - skipped  ✓ agreed" in text
    assert "  revm: " in text
    assert "does not know Frontier" in text
    assert "ethrex: " in text
    assert "300 tests" in text
    assert "0.2 tests/s" in text
    assert f"Failed: {tally.unexplained.count} unexplained differences." in text


def test_each_difference_has_its_command_on_one_line() -> None:
    tally = tallied(300)
    lines = [each.strip() for each in printed(tally).splitlines()]
    commands = Commands(FACTS)
    for each in tally.unexplained:
        assert commands.reproduce(each) in lines


def test_a_narrow_terminal_gets_no_longer_lines_in_its_tables() -> None:
    tables = printed(tallied(300), terminal=True, width=80).split("Skipped:")[0]
    assert max(map(len, tables.splitlines())) <= 80


def test_many_differences_are_cut() -> None:
    tally = Tally(FACTS)
    for case in hostile():
        for index in range(10):
            failed = replace(case, name=replace(case.name, test=f"test {index}"), failure="failed")
            tally.add(judge(failed, tally.columns, SomeKnown().explain))
    assert tally.unexplained.count > MOST_DIFFERENCES
    text = printed(tally)
    assert f"… and {tally.unexplained.count - MOST_DIFFERENCES} more" in text


def test_a_passed_run_says_so() -> None:
    text = printed(tallied(10), replace(FACTS, resumed=4))
    assert "Passed: no unexplained difference." in text
    assert "4 of them taken over from before" in text
    assert "Unexplained" not in text


def test_known_ones_that_are_gone_fail() -> None:
    tally = tallied(10)
    tally.gone.add("path::test: geth without state no longer rejects a valid block")
    text = printed(tally)
    assert "Known differences that are gone" in text
    assert "geth without state no longer" in text
    assert "Failed: 0 unexplained differences, 1 known difference gone." in text


def test_unknown_words_are_told_and_fail_nothing() -> None:
    text = printed(rejecting("BlockException.NEW", "BlockException.NEW"))
    assert "Words of fixtures that are not known" in text
    assert "  BlockException.NEW: 2 blocks" in text
    assert "Words of fixtures" not in printed(rejecting("BlockException.INVALID_GASLIMIT"))
    tally = tallied(10)
    tally.unknown_words["BlockException.NEW"] += 1
    assert tally.passed


def test_no_test_is_no_success() -> None:
    text = printed(Tally(FACTS))
    assert "No test was run." in text
    assert "Passed" not in text


@pytest.mark.parametrize("terminal", [True, False])
def test_texts_of_others_are_neither_markup_nor_commands_to_the_terminal(terminal: bool) -> None:
    facts = hostile_facts()
    tally = Tally(facts)
    for case in hostile():
        tally.add(judge(case, tally.columns, SomeKnown().explain))
    tally.gone.add("".join(HOSTILE))
    text = printed(tally, facts, terminal=terminal)
    assert all(line.isprintable() for line in text.splitlines())
    assert "[bold]markup[/bold] [/] :warning:" in text
    assert r"\x1b[31mred" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.42, "0.4 s"), (59.4, "59.4 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_durations_are_written_as_people_do(seconds: float, text: str) -> None:
    assert duration(seconds) == text
