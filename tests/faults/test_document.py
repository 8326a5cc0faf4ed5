"""docs/would-it-have-been-caught.md says what the catalogue says."""

from tests.faults.catalogue import CATALOGUE, Bug
from tests.faults.clients import ROOT

DOCUMENT = ROOT / "docs" / "would-it-have-been-caught.md"


def row(bug: Bug) -> list[str]:
    """The row of the document's table without its last two columns, which are times."""
    said = ", ".join(bug.fields) if bug.fields else f"says INVALID: `{bug.rule}`"
    place = "none" if bug.transaction is None else str(bug.transaction)
    return [bug.name, bug.reference, str(bug.client), bug.change, said, place, bug.opcode or "none"]


def test_the_table_is_the_catalogue() -> None:
    rows = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in rows]
    head, *rest = cells
    assert head[:7] == ["bug", "where it was", "again in", "what is changed", "what differs", "transaction", "behind"]
    assert [each[:7] for each in rest if len(each) == len(head)] == [row(bug) for bug in CATALOGUE]
    assert all(each[-2].isdigit() and each[-1].isdigit() for each in rest if len(each) == len(head))
