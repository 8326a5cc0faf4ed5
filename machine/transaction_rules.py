"""Rules on transactions that py-evm does not check, or not for every type. Without them it accepts invalid blocks."""

from typing import Any

from eth._utils.state import code_is_delegation_designation
from eth.constants import EMPTY_SHA3, GAS_TX, UINT_64_MAX, UINT_256_MAX
from eth.vm.forks.berlin.constants import ACCESS_LIST_TRANSACTION_TYPE
from eth.vm.forks.cancun.constants import BLOB_TX_TYPE, GAS_PER_BLOB
from eth.vm.forks.prague.constants import SET_CODE_TRANSACTION_TYPE, STANDARD_TOKEN_COST, TOTAL_COST_FLOOR_PER_TOKEN
from eth.vm.forks.shanghai.constants import MAX_INITCODE_SIZE
from eth_utils.exceptions import ValidationError

from witness.chain_config import FORKS

SPURIOUS_DRAGON, SHANGHAI, PRAGUE, OSAKA = map(FORKS.index, ("spurious_dragon", "shanghai", "prague", "osaka"))
ADDRESS_LENGTH, HASH_LENGTH = 20, 32
GAS_LIMIT_CAP = 1 << 24  # EIP-7825
BLOB_LIMIT = 6  # blobs a transaction (EIP-7594)


def check_transaction(state: Any, transaction: Any, fork: str) -> None:
    """Raises ValidationError if the transaction breaks one of these rules, in a block of `fork`.

    state: py-evm's, before the transaction. Rules: chain id (EIP-155, EIP-2718), nonce below 2^64 - 1 (EIP-2681),
    intrinsic gas, gas for calldata (EIP-7623), the largest gas limit (EIP-7825), recipient of blob and set-code
    transactions (EIP-4844, EIP-7702), size of init code (EIP-3860), fees (EIP-1559), amounts below 2^256, number of
    blobs (EIP-7594), the sender's balance with value and blobs (EIP-4844), sender without code (EIP-3607, EIP-7702).
    """
    at = FORKS.index(fork)
    own, chain = getattr(transaction, "chain_id", None), state.execution_context.chain_id
    if at >= SPURIOUS_DRAGON and own not in (None, chain):
        raise ValidationError(f"Transaction is for chain {own}, this is {chain}")
    if transaction.nonce >= UINT_64_MAX:
        raise ValidationError(f"Transaction nonce {transaction.nonce} is the maximum")
    _check_gas(transaction, at)
    kind = getattr(transaction, "type_id", None)
    if kind in (BLOB_TX_TYPE, SET_CODE_TRANSACTION_TYPE) and len(transaction.to) != ADDRESS_LENGTH:
        raise ValidationError(f"Transaction of type {kind} has no recipient")
    if at >= SHANGHAI and not transaction.to and len(transaction.data) > MAX_INITCODE_SIZE:
        raise ValidationError(f"Init code has {len(transaction.data)} bytes, at most {MAX_INITCODE_SIZE} are allowed")
    price = _highest_price(transaction)
    if transaction.gas * price > UINT_256_MAX:
        raise ValidationError("Transaction's gas times its price is above 2^256")
    if kind == BLOB_TX_TYPE:
        _check_blobs(transaction, at)
    _check_balance(state, transaction, price)
    # By the code's hash where it says enough, so that a witness without the code's bytes will do.
    if state.get_code_hash(transaction.sender) != EMPTY_SHA3 and not (
        at >= PRAGUE and code_is_delegation_designation(state.get_code(transaction.sender))
    ):
        raise ValidationError(f"Sender 0x{transaction.sender.hex()} is a contract")


def _check_gas(transaction: Any, at: int) -> None:
    gas = transaction.gas
    if gas < transaction.intrinsic_gas:
        raise ValidationError(f"Transaction has {gas} gas, {transaction.intrinsic_gas} are needed at least")
    if at >= PRAGUE:
        zeros = transaction.data.count(0)
        tokens = zeros + (len(transaction.data) - zeros) * STANDARD_TOKEN_COST
        floor = GAS_TX + TOTAL_COST_FLOOR_PER_TOKEN * tokens
        if gas < floor:
            raise ValidationError(f"Transaction has {gas} gas, its data needs {floor}")
    if at >= OSAKA and gas > GAS_LIMIT_CAP:
        raise ValidationError(f"Transaction has {gas} gas, at most {GAS_LIMIT_CAP} are allowed")


def _check_blobs(transaction: Any, at: int) -> None:
    hashes = transaction.blob_versioned_hashes
    if at >= OSAKA and len(hashes) > BLOB_LIMIT:
        raise ValidationError(f"Transaction has {len(hashes)} blobs, at most {BLOB_LIMIT} are allowed")
    for each in hashes:  # py-evm looks at the version alone
        if len(each) != HASH_LENGTH:
            raise ValidationError(f"A blob's versioned hash has {len(each)} bytes, not {HASH_LENGTH}")


def _check_balance(state: Any, transaction: Any, price: int) -> None:
    """By the highest price that the transaction may pay (EIP-1559), where py-evm takes the one that it does pay."""
    needed = transaction.gas * price + transaction.value
    if getattr(transaction, "type_id", None) == BLOB_TX_TYPE:
        needed += len(transaction.blob_versioned_hashes) * GAS_PER_BLOB * transaction.max_fee_per_blob_gas
    balance = state.get_balance(transaction.sender)
    if balance < needed:
        raise ValidationError(f"Sender has {balance} wei, the transaction may cost {needed}")


def _highest_price(transaction: Any) -> int:
    """The most that it pays for one unit of gas, in wei. Raises ValidationError for a tip above it."""
    if getattr(transaction, "type_id", None) in (None, ACCESS_LIST_TRANSACTION_TYPE):  # one price, before EIP-1559
        return int(transaction.gas_price)
    if transaction.max_priority_fee_per_gas > transaction.max_fee_per_gas:
        raise ValidationError("Transaction's priority fee is above its maximum fee")
    return int(transaction.max_fee_per_gas)
