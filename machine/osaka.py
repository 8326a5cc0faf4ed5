"""Osaka's virtual machine, which py-evm lacks: Prague's with an instruction, two precompiles and two bounds more.

CLZ (EIP-7939), MODEXP (EIP-7823, EIP-7883) and P256VERIFY (EIP-7951) are here; the bounds on transactions (EIP-7825,
EIP-7594) are in `transaction_rules`, the excess blob gas (EIP-7918) in `blob_gas`. The forks after it that change only
the blob schedule (EIP-7892) have the same machine with another schedule.
"""

from typing import Any

from eth._utils.address import force_bytes_to_address
from eth.constants import GAS_LOW
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.computation import PragueComputation
from eth.vm.forks.prague.state import PragueState
from eth.vm.opcode import as_opcode
from eth_utils.exceptions import ValidationError

from witness.chain_config import FORKS

from .exponentiation import osaka_modexp
from .signature import p256verify

CLZ = 0x1E
WORD_BITS = 256
MODEXP_ADDRESS = force_bytes_to_address(b"\x05")
P256VERIFY_ADDRESS = force_bytes_to_address(b"\x01\x00")
# EIP-7934: of the 10 MiB that a message of the consensus layer may have, 2 MiB are kept for the rest of a beacon block.
BLOCK_SIZE_LIMIT = 8_388_608  # bytes


def count_leading_zeros(computation: Any) -> None:
    """CLZ: replaces the topmost word by the number of its leading zero bits; 256 for 0 (EIP-7939)."""
    computation.stack_push_int(WORD_BITS - computation.stack_pop1_int().bit_length())


class OsakaComputation(PragueComputation):
    """Prague's instructions and precompiles with those of Osaka."""

    opcodes = {  # noqa: RUF012 - as py-evm has it
        **PragueComputation.opcodes,
        CLZ: as_opcode(gas_cost=GAS_LOW, logic_fn=count_leading_zeros, mnemonic="CLZ"),
    }
    _precompiles = {  # noqa: RUF012 - as py-evm has it
        **PragueComputation.get_precompiles(),
        MODEXP_ADDRESS: osaka_modexp,
        P256VERIFY_ADDRESS: p256verify,
    }


class OsakaState(PragueState):
    """Prague's state with Osaka's computation."""

    computation_class = OsakaComputation


class OsakaVM(PragueVM):
    """Headers, blocks, transactions and receipts are Prague's."""

    fork = "osaka"
    _state_class = OsakaState


def check_block_size(fork: str, length: int) -> None:
    """Raises ValidationError if a block's RLP of `length` bytes is too long at `fork` (EIP-7934)."""
    if FORKS.index(fork) >= FORKS.index("osaka") and length > BLOCK_SIZE_LIMIT:
        raise ValidationError(f"The block has {length} bytes, at most {BLOCK_SIZE_LIMIT} are allowed")
