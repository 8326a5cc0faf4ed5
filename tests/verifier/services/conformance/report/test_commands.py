"""The one command that shows a difference again."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from verifier.domain.conformance import CaseName, Difference, DifferenceKind
from verifier.services.conformance.batch import plan
from verifier.services.conformance.report.commands import Commands

from .runs import FACTS, HOSTILE

NAME = CaseName("state/add.json", "add[fork_Cancun-x y]", "Cancun", "blockchain_test")
WRONG = Difference(NAME, 0, "revm", DifferenceKind.REJECTS_VALID, "said invalid")


def words(command: str) -> list[str]:
    return shlex.split(command)


def test_the_file_the_test_and_the_client_are_named() -> None:
    command = Commands(FACTS).reproduce(WRONG)
    assert words(command) == [
        "verifier",
        "conformance",
        "suites/ethereum_tests/state/add.json",
        "--filter",
        'test:"add[fork_Cancun-x y]"',
        "--adapters",
        "revm",
    ]


def test_all_take_part_where_it_is_about_no_adapter() -> None:
    commands = Commands(replace(FACTS, mode="prestate", recorder="embedded"))
    for each in (replace(WRONG, client="geth", stateful=True), replace(WRONG, client=""), replace(WRONG, client="x")):
        assert "--adapters" not in commands.reproduce(each)
        assert words(commands.reproduce(each))[-4:] == ["--recorder", "embedded", "--mode", "prestate"]


def test_a_deadline_of_its_own_is_kept() -> None:
    assert words(Commands(replace(FACTS, deadline=60.0)).reproduce(WRONG))[-2:] == ["--deadline", "60"]
    assert words(Commands(replace(FACTS, deadline=0.5)).reproduce(WRONG))[-2:] == ["--deadline", "0.5"]


def test_a_suite_may_be_the_file() -> None:
    command = Commands(replace(FACTS, suites=("some/add.json",))).reproduce(
        replace(WRONG, name=replace(NAME, path="add.json"))
    )
    assert words(command)[2] == "some/add.json"


@pytest.mark.parametrize(
    ("suites", "path", "file"),
    [
        (("one", "two/"), "two/state/add.json", "two/state/add.json"),
        (("a/tests", "b/tests"), "b/tests/state/add.json", "b/tests/state/add.json"),
        (("one", "some/add.json"), "add.json", "some/add.json"),
        (("one", "some/add.json"), "add.json/add.json", "some/add.json/add.json"),
        (("one", "s3://bucket/suite"), "suite/state/add.json", "s3://bucket/suite/state/add.json"),
    ],
)
def test_of_several_suites_the_one_that_has_it(suites: tuple[str, ...], path: str, file: str) -> None:
    commands = Commands(replace(FACTS, suites=suites))
    command = words(commands.reproduce(replace(WRONG, name=replace(NAME, path=path))))
    assert command[2:5] == [file, "--filter", 'test:"add[fork_Cancun-x y]"']


def test_all_suites_where_none_has_it() -> None:
    command = words(Commands(replace(FACTS, suites=("one", "two/"))).reproduce(WRONG))
    assert command[2:4] == ["one", "two/"]
    assert command[5] == 'test:"add[fork_Cancun-x y]" and path:"state/add.json"'


def test_what_the_command_runs_is_the_test(tmp_path: Path) -> None:
    suites = tuple(str(tmp_path / each) for each in ("a/tests", "b/tests", "c/add.json"))
    for path in (*(Path(each) / "state/add.json" for each in suites[:2]), Path(suites[2])):
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    batches = plan(suites).batches
    assert len({each.path for each in batches}) == 3
    for each in batches:
        name = replace(NAME, path=each.path)
        file = words(Commands(replace(FACTS, suites=suites)).reproduce(replace(WRONG, name=name)))[2]
        assert [again.source for again in plan([file]).batches] == [each.source]


def test_a_whole_file_needs_no_filter() -> None:
    assert "--filter" not in Commands(FACTS).reproduce(replace(WRONG, name=replace(NAME, test="")))


def test_passwords_stay_out_of_commands() -> None:
    command = Commands(replace(FACTS, suites=("https://user:secret@example.org/s",))).reproduce(WRONG)
    assert words(command)[2] == "https://example.org/s/state/add.json"


def test_quotation_marks_are_worked_around() -> None:
    def wanted(test: str) -> str:
        return words(Commands(FACTS).reproduce(replace(WRONG, name=replace(NAME, test=test))))[4]

    assert wanted('a"b') == "test:'a\"b'"
    assert wanted("a'b\"c") == 'test:"a\'b?c"'
    assert wanted("n" * 5000) == f'test:"{"n" * 200}*{"n" * 200}"'


def test_the_trace_is_of_the_witnesses_that_were_kept() -> None:
    command = Commands(FACTS).trace(NAME)
    assert words(command)[:2] == ["verifier", "trace"]
    assert Path(words(command)[2]).parent == Path("out/kept")
    assert Commands(replace(FACTS, mode="prestate")).trace(NAME).endswith(" --mode prestate")
    assert Commands(replace(FACTS, kept="")).trace(NAME) == ""


def test_commands_on_whatever_name_can_be_printed() -> None:
    commands = Commands(replace(FACTS, suites=HOSTILE))
    for text in HOSTILE:
        name = CaseName(text, text, text, text)
        assert commands.reproduce(replace(WRONG, name=name, client=text)).isprintable()
        assert commands.trace(name).isprintable()
