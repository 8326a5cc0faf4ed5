"""Plots as SVG."""

from xml.etree import ElementTree

import pytest

from verifier.services.conformance.report import plots
from verifier.services.conformance.report.histograms import Distribution, Plane

from .runs import HOSTILE
from .test_tally import tallied


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def numbers(root: ElementTree.Element, name: str) -> list[float]:
    return [float(each.get(name, "")) for each in root.iter() if each.get(name)]


def test_every_client_has_a_strip_and_a_plane() -> None:
    tally = tallied(500)
    root = parsed(plots.strips((str(column), times) for column, times in tally.times.items()))
    texts = [each.text for each in root.iter("text")]
    for column in tally.columns:
        assert str(column) in texts
        assert f"{column}: " in (root.get("aria-label") or "")
    assert max(numbers(root, "x")) <= plots.WIDTH
    planes = list(plots.planes((str(column), plane) for column, plane in tally.gas_times.items()))
    assert len(planes) == len(tally.columns)
    assert [parsed(each).get("aria-label") for each in planes] == [
        f"{column}: time of a block against its gas" for column in tally.gas_times
    ]


def test_bars_are_as_tall_as_there_are_many() -> None:
    sizes = Distribution(steps=1)
    for size in (50, 500, 500, 500, 500):
        sizes.add(size)
    root = parsed(plots.histogram(sizes, "Sizes"))
    bars = [each for each in root.iter("rect") if each.get("class") == "bar"]
    assert float(bars[1].get("height", "")) == 4 * float(bars[0].get("height", ""))
    assert [each.text for each in root.iter("title")] == ["from 10 B: 1", "from 100 B: 4"]


def test_nothing_to_show_is_no_plot() -> None:
    assert plots.strips([("geth", Distribution())]) == ""
    assert plots.histogram(Distribution(), "Sizes") == ""
    assert list(plots.planes([("geth", Plane())])) == []


def test_one_value_is_a_plot() -> None:
    times, plane = Distribution(), Plane()
    times.add(1.0)
    plane.add(1.0, 1.0)
    parsed(plots.strips([("geth", times)]))
    parsed(plots.histogram(times, "Sizes"))
    assert len(list(plots.planes([("geth", plane)]))) == 1


@pytest.mark.parametrize("name", HOSTILE)
def test_names_stay_text(name: str) -> None:
    times, plane = Distribution(), Plane()
    times.add(1.0)
    plane.add(1.0, 1.0)
    known = {"svg", "g", "title", "text", "path", "rect"}
    for svg in (plots.strips([(name, times)]), plots.histogram(times, name), *plots.planes([(name, plane)])):
        assert {each.tag for each in parsed(svg).iter()} <= known


@pytest.mark.parametrize(
    ("value", "text"), [(0.01, "10 µs"), (0.9999, "1 ms"), (999.9, "1 s"), (1234567, "1,235 s"), (0.0, "0 µs")]
)
def test_quantities_have_a_fitting_unit(value: float, text: str) -> None:
    assert plots.quantity(value, plots.TIME_UNITS) == text
