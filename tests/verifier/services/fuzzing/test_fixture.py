"""A generated block as a fixture that is read again."""

from pathlib import Path

import pytest

from tests.verifier.services.fuzzing.examples import FORKS
from tests.verifier.services.fuzzing.test_generation import drafts
from verifier.domain.conformance import Expected
from verifier.executors.stateful.embedded.initial_state import build_genesis
from verifier.services.conformance.case import Case
from verifier.services.conformance.suite import load_cases
from verifier.services.fuzzing.construction import Constructor
from verifier.services.fuzzing.draft import Draft, HeaderFault
from verifier.services.fuzzing.fixture import fixture


@pytest.mark.parametrize("fork", FORKS)
def test_what_is_written_is_read_as_it_was(tmp_path: Path, fork: str) -> None:
    constructor = Constructor()
    for number, draft in enumerate(drafts(fork, 8)):
        built = constructor.build(draft, str(number))
        path = tmp_path / f"{number}.json"
        path.write_bytes(fixture(built.case, {"generated": "test"}))
        (case,) = load_cases(path)
        assert isinstance(case, Case)
        assert case.name.test == built.case.name.test
        assert case.name.network == built.case.name.network
        (block,), (original,) = case.blocks, built.case.blocks
        assert block.encoded == original.encoded
        assert block.expected == original.expected
        assert case.genesis is not None
        assert built.case.genesis is not None
        assert build_genesis(case.genesis)[0] == build_genesis(built.case.genesis)[0]


def test_a_block_whose_header_is_none_is_written_too(tmp_path: Path) -> None:
    built = Constructor().build(Draft("cancun", fault=HeaderFault("fewer-fields")), "name")
    path = tmp_path / "test.json"
    path.write_bytes(fixture(built.case, {}))
    (case,) = load_cases(path)
    assert isinstance(case, Case)
    assert case.blocks[0].expected is Expected.INVALID
