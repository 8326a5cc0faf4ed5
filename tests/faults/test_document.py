"""docs/would-it-have-been-caught.md says what the tests here show."""

from itertools import takewhile

from tests.faults.catalogue import CATALOGUE, Bug
from tests.faults.clients import ROOT
from tests.faults.wrong_majority import POLICIES

DOCUMENT = ROOT / "docs" / "would-it-have-been-caught.md"


HEADINGS = [
    "bug",
    "where it was",
    "again in",
    "what is changed",
    "what differs",
    "transaction",
    "behind",
    "in the state",
    "verdict, ms",
    "found, ms",
]


def row(bug: Bug) -> list[str]:
    """The row of the document's table without its last two columns, which are times."""
    said = ", ".join(bug.fields) if bug.fields else f"says INVALID: `{bug.rule}`"
    place = "none" if bug.transaction is None else str(bug.transaction)
    left = "not looked for" if bug.opcode or bug.rule else "none"
    if bug.state is not None:
        address, what = bug.state
        name, _, key = what.partition(" ")
        left = f"{name} {hex(int(key, 16))}" if key else name
        left += f" of 0x{address.hex()[:8]}…" if any(address[:-1]) else f" of {hex(address[-1])}"
    return [bug.name, bug.reference, str(bug.client), bug.change, said, place, bug.opcode or "none", left]


def table(heading: str) -> list[list[str]]:
    """The rows of the table whose first row begins so, that one first."""
    lines = DOCUMENT.read_text().splitlines()
    first = next(index for index, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    rows = [line for line in takewhile(lambda line: line.startswith("|"), lines[first:]) if not line.startswith("|---")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in rows]


def test_the_table_is_the_catalogue() -> None:
    head, *rest = table("bug")
    assert head == HEADINGS
    assert [each[:-2] for each in rest] == [row(bug) for bug in CATALOGUE]
    assert all(each[-2].isdigit() and each[-1].isdigit() for each in rest)


def test_the_wrong_majoritys_table_is_what_is_tested() -> None:
    head, theirs, right = table("block")
    assert head[1:] == [policy.heading for policy in POLICIES]
    assert [tuple(cells) for cells in zip(theirs[1:], right[1:], strict=True)] == [each.cells for each in POLICIES]
