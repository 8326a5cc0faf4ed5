"""One HTML page that needs nothing else: no other file, no request; every text is escaped, and a policy backs it.

The tests stand in it as JSON and are shown only as far as somebody looks: agreeing ones take about 120 bytes each.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from verifier.domain.conformance import DifferenceKind

from . import plots
from .commands import Commands
from .facts import RunFacts
from .line import line
from .outcome import Column, State, TestOutcome
from .rows import Words, row
from .spool import Spool
from .summary import client_rate, newly_run
from .tally import Tally
from .terminal import CELL_MARKS, duration, plural

MOST_AGREEING = 8 << 20  # bytes of agreeing tests that are listed; what comes beyond is counted alone
MOST_DIFFERING = 16 << 20  # bytes of the others, of a run in which clients are wrong everywhere
MOST_TOLD = 200  # unexplained differences listed at the top; all others are found among the tests
DIFFERS = ("✗", "bad")  # a mark, and the class of its colour
LOOKS = {DifferenceKind.CANNOT_TELL: ("?", "wait"), DifferenceKind.NOT_RUN: ("!", "bad")}
FOLDER = files("verifier.services.conformance.report") / "page"


class Page:
    """Takes tests in any order, and is written when all are in. A context."""

    def __init__(self, tally: Tally, facts: RunFacts, commands: Commands) -> None:
        self._tally = tally
        self._facts = facts
        self._commands = commands
        self._words = Words()
        self._spool = Spool()
        self._agreeing = self._differing = self._unlisted = 0

    def __enter__(self) -> "Page":
        self._spool.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._spool.__exit__(*error)

    def add(self, test: TestOutcome) -> None:
        """Takes one test, which the tally has already counted."""
        name = test.case.name
        agrees = test.state in (State.AGREED, State.SKIPPED)
        if (self._agreeing > MOST_AGREEING) if agrees else (self._differing > MOST_DIFFERING):
            self._unlisted += 1
            return
        text = str(_json(row(test, self._tally.columns, self._words, self._commands)))
        if agrees:
            self._agreeing += len(text)
        else:
            self._differing += len(text)
        self._spool.add((name.path, name.test, name.network, name.kind), text)

    def write(self, path: Path) -> None:
        """The whole document. Raises OSError."""
        environment = Environment(
            loader=_Parts(), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        style, script = _part("page.css"), _part("page.js")
        template = environment.get_template("page.html")
        with path.open("w", encoding="utf-8") as out:
            for piece in template.generate(
                style=Markup(style),  # noqa: S704 (our own file)
                script=Markup(script),  # noqa: S704 (our own file)
                policy=policy(style, script),
                tests=self._tests(),
                **self._values(),
            ):
                out.write(piece)

    def _tests(self) -> Iterator[Markup]:
        """The JSON of all tests, piece by piece; each was escaped by `htmlsafe_json_dumps`."""
        before = "["
        for _, text in self._spool:
            yield Markup(before + text)  # noqa: S704
            before = ",\n"
        yield Markup("]" if before != "[" else "[]")  # noqa: S704

    def _values(self) -> dict[str, Any]:
        tally, facts = self._tally, self._facts
        columns = tally.columns
        unlisted = tally.unexplained.count - min(len(tally.unexplained), MOST_TOLD)
        return {
            "tally": tally,
            "facts": facts,
            "State": State,
            "line": line,
            "duration": duration,
            "plural": plural,
            "seconds": facts.seconds,
            "rate": newly_run(tally, facts) / facts.seconds if facts.seconds else 0.0,
            "unexplained": list(_differences(tally, self._commands)),
            "told": 5,
            "kinds": [(f"{who} {kind}".strip(), count) for (who, kind), count in tally.kinds.most_common(12)],
            "unlisted": unlisted,
            "gone": list(islice(tally.gone, MOST_TOLD)),
            "unlisted_tests": self._unlisted,
            "clients": [_client(column, tally) for column in columns],
            "skipped": [
                (str(column), count, reason)
                for column in columns
                for reason, count in sorted(tally.skipped.get(column, {}).items(), key=lambda item: (-item[1], item[0]))
            ],
            "known": sorted(tally.known.items()),
            "strips": plots.strips((str(column), tally.times[column]) for column in columns if column in tally.times),
            "sizes": plots.histogram(tally.witnesses, "Sizes of witnesses"),
            "planes": list(
                plots.planes((str(column), tally.gas_times[column]) for column in columns if column in tally.gas_times)
            ),
            "data": _json(self._data(columns)),
        }

    def _data(self, columns: Sequence[Column]) -> dict[str, Any]:
        """What the script needs beside the tests. folders: path, tests, those not run, counts by column and state."""
        tally = self._tally
        return {
            "columns": [line(str(column), 60) for column in columns],
            "words": list(self._words),
            "folders": [
                [
                    line(folder),
                    tally.folder_tests[folder],
                    tally.not_run[folder],
                    [[tally.count(column, state, (folder,)) for state in CELL_MARKS] for column in columns],
                ]
                for folder in sorted(tally.folders)
            ],
        }


def _differences(tally: Tally, commands: Commands) -> Iterator[dict[str, Any]]:
    for each in islice(tally.unexplained, MOST_TOLD):
        yield {
            "name": str(each.name),
            "network": each.name.network,
            "block": each.index,
            "client": str(Column(each.client, each.stateful)) if each.client else "",
            "kind": str(each.kind),
            "mark": LOOKS.get(each.kind, DIFFERS)[0],
            "look": LOOKS.get(each.kind, DIFFERS)[1],
            "text": each.text,
            "commands": [
                command
                for command in (commands.reproduce(each), commands.trace(each.name) if each.index >= 0 else "")
                if command
            ],
        }


def _client(column: Column, tally: Tally) -> dict[str, Any]:
    times = tally.times.get(column)
    return {
        "name": str(column),
        "lineage": tally.lineages.get(column, ""),
        "version": tally.versions.get(column, ""),
        "blocks": tally.answers[column],
        "times": times if times and times.count else None,
        "rate": client_rate(column, tally),
    }


def policy(style: str, script: str) -> str:
    """What the page may do: apply this style and run this script (hash sources, CSP Level 3), and nothing else."""
    parts = ("default-src 'none'", f"style-src {_source(style)}", f"script-src {_source(script)}", "img-src data:")
    return "; ".join((*parts, "base-uri 'none'", "form-action 'none'"))


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _json(value: Any) -> Markup:
    """JSON in ASCII that may stand between script tags: no "<", ">", "&" or apostrophe is in it."""
    return htmlsafe_json_dumps(value, json.dumps, separators=(",", ":"))


def _part(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


class _Parts(BaseLoader):
    """The template out of this package's data."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, None, None]:  # noqa: ARG002
        try:
            return _part(template), None, None
        except OSError:
            raise TemplateNotFound(template) from None
