"""The first of many."""

from hypothesis import given
from hypothesis import strategies as st

from verifier.services.conformance.report.kept import Kept


@given(st.lists(st.integers()), st.integers(1, 5))
def test_the_least_are_kept_whatever_order_they_come_in(values: list[int], most: int) -> None:
    kept: Kept[int] = Kept(most, lambda each: each)
    for value in values:
        kept.add(value)
        assert len(kept._kept) < 2 * most
    assert list(kept) == sorted(values)[:most]
    assert kept.count == len(values)
    assert len(kept) == len(list(kept))
    assert kept.left_out == len(values) - len(kept)
