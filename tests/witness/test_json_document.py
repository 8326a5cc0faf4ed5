"""JSON from outside: parsed, or refused by its depth whatever the process's recursion limit is."""

import json
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from witness.json_document import MAX_DEPTH, load_json, nesting

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@pytest.fixture
def high_recursion_limit() -> Iterator[None]:
    """As Ethereum libraries set it."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    yield
    sys.setrecursionlimit(limit)


@given(VALUES, st.booleans())
def test_values(value: object, ascii_only: bool) -> None:
    encoded = json.dumps(value, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    try:
        assert load_json(encoded) == value
    except UnicodeDecodeError:
        assert not ascii_only  # lone surrogates are no UTF-8


@given(VALUES)
def test_nesting(value: object) -> None:
    def depth(inner: object) -> int:
        if isinstance(inner, dict):
            return 1 + max(map(depth, inner.values()), default=0)
        return 1 + max(map(depth, inner), default=0) if isinstance(inner, list) else 0

    assert nesting(json.dumps(value).encode()) == depth(value)


@pytest.mark.usefixtures("high_recursion_limit")
@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"a":', b'["\\"]",'])
def test_deep_documents_are_refused(opening: bytes) -> None:
    with pytest.raises(ValueError, match="nested deeper than 64 levels"):
        load_json(opening * 100_000)


def test_brackets_in_strings_do_not_count() -> None:
    assert load_json(b'"' + b"[" * 1000 + b'"') == "[" * 1000
    assert load_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert load_json(b'["' + b"\\\\" * 100 + b'",' + b"[]," * 1000 + b"0]")[-1] == 0


@given(st.binary())
def test_anything_else_is_a_value_error(encoded: bytes) -> None:
    try:
        load_json(encoded)
    except ValueError:
        return
    json.loads(encoded)
