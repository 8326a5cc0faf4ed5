"""Quantities on a logarithmic scale."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.services.conformance.report.histograms import Distribution, Plane


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=200), st.sampled_from((0.0, 0.05, 0.5, 0.95, 1.0)))
def test_a_quantile_is_as_exact_as_a_bucket(values: list[float], share: float) -> None:
    distribution = Distribution()
    for value in values:
        distribution.add(value)
    exact = sorted(values)[max(0, math.ceil(share * len(values)) - 1)]
    assert distribution.quantile(share) == pytest.approx(exact, rel=0.07)
    assert distribution.least <= distribution.quantile(share) <= distribution.most
    assert distribution.count == len(values)
    assert distribution.total == pytest.approx(sum(values))


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, -math.inf, math.nan])
def test_what_has_no_logarithm_is_left_out(value: float) -> None:
    distribution, plane = Distribution(), Plane()
    distribution.add(value)
    plane.add(value, 1.0)
    plane.add(1.0, value)
    assert distribution.count == 0
    assert distribution.quantile(0.5) == 0.0
    assert not plane.squares


def test_memory_is_bounded() -> None:
    distribution = Distribution()
    for index in range(20_000):
        distribution.add(0.01 + index)
    assert len(distribution.buckets) <= 40 * 7


def test_pairs_are_counted_in_squares() -> None:
    plane = Plane(steps=1)
    for x, y in ((21_000, 0.5), (30_000, 0.4), (3_000_000, 20)):
        plane.add(x, y)
    assert plane.squares == {(4, -1): 2, (6, 1): 1}
