"""Which state a root stands for: every single lost change is found, and nothing is made up for any other root."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.witness.test_check_sections import (
    ABSENT,
    ADDRESSES,
    AFTER,
    BEFORE,
    EMPTY_CODE,
    HOLDER,
    KEYS,
    NODES,
    POSTSTATE,
    RICH,
    ROOT,
    Accounts,
    state_of,
)
from verifier.services.root_search import RootSearch, explained
from witness.errors import WitnessInsufficientError
from witness.model import PostState
from witness.trie import nodes_by_hash

DELETED = ADDRESSES[4]
RIGHT_ROOT = state_of(AFTER)[0]
CODE = AFTER[HOLDER][3]


def search(state: PostState = POSTSTATE) -> RootSearch:
    return RootSearch(ROOT, nodes_by_hash(NODES), state)


def with_account(address: bytes, account: tuple[int, int, dict[bytes, int], bytes] | None) -> bytes:
    """The root of the state after the block with this account in the place of what the block left there."""
    state: Accounts = {key: value for key, value in AFTER.items() if key != address}
    return state_of(state if account is None else {**state, address: account})[0]


LOST = [
    ("cleared slot", with_account(HOLDER, (1, 7, {**AFTER[HOLDER][2], KEYS[1]: 2**255}, CODE)), HOLDER, KEYS[1]),
    ("filled slot", with_account(HOLDER, (1, 7, {KEYS[0]: 1}, CODE)), HOLDER, KEYS[2]),
    ("slots", with_account(HOLDER, (1, 7, BEFORE[HOLDER][2], CODE)), HOLDER, None),
    ("balance", with_account(HOLDER, (1, 0, AFTER[HOLDER][2], CODE)), HOLDER, None),
    ("nonce", with_account(RICH, (3, 10**17, {}, EMPTY_CODE)), RICH, None),
    ("account", with_account(RICH, BEFORE[RICH]), RICH, None),
    ("creation", with_account(ABSENT, None), ABSENT, None),
    ("deletion", with_account(DELETED, BEFORE[DELETED]), DELETED, None),
]
WHAT = {
    "slots": {f"slot 0x{KEYS[1].hex()}", f"slot 0x{KEYS[2].hex()}"},
    "balance": {"balance"},
    "nonce": {"nonce"},
    "account": {"nonce", "balance"},
    "creation": {"exists"},
    "deletion": {"exists"},
}


def test_the_root_over_all_changes() -> None:
    assert search().root == RIGHT_ROOT
    assert search({}).root == ROOT
    assert explained(search(), [RIGHT_ROOT, RIGHT_ROOT, None]) == ()


@pytest.mark.parametrize(("name", "root", "address", "key"), LOST, ids=[name for name, *_ in LOST])
def test_a_lost_change_is_named(name: str, root: bytes, address: bytes, key: bytes | None) -> None:
    found = explained(search(), [RIGHT_ROOT, root])
    expected = WHAT.get(name) or {f"slot 0x{key.hex()}" if key is not None else ""}
    assert {(each.address, each.what) for each in found} == {(address, what) for what in expected}


def test_the_values_are_those_of_the_sides() -> None:
    (found,) = explained(search(), [LOST[0][1], RIGHT_ROOT, None])
    assert found.values == (hex(2**255), "0x0", None)
    (found,) = explained(search(), [RIGHT_ROOT, LOST[6][1]])
    assert found.values == ("yes", "no")
    (found,) = explained(search(), [RIGHT_ROOT, LOST[7][1]])
    assert found.values == ("no", "yes")


def test_two_wrong_sides_are_both_explained() -> None:
    found = explained(search(), [LOST[1][1], LOST[3][1]])
    assert [(each.what, each.values) for each in found] == [
        ("balance", ("0x7", "0x0")),
        (f"slot 0x{KEYS[2].hex()}", ("0x0", "0x9")),
    ]


@given(st.binary(min_size=32, max_size=32))
def test_any_other_root_stands_for_nothing(root: bytes) -> None:
    assert explained(search(), [RIGHT_ROOT, root]) == ()
    assert explained(search(), [LOST[0][1], root]) == ()


def test_a_change_besides_is_not_taken_for_a_lost_one() -> None:
    """Two slots are wrong: nothing is said rather than one of them."""
    root = with_account(HOLDER, (1, 7, {KEYS[0]: 5, KEYS[2]: 8}, CODE))
    assert explained(search(), [RIGHT_ROOT, root]) == ()


def test_missing_nodes_are_told() -> None:
    with pytest.raises(WitnessInsufficientError):
        RootSearch(ROOT, {}, POSTSTATE)
    holder = POSTSTATE[HOLDER]
    assert holder is not None
    changed = replace(holder, slots={KEYS[3]: 1})
    # Nothing but the changed account is looked at.
    assert search({HOLDER: changed}).root != RIGHT_ROOT
