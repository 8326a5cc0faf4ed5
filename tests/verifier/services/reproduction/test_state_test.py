"""State tests' states and roots, and blocks cut short."""

from typing import Any

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.executors.stateful.chains import sample_blocks, sample_genesis
from verifier.executors.stateful.genesis import STATE_ROOT_INDEX
from verifier.services.reproduction.cut_block import cut
from verifier.services.reproduction.state_test import EMPTY_CODE, State, root_of, state_of, state_test
from verifier.services.reproduction.transaction import block_transactions, decode_transaction
from witness.file import check_binding
from witness.header import decode_block_header, keccak256
from witness.model import BlockWitness, PostAccount, PreAccount, Witness
from witness.trie import EMPTY_ROOT

A, B, C = b"\x0a" * 20, b"\x0b" * 20, b"\x0c" * 20
KEY, OTHER = b"\x01" * 32, b"\x02" * 32


def test_changes_happen_to_what_was_known() -> None:
    before = {
        A: PreAccount(1, 2, EMPTY_ROOT, EMPTY_CODE, {KEY: 5, OTHER: 6}),
        B: PreAccount(1, 0, EMPTY_ROOT, EMPTY_CODE),
        C: None,
    }
    after = {A: PostAccount(2, 3, EMPTY_CODE, {KEY: 0}), B: None, C: PostAccount(0, 7, EMPTY_CODE)}
    assert state_of(before, {}) == {
        A: PostAccount(1, 2, EMPTY_CODE, {KEY: 5, OTHER: 6}),
        B: PostAccount(1, 0, EMPTY_CODE, {}),
    }
    assert state_of(before, after) == {
        A: PostAccount(2, 3, EMPTY_CODE, {KEY: 0, OTHER: 6}),
        C: PostAccount(0, 7, EMPTY_CODE, {}),
    }


def test_the_root_is_that_of_a_genesis_with_these_accounts() -> None:
    genesis = sample_genesis()
    state: State = {
        address: PostAccount(
            account.nonce,
            account.balance,
            keccak256(account.code),
            {key.to_bytes(32, "big"): value for key, value in account.storage.items()},
        )
        for address, account in genesis.accounts.items()
    }
    fields = list(genesis.header_fields)
    fields[STATE_ROOT_INDEX] = root_of(state)
    assert keccak256(rlp.encode(fields)) == decode_block_header(sample_blocks()[0]).parent_hash
    assert root_of({}) == EMPTY_ROOT


def content(number: int) -> BlockWitness:
    block = sample_blocks()[number - 1]
    header = decode_block_header(block)
    return BlockWitness(7330001, number, header.hash, block, Witness([], [], []), b"{}", expected=b"{}")


@pytest.mark.parametrize("number", [1, 9, 20, 32])
@given(data=st.data())
def test_a_cut_block_holds_together(number: int, data: st.DataObject) -> None:
    whole = content(number)
    transactions = block_transactions(bytes(whole.block))
    count = data.draw(st.integers(0, len(transactions)))
    short = cut(whole, transactions[:count], b"\xc0")
    header, original = check_binding(short), check_binding(whole)
    assert block_transactions(bytes(short.block)) == transactions[:count]
    assert header.withdrawals_root == EMPTY_ROOT
    assert (short.prestate, short.poststate, short.expected) == (b"\xc0", None, None)
    assert (header.state_root, header.base_fee, header.mix_hash, header.number) == (
        *(original.state_root, original.base_fee, original.mix_hash, original.number),
    )
    if count == len(transactions):
        assert header.transactions_root == original.transactions_root
        assert header.blob_gas_used == original.blob_gas_used


def test_the_document() -> None:
    whole = content(20)
    header = check_binding(whole)
    transaction = decode_transaction(block_transactions(bytes(whole.block))[0])
    code_hash = b"\x07" * 32
    before = {A: PostAccount(1, 2**200, code_hash, {OTHER: 0, KEY: 9}), B: PostAccount(0, 0, EMPTY_CODE)}
    document: dict[str, Any] = state_test(
        *(
            "name",
            "prague",
            header,
            before,
            {code_hash: b"\x60\x00", EMPTY_CODE: b""},
            transaction,
            b"\x08" * 32,
            b"\x09" * 32,
            {},
        ),
    )
    test = document["name"]
    assert test["pre"] == {
        f"0x{A.hex()}": {
            "nonce": "0x1",
            "balance": hex(2**200),
            "code": "0x6000",
            "storage": {f"0x{KEY.hex()}": f"0x{9:064x}"},
        },
        f"0x{B.hex()}": {"nonce": "0x0", "balance": "0x0", "code": "0x", "storage": {}},
    }
    assert test["env"]["currentNumber"] == "0x14"
    assert set(test["post"]) == {"Prague"}
