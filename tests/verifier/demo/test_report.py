"""The report: everything that was shown is in it, once for programs and once for people."""

import json
from dataclasses import replace
from pathlib import Path

from tests.verifier.demo.test_program import EXECUTOR, FOUR, good_show
from verifier.demo.program import expectations
from verifier.demo.record import GateAnswer
from verifier.demo.report import Report
from verifier.domain.event import Alarm


def report(strays: int = 0) -> Report:
    show = [
        replace(each, votes={name: "INVALID" if name in each.scene.liars else "VALID" for name in FOUR.adapters})
        for each in good_show()
    ]
    alarms = [Alarm("block_disputed", "block 13: two say INVALID")]
    gates = {GateAnswer("beacon", "GET attestation_data", "refused", gated=True): 1}
    return Report("geth 1.17.8", FOUR, {"pyevm": "pyevm"}, show, expectations(show, strays), alarms, gates, 120.4)


def test_both_forms(tmp_path: Path) -> None:
    page, document = report().write(tmp_path / "out")
    content = json.loads(document.read_text())
    assert content["as_it_should_be"] is True
    assert len(content["blocks"]) == 20
    assert content["quorum"]["adapters"][EXECUTOR] == "geth"
    assert content["alarms"] == [{"name": "block_disputed", "text": "block 13: two say INVALID"}]
    assert content["gates"][0]["count"] == 1
    text = page.read_text()
    assert "| beacon | GET attestation_data | refused | yes | 1 |" in text
    assert "Everything was as it should be." in text
    assert text.count("✗ lied") == 4  # one liar, then three
    assert "## Slot 5: one client lies" in text or "## Slot 3: one client lies" in text
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.json", "report.md"]


def test_what_did_not_hold_is_said_first(tmp_path: Path) -> None:
    wrong = report(strays=2)
    assert not wrong.as_it_should_be
    assert "**Not everything was as it should be.**" in wrong.text()
    assert "**no**: 2 did" in wrong.text()
