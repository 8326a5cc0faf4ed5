"""Texts put aside."""

from hypothesis import given
from hypothesis import strategies as st

from verifier.services.conformance.report.spool import Spool


@given(st.lists(st.tuples(st.tuples(st.text()), st.text(st.characters(codec="utf-8")))))
def test_texts_come_back_in_the_order_of_their_keys(items: list[tuple[tuple[str, ...], str]]) -> None:
    with Spool() as spool:
        for key, text in items:
            spool.add(key, text)
        assert list(spool) == sorted(items, key=lambda item: item[0])
        assert list(spool) == sorted(items, key=lambda item: item[0])
        assert len(spool) == len(items)
        assert spool.length == sum(len(text.encode()) for _, text in items)
