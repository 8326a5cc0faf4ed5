"""docs/grafana/verifier.json against the metrics that there are, and against what Grafana wants of a dashboard."""

import json
import re
from typing import Any

from .test_measuring import DOCS, described


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for panel in board["panels"]:
        found += [panel, *panel.get("panels", [])]
    return found


DASHBOARD = json.loads((DOCS / "grafana" / "verifier.json").read_text())


def test_the_dashboard_names_only_metrics_that_there_are() -> None:
    known = described()
    used = set()
    expressions = [target["expr"] for panel in panels(DASHBOARD) for target in panel.get("targets", [])]
    expressions += [each["query"]["query"] for each in DASHBOARD["templating"]["list"] if each["type"] == "query"]
    for expression in expressions:
        for name in re.findall(r"verifier_\w+", expression):
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            kind, labels = known[base if base in known and known[base][0] == "histogram" else name]
            assert (kind == "histogram") == (base != name), name
            used.add(base)
            # every label named by a selector on it
            for selector in re.findall(rf"{name}\{{([^}}]*)\}}", expression):
                assert set(re.findall(r"(\w+)\s*[=!]", selector)) <= labels | {"job", "instance"}, expression
        for by in re.findall(r"by \(([^)]*)\)", expression):
            assert {each.strip() for each in by.split(",")} <= {
                label for _, all_ in known.values() for label in all_
            } | {
                "le",
                "instance",
            }
        if "_total" in expression:
            assert re.search(r"rate\(|increase\(", expression), expression
    assert len(used) > len(known) * 0.6  # most of what is measured can be seen


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= DASHBOARD.keys()
    assert DASHBOARD["id"] is None
    found = panels(DASHBOARD)
    numbers = [panel["id"] for panel in found]
    assert len(set(numbers)) == len(numbers)
    (datasource,) = [each for each in DASHBOARD["templating"]["list"] if each["type"] == "datasource"]
    assert datasource["query"] == "prometheus"
    for panel in found:
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
        if panel["type"] == "row":
            continue
        assert panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": f"${{{datasource['name']}}}"}
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)
        assert "unit" in panel["fieldConfig"]["defaults"]


def test_no_panels_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels(DASHBOARD):
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
