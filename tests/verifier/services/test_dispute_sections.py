"""Whatever a bundle may say, it can be told: nothing that is read keeps a dispute from being shown."""

import json
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.services.evidence.strategies import text
from verifier.cli.dispute_page import page
from verifier.domain.dispute import Dispute
from verifier.domain.localization import Localization
from verifier.domain.result import Result
from verifier.domain.statement import Statement
from verifier.executors.stateless.base import ExecutionRequest
from verifier.services.dispute_report import DisputeReport
from verifier.services.dispute_sections import headline, sections, sides_of
from verifier.services.evidence import Evidence, Versions


@given(
    st.from_type(Dispute),
    st.lists(st.from_type(Statement), max_size=3),
    st.none() | st.from_type(Localization),
    st.lists(st.from_type(Result), max_size=2),
    st.builds(Versions, verifier=text),
)
def test_everything_can_be_told(
    dispute: Dispute,
    statements: list[Statement],
    localization: Localization | None,
    results: list[Result],
    versions: Versions,
) -> None:
    request = ExecutionRequest(Path("block.witness"), bytes(32), bytes(32), 1.0)
    dispute = replace(dispute, statements=tuple(statements))
    evidence = Evidence(dispute, request, tuple(results), versions, "", localization)
    report = DisputeReport(dispute, path=Path("0123456789abcdef"), evidence=evidence)
    told = sections(report)
    for section in told:
        for row in section.rows:
            assert len(row.cells) == (len(section.columns) or 2)
    assert json.dumps([headline(report), [side.adapters for side in sides_of(report)]])
    assert page(report, "now").endswith("</html>\n")
