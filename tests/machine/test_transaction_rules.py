"""Rules on transactions, each at its edge and in the fork that brings it."""

from types import SimpleNamespace
from typing import Any

import pytest
from eth.constants import EMPTY_SHA3
from eth_utils.exceptions import ValidationError

from machine.transaction_rules import check_transaction
from tests.machine.running import CHAIN_ID, machine

SENDER, RECIPIENT = b"\x5e" * 20, b"\xaa" * 20
CAP = 16_777_216
BLOB, SET_CODE, DYNAMIC_FEE = 3, 4, 2


def state(balance: int = 10**24, code: bytes = b"") -> Any:
    return SimpleNamespace(
        execution_context=SimpleNamespace(chain_id=CHAIN_ID),
        get_balance=lambda _: balance,
        get_code=lambda _: code,
        get_code_hash=lambda _: EMPTY_SHA3 if not code else b"\1" * 32,
    )


def transaction(**changes: Any) -> Any:
    fields = {
        "type_id": DYNAMIC_FEE,
        "chain_id": CHAIN_ID,
        "nonce": 0,
        "gas": 100_000,
        "intrinsic_gas": 21_000,
        "to": RECIPIENT,
        "data": b"",
        "value": 0,
        "sender": SENDER,
        "max_fee_per_gas": 100,
        "max_priority_fee_per_gas": 1,
        "max_fee_per_blob_gas": 10,
        "blob_versioned_hashes": (b"\1" + bytes(31),),
    }
    return SimpleNamespace(**{**fields, **changes})


def refused(match: str, fork: str, before: Any = None, **changes: Any) -> None:
    with pytest.raises(ValidationError, match=match):
        check_transaction(before or state(), transaction(**changes), fork)


def allowed(fork: str, before: Any = None, **changes: Any) -> None:
    check_transaction(before or state(), transaction(**changes), fork)


@pytest.mark.parametrize("fork", ["osaka", "bpo1", "bpo5"])
@pytest.mark.parametrize("kind", [DYNAMIC_FEE, BLOB, SET_CODE])
def test_gas_limit_cap(fork: str, kind: int) -> None:
    allowed(fork, type_id=kind, gas=CAP)
    refused("16777217 gas, at most 16777216", fork, type_id=kind, gas=CAP + 1)
    allowed("prague", type_id=kind, gas=CAP + 1)


@pytest.mark.parametrize("fork", ["osaka", "bpo2"])
def test_blobs_of_one_transaction(fork: str) -> None:
    hashes = (b"\1" + bytes(31),) * 7
    allowed(fork, type_id=BLOB, blob_versioned_hashes=hashes[:6])
    refused("7 blobs, at most 6", fork, type_id=BLOB, blob_versioned_hashes=hashes)
    allowed("prague", type_id=BLOB, blob_versioned_hashes=hashes)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_versioned_hash_has_32_bytes(length: int) -> None:
    refused(f"has {length} bytes, not 32", "cancun", type_id=BLOB, blob_versioned_hashes=(b"\1" * length,))
    allowed("cancun", type_id=DYNAMIC_FEE, blob_versioned_hashes=(b"\1" * length,))


def test_blobs_count_only_for_blob_transactions() -> None:
    allowed("osaka", type_id=DYNAMIC_FEE, blob_versioned_hashes=(b"",) * 7)


def test_chain_id() -> None:
    refused("is for chain 8, this is 7", "osaka", chain_id=8)
    allowed("osaka", type_id=None, chain_id=None, gas_price=1)
    allowed("homestead", type_id=None, chain_id=8, gas_price=1)


def test_nonce() -> None:
    allowed("osaka", nonce=2**64 - 2)
    refused("is the maximum", "osaka", nonce=2**64 - 1)


def test_intrinsic_gas() -> None:
    allowed("cancun", gas=21_000)
    refused("21000 are needed", "cancun", gas=20_999)


