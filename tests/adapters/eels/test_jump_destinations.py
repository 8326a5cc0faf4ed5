"""The analysis of a code against the specification's own."""

from importlib import import_module
from importlib.util import find_spec

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.adapters.real_block import MAINNET, load_block, needs_real_data

if find_spec("ethereum") is None:
    pytest.skip("ethereum-execution is not installed (Python 3.13)", allow_module_level=True)

from adapters.eels import jump_destinations
from adapters.eels.jump_destinations import JumpDestinations

FORKS = ("frontier", "shanghai", "prague", "bpo2")


@pytest.mark.parametrize("fork", FORKS)
@settings(max_examples=200, deadline=None)
@given(code=st.lists(st.sampled_from([0x00, 0x5B, 0x5F, 0x60, 0x61, 0x7F, 0x80, 0xFE]), max_size=80).map(bytes))
def test_codes_made_of_what_matters(fork: str, code: bytes) -> None:
    opcodes = import_module(f"ethereum.forks.{fork}.vm.instructions").Ops
    expected = import_module(f"ethereum.forks.{fork}.vm.runtime").get_valid_jump_destinations(code)
    assert JumpDestinations(opcodes)(code) == expected


@needs_real_data
def test_real_codes() -> None:
    opcodes = import_module("ethereum.forks.prague.vm.instructions").Ops
    specification = import_module("ethereum.forks.prague.vm.runtime").get_valid_jump_destinations
    ours = JumpDestinations(opcodes)
    for code in load_block(MAINNET / "1_22615247_keth.json.gz").witness.codes:
        assert ours(bytes(code)) == specification(bytes(code))


def test_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jump_destinations, "MAX_DESTINATIONS", 10)
    cache = JumpDestinations(import_module("ethereum.forks.prague.vm.instructions").Ops)
    first = cache(b"\x5b" * 6)
    assert cache(b"\x5b" * 6) is first
    cache(b"\x5b" * 7)
    assert cache(b"\x5b" * 6) is not first
    cache.clear()
    assert len(cache(b"\x5b")) == 1
