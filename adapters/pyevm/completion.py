"""Rules of the protocol that py-evm does not check, on the values that py-evm has.

Without them this lineage would accept blocks that every client refuses. README.md lists them; each names its EIP.
"""

from typing import Any

from eth._utils.state import code_is_delegation_designation
from eth.constants import EMPTY_SHA3, GAS_TX, UINT_64_MAX, UINT_256_MAX
from eth.vm.forks.berlin.constants import ACCESS_LIST_TRANSACTION_TYPE
from eth.vm.forks.cancun.constants import BLOB_TX_TYPE, GAS_PER_BLOB
from eth.vm.forks.prague.constants import SET_CODE_TRANSACTION_TYPE, STANDARD_TOKEN_COST, TOTAL_COST_FLOOR_PER_TOKEN
from eth.vm.forks.shanghai.constants import MAX_INITCODE_SIZE
from eth_utils import ValidationError

from witness.chain_config import FORKS

SPURIOUS_DRAGON, LONDON, SHANGHAI, PRAGUE = map(FORKS.index, ("spurious_dragon", "london", "shanghai", "prague"))
WORD = 32  # bytes
DEPOSIT_DATA_LENGTH = 576  # bytes of a DepositEvent's data (EIP-6110)
# Where the offset of each of its fields stands, the offset, and the field's length.
DEPOSIT_FIELDS = ((0, 160, 48), (32, 256, 32), (64, 320, 8), (96, 384, 96), (128, 512, 8))


def check_transaction(state: Any, transaction: Any, fork: str) -> None:
    """Whether the transaction may be included, as far as py-evm does not ask. Raises ValidationError."""
    at = FORKS.index(fork)
    own, chain = getattr(transaction, "chain_id", None), state.execution_context.chain_id
    if at >= SPURIOUS_DRAGON and own not in (None, chain):  # EIP-155, EIP-2718
        raise ValidationError(f"it is signed for chain {own}, this is chain {chain}")
    if transaction.nonce >= UINT_64_MAX:  # EIP-2681
        raise ValidationError(f"its nonce is {transaction.nonce}, the largest that no transaction may have")
    if transaction.gas < transaction.intrinsic_gas:
        raise ValidationError(f"its gas limit is {transaction.gas}, it costs at least {transaction.intrinsic_gas}")
    kind = getattr(transaction, "type_id", None)
    if kind in (BLOB_TX_TYPE, SET_CODE_TRANSACTION_TYPE) and not transaction.to:  # EIP-4844, EIP-7702
        raise ValidationError(f"it is of type {kind} and creates a contract")
    if at >= SHANGHAI and not transaction.to and len(transaction.data) > MAX_INITCODE_SIZE:  # EIP-3860
        raise ValidationError(f"its init code has {len(transaction.data)} bytes, at most {MAX_INITCODE_SIZE}")
    if at >= PRAGUE:  # EIP-7623
        zeros = transaction.data.count(0)
        tokens = zeros + (len(transaction.data) - zeros) * STANDARD_TOKEN_COST
        floor = GAS_TX + tokens * TOTAL_COST_FLOOR_PER_TOKEN
        if transaction.gas < floor:
            raise ValidationError(f"its gas limit is {transaction.gas}, the floor for its data is {floor}")
    price = transaction.gas_price if kind in (None, ACCESS_LIST_TRANSACTION_TYPE) else transaction.max_fee_per_gas
    if at >= LONDON and kind not in (None, ACCESS_LIST_TRANSACTION_TYPE):  # EIP-1559
        tip = transaction.max_priority_fee_per_gas
        if tip > price:
            raise ValidationError(f"its priority fee {tip} is above its maximum fee {price}")
    if transaction.gas * price > UINT_256_MAX:
        raise ValidationError(f"its gas limit {transaction.gas} times its price {price} does not fit 256 bits")
    if kind == BLOB_TX_TYPE:  # EIP-4844: py-evm leaves the value out of the sum that the sender must have
        blob_gas = GAS_PER_BLOB * len(transaction.blob_versioned_hashes)
        needed = transaction.gas * price + transaction.value + blob_gas * transaction.max_fee_per_blob_gas
        balance = state.get_balance(transaction.sender)
        if balance < needed:
            raise ValidationError(f"its sender has {balance} wei, the transaction may cost {needed}")
    # EIP-3607 and, for delegations, EIP-7702. Without the code's bytes where its hash says enough.
    if state.get_code_hash(transaction.sender) != EMPTY_SHA3 and not (
        at >= PRAGUE and code_is_delegation_designation(state.get_code(transaction.sender))
    ):
        raise ValidationError(f"its sender 0x{transaction.sender.hex()} is a contract")


def check_deposit(data: bytes) -> None:
    """Whether a DepositEvent's data has the layout of EIP-6110; py-evm cuts at fixed places. Raises ValidationError."""
    if len(data) != DEPOSIT_DATA_LENGTH:
        raise ValidationError(f"deposit event of {len(data)} bytes, {DEPOSIT_DATA_LENGTH} expected")
    for at, offset, length in DEPOSIT_FIELDS:
        stated = int.from_bytes(data[at : at + WORD], "big")
        if stated != offset:
            raise ValidationError(f"deposit event with a field at {stated} instead of {offset}")
        stated = int.from_bytes(data[offset : offset + WORD], "big")
        if stated != length:
            raise ValidationError(f"deposit event with a field of {stated} bytes instead of {length}")
