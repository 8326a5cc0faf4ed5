"""`verifier conformance`: what it refuses before it starts anything, and how far it says to be."""

import io
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from verifier.cli import conformance_progress
from verifier.cli.conformance_progress import ConformanceProgress
from verifier.cli.main import verifier
from verifier.domain.conformance import CaseName, Difference, DifferenceKind
from verifier.errors import InputError, UsageError, VerifierError
from verifier.services.conformance.journal import Journal, RunIdentity

NAME = CaseName("a/b.json", "[test]", "Cancun", "blockchain_test")
DIFFERENCE = Difference(NAME, 0, "geth", DifferenceKind.REJECTS_VALID, "valid expected, said invalid")


def refusal(*arguments: str) -> VerifierError:
    result = CliRunner().invoke(verifier, ["conformance", *arguments], standalone_mode=False)
    assert isinstance(result.exception, VerifierError), result
    return result.exception


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("absent",), "absent: does not exist"),
        ((".", "--filter", "(a"), r"a \) is missing"),
        ((".", "--fork", "Nowhere"), "no fixtures are of a fork 'Nowhere'"),
        ((".", "--recorder", "nobody"), "no such adapter: nobody"),
        ((".", "--recorder", "revm"), "revm has no recorder"),
        ((".", "--mode", "prestate", "--recorder", "geth"), "for prestate mode"),
        ((".", "--html", "nowhere/page.html"), "nowhere is no directory"),
        ((".", "--directory", "taken/out"), "taken is no directory to write to"),
        ((".", "--keep", "taken/kept"), "taken is no directory to write to"),
    ],
)
def test_what_cannot_be_run_is_told_at_once(
    arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").touch()
    error = refusal(*arguments)
    assert isinstance(error, UsageError | InputError)
    with pytest.raises(VerifierError, match=said):
        raise error


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Its first element is the time now."""
    now = [1000.0]
    monkeypatch.setattr("verifier.cli.conformance_progress.time.monotonic", lambda: now[0])
    return now


def test_progress_in_a_log_is_a_line_now_and_then(clock: list[float]) -> None:
    output = io.StringIO()
    console = Console(file=output, force_terminal=False, width=200)
    with ConformanceProgress(console, total=1000, done=200, tests=50) as progress:
        clock[0] += 20  # adapters are started
        progress.add(100, 10, ())
        for _ in range(4):
            clock[0] += 10
            progress.add(100, 20, ())
    assert output.getvalue().splitlines() == [
        "80 tests, 2.0/s, 0 new differences, 40 %, 60 s left",
        "140 tests, 2.0/s, 0 new differences, 70 %, 30 s left",
    ]


def test_the_first_differences_are_shown_at_once(clock: list[float]) -> None:
    output = io.StringIO()
    with ConformanceProgress(Console(file=output, width=200, soft_wrap=True), total=10) as progress:
        for _ in range(5):
            progress.add(1, 1, [DIFFERENCE] * 3)
    lines = output.getvalue().splitlines()
    shown = "a/b.json::[test]: geth: rejects a valid block: valid expected, said invalid"
    assert lines == [shown] * conformance_progress.SHOWN


def test_an_unfinished_run_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from verifier.cli.conformance import _opened

    identity = RunIdentity("ab", "", {}, "geth", "proof")
    with pytest.raises(UsageError, match="no run to go on with"):
        _opened(tmp_path, identity, resume=True)
    with _opened(tmp_path, identity, resume=False) as journal:
        assert isinstance(journal, Journal)
    with pytest.raises(UsageError, match="--resume"):
        _opened(tmp_path, identity, resume=False)
    (tmp_path / "results.jsonl").touch()
    with _opened(tmp_path, identity, resume=False):
        assert not (tmp_path / "results.jsonl").exists()


@pytest.mark.parametrize("file", ["results.jsonl", "journal.jsonl"])
def test_what_is_in_the_way_of_a_run_is_named(tmp_path: Path, file: str) -> None:
    from verifier.cli.conformance import _opened

    (tmp_path / file).mkdir()
    (tmp_path / "results.jsonl").mkdir(exist_ok=True)
    with pytest.raises(InputError, match=r"jsonl: Is a directory"):
        _opened(tmp_path, RunIdentity("ab", "", {}, "geth", "proof"), resume=False)
