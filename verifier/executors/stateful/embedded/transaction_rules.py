"""Rules on transactions that py-evm does not check, or not for every type."""

from typing import Any

from eth._utils.state import code_is_delegation_designation
from eth.constants import GAS_TX, UINT_64_MAX
from eth.vm.forks.berlin.constants import ACCESS_LIST_TRANSACTION_TYPE
from eth.vm.forks.cancun.constants import BLOB_TX_TYPE
from eth.vm.forks.prague.constants import SET_CODE_TRANSACTION_TYPE, STANDARD_TOKEN_COST, TOTAL_COST_FLOOR_PER_TOKEN
from eth.vm.forks.shanghai.constants import MAX_INITCODE_SIZE
from eth_utils.exceptions import ValidationError

from witness.chain_config import FORKS

SPURIOUS_DRAGON, SHANGHAI, PRAGUE = (FORKS.index(name) for name in ("spurious_dragon", "shanghai", "prague"))
ADDRESS_LENGTH = 20
UINT_256_LIMIT = 1 << 256


def check_transaction(state: Any, transaction: Any, fork: int) -> None:
    """Raises ValidationError if the transaction breaks one of these rules.

    state: py-evm's, before the transaction; fork: index in witness.chain_config.FORKS. Rules: chain id (EIP-155,
    EIP-2718), intrinsic gas, nonce below 2^64 - 1 (EIP-2681), recipient of blob and set-code transactions, size of
    init code (EIP-3860), fees (EIP-1559), gas for calldata (EIP-7623), sender without code (EIP-3607, EIP-7702),
    amounts below 2^256.
    """
    chain_id = state.execution_context.chain_id
    if fork >= SPURIOUS_DRAGON and transaction.chain_id not in (None, chain_id):
        raise ValidationError(f"Transaction is for chain {transaction.chain_id}, this is {chain_id}")
    if transaction.gas < transaction.intrinsic_gas:
        raise ValidationError(f"Transaction has {transaction.gas} gas, {transaction.intrinsic_gas} are needed at least")
    if transaction.nonce >= UINT_64_MAX:
        raise ValidationError(f"Transaction nonce {transaction.nonce} is the maximum")
    type_id = getattr(transaction, "type_id", None)
    if type_id in (BLOB_TX_TYPE, SET_CODE_TRANSACTION_TYPE) and len(transaction.to) != ADDRESS_LENGTH:
        raise ValidationError(f"Transaction of type {type_id} has no recipient")
    if fork >= SHANGHAI and not transaction.to and len(transaction.data) > MAX_INITCODE_SIZE:
        raise ValidationError(f"Init code has {len(transaction.data)} bytes, at most {MAX_INITCODE_SIZE} are allowed")
    if fork >= PRAGUE:
        zeros = transaction.data.count(0)
        tokens = zeros + (len(transaction.data) - zeros) * STANDARD_TOKEN_COST
        floor = GAS_TX + TOTAL_COST_FLOOR_PER_TOKEN * tokens
        if transaction.gas < floor:
            raise ValidationError(f"Transaction has {transaction.gas} gas, its data needs {floor}")
    if not _legacy(transaction) and transaction.max_priority_fee_per_gas > transaction.max_fee_per_gas:
        raise ValidationError("Transaction's priority fee is above its maximum fee")
    if transaction.gas * _highest_price(transaction) >= UINT_256_LIMIT:
        raise ValidationError("Transaction's gas times its price is above 2^256")
    code = state.get_code(transaction.sender)
    if code and not (fork >= PRAGUE and code_is_delegation_designation(code)):
        raise ValidationError(f"Sender 0x{transaction.sender.hex()} is a contract")


def _highest_price(transaction: Any) -> int:
    return int(transaction.gas_price if _legacy(transaction) else transaction.max_fee_per_gas)


def _legacy(transaction: Any) -> bool:
    """Whether it has one gas price (before EIP-1559)."""
    return getattr(transaction, "type_id", None) in (None, ACCESS_LIST_TRANSACTION_TYPE)
