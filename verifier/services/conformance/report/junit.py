"""A run as JUnit XML, for CI servers: a suite a file of tests, in it a case for each test and client.

A case a client, not a test, so that a server's history tells which client fails where, and a known difference of one
client (skipped, with why) does not hide a new one of another (failed). What a client cannot tell is an error.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

from junitparser import Element, Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from ..suite import STATELESS
from .commands import Commands
from .facts import RunFacts
from .line import line
from .outcome import Column, Outcome, State, TestOutcome
from .spool import Spool
from .tally import Tally

MOST_SAID = 20  # differences told of one client in one test
AGREED = "a"


class JUnitReport:
    """Takes tests in any order; a suite is put together only when it is written, one at a time. A context."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._spool = Spool()

    def __enter__(self) -> "JUnitReport":
        self._spool.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._spool.__exit__(*error)

    def add(self, test: TestOutcome) -> None:
        """Takes one test."""
        name = test.case.name
        cases = [self._case(column, outcome) for column, outcome in test.outcomes.items()]
        self._spool.add((name.path, name.test, name.network, name.kind), json.dumps(cases))

    def write(self, path: Path, tally: Tally, facts: RunFacts) -> None:
        """The whole document. Raises OSError."""
        with path.open("wb") as out:
            out.write(_opening(tally, facts))
            for file, tests in groupby(self._spool, key=lambda item: item[0][0]):
                out.write(_encoded(_suite(file, tests, facts)) + b"\n")
            if tally.gone.count:
                out.write(_encoded(_gone(tally)) + b"\n")
            out.write(b"</testsuites>\n")

    def _case(self, column: Column, outcome: Outcome) -> tuple[str, str, float, str, str]:
        """Client, tag, seconds, message, text."""
        seconds = round(outcome.ms / 1000, 6)
        match outcome.state:
            case State.AGREED:
                return str(column), AGREED, seconds, "", ""
            case State.SKIPPED:
                return str(column), "skipped", seconds, outcome.reason, ""
            case State.KNOWN:
                known = "; ".join(dict.fromkeys(each.known for each in outcome.differences))
                return str(column), "skipped", seconds, f"known difference: {known}", ""
        new = [each for each in outcome.differences if not each.known]
        tag = "failure" if outcome.state is State.DIFFERS else "error"
        said = [
            f"{f'block {each.index}: ' if each.index >= 0 else ''}{each.kind}: {line(each.text)}"
            for each in new[:MOST_SAID]
        ]
        if len(new) > MOST_SAID:
            said.append(f"… and {len(new) - MOST_SAID} more")
        said += ["", self._commands.reproduce(new[0])]
        return str(column), tag, seconds, said[0], "\n".join(said)


def _opening(tally: Tally, facts: RunFacts) -> bytes:
    """The tag that holds all suites, with what is counted over all of them."""
    whole = JUnitXml("verifier conformance")
    total = {state: sum(tally.count(column, state) for column in tally.columns) for state in State}
    counts = {
        "tests": sum(total.values()) + len(tally.gone),
        "failures": total[State.DIFFERS] + len(tally.gone),
        "errors": total[State.CANNOT_TELL] + total[State.NOT_RUN],
        "skipped": total[State.KNOWN] + total[State.SKIPPED],
    }
    for name, count in counts.items():
        setattr(whole, name, count)
    whole.time = round(facts.seconds, 3)
    opening = _encoded(whole).strip().removesuffix(b"/>").rstrip()
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + opening + b">\n"


def _gone(tally: Tally) -> TestSuite:
    """Known differences that should have shown up: each fails the run."""
    suite = TestSuite("known differences")
    cases = []
    for each in tally.gone:
        made = TestCase(line(each), "known differences")
        made.result = [_result("failure", "known, and gone: take it out of the file of known differences", "")]
        cases.append(made)
    suite.add_testcases(cases)
    return suite


def _encoded(element: Element) -> bytes:
    """Without the XML declaration, which a document has once."""
    encoded: bytes = element.tostring()  # type: ignore[no-untyped-call]
    return encoded.split(b"?>\n", 1)[-1]


def _suite(file: str, tests: Iterator[tuple[tuple[str, ...], str]], facts: RunFacts) -> TestSuite:
    suite = TestSuite(line(file))
    suite.timestamp = facts.started.isoformat(timespec="seconds")
    suite.hostname = line(facts.machine)
    for name, value in (("mode", facts.mode), ("verifier", facts.version)):
        suite.add_property(name, line(value))
    cases = []
    for key, text in tests:
        for client, tag, seconds, message, told in json.loads(text):
            made = TestCase(line(_name(key)), _class_name(file, client), seconds)
            if tag != AGREED:
                made.result = [_result(tag, line(message), told)]
            cases.append(made)
    suite.add_testcases(cases)
    return suite


def _name(key: tuple[str, ...]) -> str:
    """The test's name; fixtures of ethereum/tests have the fork in it already. One may be run in two ways."""
    _, test, network, kind = key
    name = test if network in test else f"{test} ({network})"
    return f"{name} ({kind})" if kind == STATELESS else name


@lru_cache(maxsize=64)  # of one file after the other
def _class_name(file: str, client: str) -> str:
    """Client, folder and file as servers take a class's name apart: "geth.GeneralStateTests.stCall.add_json"."""
    return ".".join(line(part, 200).replace(".", "_") for part in (client, *file.split("/")))


def _result(tag: str, message: str, text: str) -> Skipped | Failure | Error:
    kinds: dict[str, type[Skipped | Failure | Error]] = {"skipped": Skipped, "failure": Failure, "error": Error}
    made = kinds[tag](message, "conformance")
    if text:
        made.text = text
    return made
