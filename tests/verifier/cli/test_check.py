"""How a report of the contract kit is printed: a table on a terminal, lines when piped, JSON where asked for."""

import io
import json

import pytest
from rich.console import Console

from verifier.cli import check
from verifier.services.contract.obligation import Finding, Obligation, Report, Standing

FINDINGS = (
    Finding(Obligation("missing.node", "CONTRACT.md, 4", "Each node."), Standing.MET, "9 of 9", 1.25),
    Finding(Obligation("rules.header", "CONTRACT.md, 2", "Each field."), Standing.UNMET, "[nonce] wrong", 2.0),
    Finding(Obligation("process.killed", "CONTRACT.md", "Killed."), Standing.NOT_APPLICABLE, "by address", 0.0),
)
REPORT = Report("geth", "geth 1.2.3", FINDINGS)


def printed(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    output = io.StringIO()
    console = Console(file=output, force_terminal=terminal, width=200, color_system=None, highlight=False)
    monkeypatch.setattr(check, "standard_output", lambda: console)
    check._print_report(REPORT, as_json=False)
    return output.getvalue()


def test_lines_when_piped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(monkeypatch, terminal=False).splitlines() == [
        "geth missing.node: met: 9 of 9",
        "geth rules.header: not met: [nonce] wrong [CONTRACT.md, 2]",
        "geth process.killed: not applicable: by address",
        "geth (geth 1.2.3): 1 met, 1 not met, 1 not applicable; 3 s",
    ]


def test_a_table_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(monkeypatch, terminal=True)
    assert "obligation" in lines
    # An unmet obligation says what was wrong, where it stands and what has to hold; brackets are no markup.
    assert "[nonce] wrong" in lines
    assert "CONTRACT.md, 2: Each field." in lines
    assert lines.splitlines()[-1].startswith("geth (geth 1.2.3): 1 met, 1 not met")


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    check._print_report(REPORT, as_json=True)
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["obligation"] for each in documents] == ["missing.node", "rules.header", "process.killed"]
    assert documents[1] == {
        "adapter": "geth",
        "client": "geth 1.2.3",
        "obligation": "rules.header",
        "clause": "CONTRACT.md, 2",
        "statement": "Each field.",
        "standing": "not met",
        "detail": "[nonce] wrong",
        "seconds": 2.0,
    }
