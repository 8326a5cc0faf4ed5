"""One dispute as one HTML page that needs nothing else: no script, no request, every text escaped."""

from collections.abc import Iterator
from html import escape
from pathlib import Path

from verifier.services.dispute_report import DisputeReport
from verifier.services.dispute_sections import Row, Section, headline, sections, standing
from verifier.services.evidence.document import one_line

STYLE = Path(__file__).with_name("dispute_page.css")
MARKS = {"open": "…", "valid": "✓", "invalid": "✗", "unresolved": "?"}
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(report: DisputeReport, now: str) -> str:
    """The page. now: when it was made."""
    return "\n".join(_lines(report, now)) + "\n"


def _lines(report: DisputeReport, now: str) -> Iterator[str]:
    state, dispute = standing(report), report.dispute
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark">'
    yield '<meta name="referrer" content="no-referrer">'
    yield f"<title>Dispute {_text(dispute.id)}</title>"
    yield f"<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n<body>\n<header>"
    yield f"<h1>Dispute {_text(dispute.id)}</h1>"
    yield f'<p class="pill {state}"><span aria-hidden="true">{MARKS[state]}</span> {state}</p>\n</header>'
    yield f'<p class="banner">{_text(headline(report))}</p>\n<main>'
    for number, section in enumerate(sections(report)):
        yield from _section(section, f"section-{number}")
    yield f"</main>\n<footer><p>Made by execution-verifier, {_text(now)}</p></footer>\n</body>\n</html>"


def _section(section: Section, name: str) -> Iterator[str]:
    yield f'<section aria-labelledby="{name}"><h2 id="{name}">{_text(section.title)}</h2>'
    if section.text:
        yield f"<p>{_text(section.text)}</p>"
    if section.rows and not section.columns:
        yield from _pairs(section)
    elif section.rows:
        yield from _table(section, name)
    if section.commands:
        commands = "\n".join(map(_text, section.commands))
        yield f"<pre><code>{commands}</code></pre>"
    yield "</section>"


def _pairs(section: Section) -> Iterator[str]:
    if not any(row.cells[0] for row in section.rows):
        yield "<ul>"
        yield from (f"<li>{_text(row.cells[-1])}</li>" for row in section.rows)
        yield "</ul>"
        return
    yield "<dl>"
    yield from (f"<dt>{_text(row.cells[0])}</dt><dd>{_text(row.cells[1])}</dd>" for row in section.rows)
    yield "</dl>"


def _table(section: Section, name: str) -> Iterator[str]:
    yield f'<table role="table" aria-labelledby="{name}"><thead role="rowgroup"><tr role="row">'
    yield "".join(f'<th role="columnheader" scope="col">{_text(each)}</th>' for each in section.columns)
    yield '</tr></thead><tbody role="rowgroup">'
    for row in section.rows:
        yield _row(row, section.columns)
    yield "</tbody></table>"


def _row(row: Row, columns: tuple[str, ...]) -> str:
    """Its cells name their columns, for narrow screens, where a row is a card."""
    cells = [f'<th role="rowheader" scope="row">{_text(row.cells[0])}</th>']
    for column, cell in zip(columns[1:], row.cells[1:], strict=True):
        cells.append(f'<td role="cell" data-label="{_text(column)}">{_text(cell)}</td>')
    mark = ' class="differs"' if row.differs else ""
    return f'<tr role="row"{mark}>{"".join(cells)}</tr>'


def _text(text: str) -> str:
    return escape(one_line(text), quote=True)
