"""Manifests: one form each, none believed, and no adapter's name that leads anywhere."""

import json
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.services.evidence.document import canonical
from verifier.services.evidence.errors import EvidenceError
from verifier.services.evidence.manifest import (
    REQUIRED,
    Manifest,
    make_manifest,
    read_manifest,
    trace_path,
    traced_adapter,
)

from .strategies import documents, paths

FILES = {path: (len(path), "ab" * 32) for path in (*REQUIRED, "localization.json", "traces/geth.jsonl")}


def test_a_manifest_survives() -> None:
    manifest = make_manifest(FILES)
    assert read_manifest(manifest.encoded()) == manifest
    assert make_manifest(dict(reversed(FILES.items()))) == manifest


@given(st.data())
def test_a_mutated_manifest_crashes_nothing(data: st.DataObject) -> None:
    document: Any = json.loads(make_manifest(FILES).encoded())
    *parents, last = data.draw(st.sampled_from([path for path in paths(document) if path]))
    inner = document
    for key in parents:
        inner = inner[key]
    inner[last] = data.draw(documents)
    try:
        read = read_manifest(json.dumps(document, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    except EvidenceError:
        return
    assert {each.path for each in read.files} == set(FILES)


@given(st.data())
def test_a_manifest_with_other_bytes_is_refused(data: st.DataObject) -> None:
    """Every byte counts: what is still a manifest is another one, under another name."""
    encoded = bytearray(make_manifest(FILES).encoded())
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    try:
        read = read_manifest(bytes(encoded))
    except EvidenceError:
        return
    assert isinstance(read, Manifest)
    assert read.encoded() == encoded != make_manifest(FILES).encoded()


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_a_trace_lies_where_its_adapters_name_says(adapter: str) -> None:
    path = trace_path(adapter)
    assert PurePosixPath(path).parent == PurePosixPath("traces")
    assert traced_adapter(path) == (adapter if len(path) < 256 else None)


def test_a_name_that_is_no_text_still_has_a_place() -> None:
    assert trace_path("a\ud800") == "traces/a%3F.jsonl"


@pytest.mark.parametrize(
    "path", ["traces/geth", "traces/geth.JSONL", "traces/%67eth.jsonl", "geth.jsonl", "traces/%.jsonl"]
)
def test_other_paths_are_no_traces(path: str) -> None:
    assert traced_adapter(path) is None


def test_canonical_is_canonical() -> None:
    assert canonical({"b": [1, "é"], "a": None}) == b'{"a":null,"b":[1,"\\u00e9"]}\n'
