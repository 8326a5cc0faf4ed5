"""The report: everything that was shown is in it, once for programs and once for people."""

import json
from dataclasses import replace
from pathlib import Path

from tests.verifier.demo.test_expectation import good_show
from tests.verifier.demo.test_program import ALL, EXECUTOR
from verifier.demo.expectation import expectations
from verifier.demo.program import Act
from verifier.demo.record import GateAnswer
from verifier.demo.report import Report
from verifier.domain.event import Alarm


def report(strays: int = 0) -> Report:
    names = [*ALL.policy.adapters, "eels", "pyevm"]
    show = [
        replace(each, votes={name: "INVALID" if name in each.scene.liars else "VALID" for name in names})
        for each in good_show()
    ]
    return Report(
        execution_client="geth 1.17.8",
        policy=ALL.policy,
        late={"eels": "eels", "pyevm": "pyevm"},
        error="its EXP is one too high",
        left_out={"something": "nobody is here for it"},
        shown=show,
        expectations=expectations(show, strays),
        alarms=[Alarm("block_disputed", "block 13: two say INVALID")],
        gates={GateAnswer("beacon", "GET attestation_data", "refused", gated=True): 1},
        seconds=120.4,
    )


def test_both_forms(tmp_path: Path) -> None:
    page, document = report().write(tmp_path / "out")
    content = json.loads(document.read_text())
    assert content["as_it_should_be"] is True
    assert len(content["blocks"]) == len(good_show())
    assert content["quorum"]["adapters"][EXECUTOR] == "geth"
    assert content["alarms"] == [{"name": "block_disputed", "text": "block 13: two say INVALID"}]
    assert content["gates"][0]["count"] == 1
    (erring,) = (each for each in content["blocks"] if each["scene"]["act"] == Act.CLIENT_ERRS)
    assert erring["dispute"]["conclusion"] == "invalid"
    assert [each["status"] for each in erring["dispute"]["again"]] == ["INVALID"] * 3
    text = page.read_text()
    assert "| beacon | GET attestation_data | refused | yes | 1 |" in text
    assert "Everything was as it should be." in text
    assert "Left out: something: nobody is here for it." in text
    assert text.count("✗ lied") == 5  # one liar, then four
    assert "one client lies" in text
    assert "its EXP is one too high" in text
    assert "INVALID of all 3 blocks" in text
    assert "until an operator's word" in text
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["report.json", "report.md"]


def test_what_did_not_hold_is_said_first(tmp_path: Path) -> None:
    wrong = report(strays=2)
    assert not wrong.as_it_should_be
    assert "**Not everything was as it should be.**" in wrong.text()
    assert "**no**: 2 did" in wrong.text()