def test_init_code_is_part_of_the_intrinsic_gas() -> None:
    """EIP-3860: 2 gas for every word begun."""
    for length, words in ((1, 1), (32, 1), (33, 2), (49_152, 1536)):
        allowed("shanghai", to=b"", data=bytes(length), gas=21_000 + 2 * words)
        refused(f"{21_000 + 2 * words} are needed", "shanghai", to=b"", data=bytes(length), gas=20_999 + 2 * words)
    allowed("paris", to=b"", data=bytes(33), gas=21_000)
    allowed("shanghai", data=bytes(33), gas=21_000)


def test_gas_for_calldata() -> None:
    data = bytes(3) + b"\1" * 100  # 403 tokens
    floor = 21_000 + 403 * 10
    allowed("prague", data=data, gas=floor)
    refused(f"its data needs {floor}", "prague", data=data, gas=floor - 1)
    allowed("cancun", data=data, gas=floor - 1)


def test_floor_above_the_cap_can_never_be_paid() -> None:
    data = b"\1" * 420_000
    refused("its data needs 16821000", "osaka", data=data, gas=CAP)
    refused("at most 16777216", "osaka", data=data, gas=16_821_000)


@pytest.mark.parametrize("kind", [BLOB, SET_CODE])
def test_recipient(kind: int) -> None:
    refused("has no recipient", "osaka", type_id=kind, to=b"")
    allowed("osaka", type_id=DYNAMIC_FEE, to=b"")


def test_init_code() -> None:
    allowed("shanghai", to=b"", data=bytes(49_152), gas=10**6)
    refused("49153 bytes", "shanghai", to=b"", data=bytes(49_153), gas=10**6)
    allowed("paris", to=b"", data=bytes(49_153), gas=10**6)
    allowed("shanghai", data=bytes(49_153), gas=10**6)


def test_fees() -> None:
    allowed("osaka", max_priority_fee_per_gas=100)
    refused("priority fee is above", "osaka", max_priority_fee_per_gas=101)
    refused(r"above 2\^256", "london", gas=2**200, max_fee_per_gas=2**60)


def test_balance_covers_value_and_blobs() -> None:
    needed = 100_000 * 100 + 5 + 131_072 * 10
    allowed("osaka", state(balance=needed), type_id=BLOB, value=5)
    refused("may cost", "osaka", state(balance=needed - 1), type_id=BLOB, value=5)


@pytest.mark.parametrize("kind", [DYNAMIC_FEE, SET_CODE])
def test_balance_covers_what_the_transaction_may_cost_at_most(kind: int) -> None:
    """By max_fee_per_gas, whatever the base fee makes of it (EIP-1559)."""
    most = 100_000 * 100 + 7
    allowed("prague", state(balance=most), type_id=kind, value=7)
    refused("may cost", "prague", state(balance=most - 1), type_id=kind, value=7)


def test_sender_with_code() -> None:
    delegation = b"\xef\x01\x00" + RECIPIENT
    refused("is a contract", "osaka", state(code=b"\0"))
    allowed("osaka", state(code=delegation))
    refused("is a contract", "cancun", state(code=delegation))
    refused("is a contract", "osaka", state(code=delegation + b"\0"))


@pytest.mark.parametrize(
    ("used", "refund", "floor", "billed"),
    [
        (55_304, 12_500, 44_260, 44_260),  # a block that was made at random: raised to the floor, and no unit less
        (55_304, 12_500, 21_000, 55_304 - 11_060),
        (55_304, 4_800, 21_000, 55_304 - 4_800),
        (55_304, 0, 60_000, 60_000),
    ],
)
def test_a_refund_is_bounded_by_what_execution_took(used: int, refund: int, floor: int, billed: int) -> None:
    bounded = min(refund, used // 5)
    computation = SimpleNamespace(
        get_gas_remaining=lambda: 100_000 - used,
        get_gas_refund=lambda: refund,
        data_floor_gas=max(0, floor - (used - bounded)),  # as py-evm has it
    )
    assert machine("prague").finalize_gas_used(SimpleNamespace(gas=100_000), computation) == billed
