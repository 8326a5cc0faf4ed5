"""Accounts and slots out of leaves, strictly; and that nothing is told of what the nodes do not prove."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.witness.test_check_sections import ABSENT, BEFORE, HOLDER, KEYS, NODES, POSTSTATE, RICH, ROOT, STORAGE
from witness.errors import EncodingError, WitnessInsufficientError
from witness.header import keccak256
from witness.model import PreAccount
from witness.proven_state import ProvenState, decode_account, decode_slot, root_after
from witness.rlp_encoding import Item, encode_integer, encode_item, encode_string
from witness.trie import EMPTY_ROOT, nodes_by_hash

CODE_HASH = b"\x22" * 32


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**256 - 1))
def test_an_account_comes_back(nonce: int, balance: int) -> None:
    fields: list[Item] = [encode_integer(nonce), encode_integer(balance), EMPTY_ROOT, CODE_HASH]
    assert decode_account(encode_item(fields)) == PreAccount(nonce, balance, EMPTY_ROOT, CODE_HASH)


@given(st.integers(1, 2**256 - 1))
def test_a_slot_comes_back(value: int) -> None:
    assert decode_slot(encode_string(encode_integer(value))) == value


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([b"", b"", EMPTY_ROOT], "4 strings expected"),
        ([b"", b"", EMPTY_ROOT, []], "4 strings expected"),
        ([b"", b"", EMPTY_ROOT, CODE_HASH, b""], "4 strings expected"),
        ([b"", b"", EMPTY_ROOT[1:], CODE_HASH], "storage root or code hash"),
        ([b"", b"", EMPTY_ROOT, CODE_HASH + b"\0"], "storage root or code hash"),
        ([b"\0", b"", EMPTY_ROOT, CODE_HASH], "nonce: no integer"),
        ([b"\1" + bytes(8), b"", EMPTY_ROOT, CODE_HASH], "nonce: no integer"),
        ([b"", b"\0\1", EMPTY_ROOT, CODE_HASH], "balance: no integer"),
        ([b"", b"\1" + bytes(32), EMPTY_ROOT, CODE_HASH], "balance: no integer"),
    ],
)
def test_what_is_no_account_is_refused(fields: list[Item], reason: str) -> None:
    with pytest.raises(EncodingError, match=reason):
        decode_account(encode_item(fields))


@pytest.mark.parametrize(
    "value", [b"", b"\x80", b"\x00", b"\xc0", b"\x01\x01", b"\xa1\x01" + bytes(32), b"\x82\x00\x01"]
)
def test_what_is_no_slot_is_refused(value: bytes) -> None:
    with pytest.raises(EncodingError):
        decode_slot(value)


@given(st.binary(max_size=120))
def test_any_bytes_are_read_or_refused(value: bytes) -> None:
    for decode in (decode_account, decode_slot):
        try:
            decode(value)
        except EncodingError:
            continue


def test_what_the_nodes_prove() -> None:
    state = ProvenState(ROOT, nodes_by_hash(NODES))
    rich, holder = state.account(RICH), state.account(HOLDER)
    assert rich is not None
    assert holder is not None
    assert (rich.nonce, rich.balance, rich.storage_root) == (3, 10**18, EMPTY_ROOT)
    assert state.account(ABSENT) is None
    assert [state.slot(holder.storage_root, key) for key in KEYS] == [STORAGE.get(key, 0) for key in KEYS]
    assert state.slot(EMPTY_ROOT, KEYS[0]) == 0


def read_all(state: ProvenState) -> None:
    """Reads everything that the state holds. Raises what ProvenState does."""
    for address, (_, balance, slots, _) in BEFORE.items():
        account = state.account(address)
        assert account is not None
        assert account.balance == balance
        assert {key: state.slot(account.storage_root, key) for key in slots} == slots


def test_a_missing_node_is_named_where_it_is_needed() -> None:
    read_all(ProvenState(ROOT, nodes_by_hash(NODES)))
    for node in NODES:
        known = nodes_by_hash(NODES)
        del known[keccak256(node)]
        with pytest.raises(WitnessInsufficientError, match=keccak256(node).hex()):
            read_all(ProvenState(ROOT, known))
    with pytest.raises(WitnessInsufficientError):
        root_after(ROOT, {}, POSTSTATE)
