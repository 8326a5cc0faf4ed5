"""Transactions of every type out of the sample chain, against py-evm's reading of them; and bytes that are none."""

import pytest
import rlp
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.executors.stateful.chains import sample_blocks
from verifier.services.reproduction.transaction import (
    SET_CODE,
    Transaction,
    block_transactions,
    decode_transaction,
)
from witness.errors import EncodingError
from witness.header import keccak256


def all_transactions() -> list[bytes]:
    return [each for block in sample_blocks() for each in block_transactions(block)]


def test_fields_and_senders_are_those_of_another_reader() -> None:
    kinds = set[int]()
    for encoded in all_transactions():
        ours = decode_transaction(encoded)
        theirs = PragueTransactionBuilder.decode(encoded)
        kinds.add(ours.kind)
        assert ours.sender == theirs.sender
        assert ours.hash == theirs.hash == keccak256(encoded)
        members = ours.members()
        assert int(members["nonce"], 16) == theirs.nonce
        assert members["data"] == [f"0x{theirs.data.hex()}"]
        assert members["to"] == (f"0x{theirs.to.hex()}" if theirs.to else "")
        assert [int(each, 16) for each in (*members["gasLimit"], *members["value"])] == [theirs.gas, theirs.value]
        if ours.kind < 2:
            assert int(members["gasPrice"], 16) == theirs.gas_price
        else:
            fees = [int(members[name], 16) for name in ("maxFeePerGas", "maxPriorityFeePerGas")]
            assert fees == [theirs.max_fee_per_gas, theirs.max_priority_fee_per_gas]
        if ours.kind:
            listed = [
                (bytes.fromhex(each["address"][2:]), len(each["storageKeys"])) for each in members["accessLists"][0]
            ]
            assert listed == [(address, len(keys)) for address, keys in theirs.access_list]
    assert kinds == {0, 1, 2, 3, 4}


def test_an_authorization_has_all_its_members() -> None:
    members = next(each for each in map(decode_transaction, all_transactions()) if each.kind == SET_CODE).members()
    assert set(members["authorizationList"][0]) == {"chainId", "address", "nonce", "v", "yParity", "r", "s"}


def test_blobs_are_counted() -> None:
    assert max(each.blobs for each in map(decode_transaction, all_transactions())) == 6


@given(st.binary())
def test_arbitrary_bytes_are_no_transaction(encoded: bytes) -> None:
    with pytest.raises(EncodingError):
        decode_transaction(encoded)


@given(st.data())
def test_a_mutated_transaction_crashes_nothing(data: st.DataObject) -> None:
    encoded = bytearray(data.draw(st.sampled_from(all_transactions())))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = decode_transaction(bytes(encoded))
    except EncodingError:
        return
    assert isinstance(found, Transaction)
    assert found.members()["sender"] == f"0x{found.sender.hex()}"


def test_deep_nesting_is_refused() -> None:
    legacy = rlp.decode(next(each for each in all_transactions() if each[0] >= 0xC0))
    deep: list[object] = []
    for _ in range(50):
        deep = [deep]
    with pytest.raises(EncodingError, match="deeper"):
        decode_transaction(rlp.encode([deep, *legacy[1:]]))
