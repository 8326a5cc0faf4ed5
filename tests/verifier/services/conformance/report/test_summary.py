"""The machine-readable summary."""

import json
from dataclasses import replace

from verifier.services.conformance.report.commands import Commands
from verifier.services.conformance.report.outcome import Column, judge
from verifier.services.conformance.report.summary import client_rate, newly_run, summary_document
from verifier.services.conformance.report.tally import Tally

from .runs import FACTS, SomeKnown, hostile, hostile_facts
from .test_tally import tallied


def test_the_summary_tells_what_was_counted() -> None:
    tally = tallied(300)
    tally.gone.add("a known one")
    tally.unknown_words["BlockException.NEW"] += 3
    summary = summary_document(tally, FACTS, Commands(FACTS))["summary"]
    assert summary["passed"] is False
    assert summary["tests"] == 300 == sum(summary["outcomes"].values())
    assert summary["unexplained"]["count"] == len(summary["unexplained"]["listed"]) > 0
    first = summary["unexplained"]["listed"][0]
    assert first["reproduce"].startswith("verifier conformance suites/ethereum_tests/")
    assert first["trace"].startswith("verifier trace out/kept/")
    revm = next(each for each in summary["clients"] if each["client"] == "revm")
    assert sum(revm["outcomes"].values()) == 300
    assert revm["ms"]["median"] < revm["ms"]["p95"] <= revm["ms"]["most"]
    assert revm["tests_per_second"] > 0
    assert revm["skipped"] == {"does not know Frontier": tally.skipped[Column("revm")]["does not know Frontier"]}
    folder = summary["folders"][0]
    for client in folder["clients"]:
        assert sum(client["outcomes"].values()) == folder["tests"]
    assert summary["known"][0]["client"] == "ethrex"
    assert summary["known_gone"] == {"count": 1, "listed": ["a known one"]}
    assert summary["unknown_words"] == {"BlockException.NEW": 3}
    assert summary["run"]["tests_per_second"] == round(300 / 1267, 3)


def test_tests_taken_over_were_not_run_in_this_time() -> None:
    tally = tallied(100)
    assert newly_run(tally, replace(FACTS, resumed=60)) == 40
    assert newly_run(tally, replace(FACTS, resumed=600)) == 0
    at_once = replace(FACTS, ended=FACTS.started)
    assert summary_document(tally, at_once, Commands(at_once))["summary"]["run"]["tests_per_second"] == 0.0


def test_whatever_is_in_it_is_one_line_of_json() -> None:
    facts = hostile_facts()
    tally = Tally(facts)
    for case in hostile():
        tally.add(judge(case, tally.columns, SomeKnown().explain))
    text = json.dumps(summary_document(tally, facts, Commands(facts)), ensure_ascii=False, allow_nan=False)
    assert text.isprintable()
    assert json.loads(text)["summary"]["tests"] == tally.tests
    assert client_rate(Column("nobody"), tally) == 0.0
