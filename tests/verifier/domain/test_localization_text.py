"""The one line of a localization names field, transaction and instruction."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.domain.test_divergence import BROKEN, STEP, Script, block, divergence
from verifier.domain.divergence import Divergence
from verifier.domain.localization import FieldDifference, Place, Side, StateDifference
from verifier.domain.localization_text import describe
from verifier.domain.parting import instruction_of
from verifier.domain.trace import Step
from verifier.domain.vote import VoteKind

SIDES = (
    Side(("geth", "revm"), ("geth", "revm"), VoteKind.VALID, bytes(32)),
    Side(("eels",), ("eels",), VoteKind.INVALID, b"\x01" * 32),
)
FIELDS = (FieldDifference("state_root", ("0x01", "0x02")),)
HASH = b"\xab" * 32


def power() -> Divergence:
    """EXP leaves another word on the stack."""
    items = block(2)
    items[1] = replace(STEP, op=0x0A, stack=bytes(64))
    other = list(items)
    assert isinstance(items[2], Step)
    items[2] = replace(items[2], stack=(9).to_bytes(32, "big"))
    other[2] = replace(items[2], stack=(10).to_bytes(32, "big"))
    return divergence(geth=Script(items), eels=Script(other))


def line(place: Place, found: Divergence | None = None, state: tuple[StateDifference, ...] = ()) -> str:
    instruction = None if found is None else instruction_of(found)
    return describe(place, SIDES, FIELDS, 3, HASH, found, instruction, state)


def test_a_step() -> None:
    assert line(Place.STEP, power()) == (
        f"state_root: transaction 3 (0xabababab…), EXP at pc 0, depth 1, in 0x{'0a' * 20}: "
        "after it geth has 0x9 on top of the stack, eels has 0xa on top of the stack"
    )


def test_gas() -> None:
    items = block(2)
    assert isinstance(items[2], Step)
    items[2] = replace(items[2], gas=1)
    found = divergence(geth=Script(block(2)), eels=Script(items))
    assert "PUSH1 at pc 0, depth 1" in line(Place.STEP, found)
    assert line(Place.STEP, found).endswith(": gas after it geth 49999, eels 1")


def test_what_a_transaction_left_where_no_instruction_differs() -> None:
    state = (StateDifference(b"\x03" * 20, "exists", (None, "no")),)
    assert line(Place.TRANSACTION, state=state) == (
        "state_root: transaction 3 (0xabababab…), its receipt differs, no instruction does; "
        f"after the block exists of 0x{'03' * 20}: geth/revm unchanged or unknown, eels no"
    )
    assert "after the block" not in line(Place.TRANSACTION)


def test_one_goes_on() -> None:
    items = block(3)
    found = divergence(geth=Script(block(3)), eels=Script([*items[:2], *block(1)[2:]]))
    assert line(Place.STEP, found).endswith(": geth goes on, eels succeeds after 1 instructions with 21000 gas used")


def test_a_rule() -> None:
    found = divergence(geth=Script(block(3)), eels=Script([], outcome=BROKEN))
    assert line(Place.RULE, found).endswith(": geth begins a transaction, eels finds the rule transaction broken")


def test_a_value_of_the_state() -> None:
    slots = tuple(StateDifference(b"\xaa" * 20, f"slot 0x{number:064x}", ("0x5", None)) for number in (1, 2))
    text = line(Place.POST_STATE, state=slots)
    assert f"slot 0x{1:064x} of 0x{'aa' * 20}: geth/revm 0x5, eels unchanged or unknown, and 1 more values" in text


@given(st.sampled_from(Place), st.booleans())
def test_always_one_line_that_names_the_field(place: Place, parted: bool) -> None:
    state = (StateDifference(b"\xaa" * 20, "balance", ("0x1", "0x2")),)
    text = line(place, power() if parted else None, state)
    assert text.startswith("state_root: ")
    assert "\n" not in text
    if place in (Place.STEP, Place.TRANSACTION, Place.RULE):
        assert "transaction 3 (0xabababab…)" in text


def test_long_values_are_cut() -> None:
    fields = (FieldDifference("logs_bloom", ("0x" + "00" * 256, "0x" + "11" * 256)),)
    assert len(describe(Place.FIELD, SIDES, fields, None, b"", None, None, ())) < 300


@pytest.mark.parametrize("place", [Place.TRIE, Place.FIELD])
def test_nothing_is_said_of_a_transaction_where_none_is_known(place: Place) -> None:
    assert "transaction" not in describe(place, SIDES, FIELDS, None, b"", None, None, ())
