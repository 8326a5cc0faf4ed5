"""JUnit XML, read back by a library and by an XML parser that knows nothing of it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from junitparser import Failure, JUnitXml, TestCase

from verifier.domain.conformance import ExaminedCase
from verifier.services.conformance.report.commands import Commands
from verifier.services.conformance.report.facts import RunFacts
from verifier.services.conformance.report.junit import JUnitReport
from verifier.services.conformance.report.outcome import State, judge
from verifier.services.conformance.report.tally import Tally
from verifier.services.conformance.suite import STATELESS

from .runs import ADAPTERS, BIGGER_GAS, FACTS, SomeKnown, hostile, hostile_facts, whole

CLIENTS = 1 + len(ADAPTERS)


def written(
    path: Path, cases: Iterable[ExaminedCase], facts: RunFacts = FACTS, gone: tuple[str, ...] = ()
) -> tuple[ElementTree.Element, Tally]:
    tally = Tally(facts)
    with JUnitReport(Commands(facts)) as report:
        for case in cases:
            test = judge(case, tally.columns, SomeKnown().explain)
            tally.add(test)
            report.add(test)
        for each in gone:
            tally.gone.add(each)
        report.write(path, tally, facts)
    return ElementTree.parse(path).getroot(), tally


def test_a_case_for_each_test_and_client(tmp_path: Path) -> None:
    root, tally = written(tmp_path / "run.xml", whole(300))
    cases = root.findall("./testsuite/testcase")
    assert len(cases) == 300 * CLIENTS == int(root.get("tests", ""))
    assert len({(case.get("classname"), case.get("name")) for case in cases}) == len(cases)
    found = Counter(child.tag for case in cases for child in case)
    total = {state: sum(tally.count(column, state) for column in tally.columns) for state in State}
    assert found["failure"] == total[State.DIFFERS] == int(root.get("failures", "")) > 0
    assert found["error"] == total[State.CANNOT_TELL] + total[State.NOT_RUN] == int(root.get("errors", "")) > 0
    assert found["skipped"] == total[State.KNOWN] + total[State.SKIPPED] == int(root.get("skipped", "")) > 0
    suites = root.findall("./testsuite")
    assert [suite.get("name") for suite in suites] == sorted({suite.get("name", "") for suite in suites})
    for suite in suites:
        assert len(suite.findall("testcase")) == int(suite.get("tests", ""))


def test_a_test_that_is_run_in_two_ways_is_two(tmp_path: Path) -> None:
    (case,) = whole(1)
    twin = replace(case, name=replace(case.name, kind=STATELESS))
    root, _ = written(tmp_path / "run.xml", [case, twin])
    names = [(each.get("classname"), each.get("name")) for each in root.findall("./testsuite/testcase")]
    assert len(names) == len(set(names)) == 2 * CLIENTS


def test_the_library_reads_what_it_says(tmp_path: Path) -> None:
    written(tmp_path / "run.xml", whole(300))
    read = JUnitXml.fromfile(str(tmp_path / "run.xml"))
    failures = [case for suite in read for case in suite if isinstance(case, TestCase) and case.is_failure]
    assert failures
    for case in failures:
        (result,) = case.result
        assert isinstance(result, Failure)
        assert result.message.startswith("block 0: rejects a valid block: valid expected, said invalid: state_root")
        assert result.text.splitlines()[-1].startswith("verifier conformance suites/ethereum_tests/")
        assert case.classname.startswith("revm.BlockchainTests.")
        assert case.time > 0


def test_reasons_for_skipping_are_told(tmp_path: Path) -> None:
    root, _ = written(tmp_path / "run.xml", whole(300))
    messages = {each.get("message") for each in root.iter("skipped")}
    assert messages == {f"known difference: {BIGGER_GAS}", "does not know Frontier"}


def test_the_order_of_the_tests_does_not_matter(tmp_path: Path) -> None:
    written(tmp_path / "one.xml", whole(300))
    written(tmp_path / "other.xml", reversed(list(whole(300))))
    assert (tmp_path / "one.xml").read_bytes() == (tmp_path / "other.xml").read_bytes()


def test_known_ones_that_are_gone_fail(tmp_path: Path) -> None:
    root, _ = written(tmp_path / "run.xml", whole(3), gone=("a", "b"))
    assert root.get("failures") == "2"
    assert int(root.get("tests", "")) == 3 * CLIENTS + 2 == len(root.findall("./testsuite/testcase"))
    assert [case.get("name") for case in root.findall("testsuite[@name='known differences']/testcase")] == ["a", "b"]


def test_the_fork_is_in_the_name_once(tmp_path: Path) -> None:
    case = next(whole(1))
    other = replace(case, name=replace(case.name, test="add", network="Prague"))
    root, _ = written(tmp_path / "run.xml", (other,))
    assert {each.get("name") for each in root.iter("testcase")} == {"add (Prague)"}


def test_no_text_breaks_the_document(tmp_path: Path) -> None:
    root, tally = written(tmp_path / "run.xml", hostile(), hostile_facts(), ("\x00]]><gone/>\ud800",))
    assert {each.tag for each in root.iter()} == {
        "testsuites",
        "testsuite",
        "properties",
        "property",
        "testcase",
        "failure",
        "error",
        "skipped",
    }
    assert sum(suite.get("name") != "known differences" for suite in root) > 0
    said = [text for each in root.iter() for text in (*each.attrib.values(), *(each.text or "").splitlines())]
    assert all(text.isprintable() for text in said)
    assert tally.tests


def test_nothing_is_a_document_too(tmp_path: Path) -> None:
    root, _ = written(tmp_path / "run.xml", ())
    assert root.get("tests") == "0"
    assert len(root) == 0
