"""Code and precompiles run in a completed machine's state, without a block around them."""

from functools import cache
from typing import Any

from eth.constants import BLANK_ROOT_HASH
from eth.db.atomic import AtomicDB
from eth.vm.execution_context import ExecutionContext
from eth.vm.message import Message
from eth_typing import Address, BlockNumber, Hash32

from machine.configuration import Parts, machine_class, parameters
from witness.chain_config import FORKS, ChainConfig

CALLER, CONTRACT = Address(b"\xca" * 20), b"\xc0" * 20
CHAIN_ID = 7
BPO_SCHEDULE = {"target": 10, "max": 15, "baseFeeUpdateFraction": 8346193}


class OwnMachine:
    """Nothing of one's own in the machine."""


class OwnState:
    """Nothing of one's own in the state."""


PARTS = Parts(OwnMachine, OwnState)
CONFIG = ChainConfig(
    CHAIN_ID,
    {
        "chainId": CHAIN_ID,
        "blobSchedule": dict.fromkeys([f"bpo{number}" for number in range(1, 6)], BPO_SCHEDULE),
        **{f"{fork}Time": 0 for fork in FORKS[FORKS.index("shanghai") : FORKS.index("amsterdam")]},
    },
)


@cache
def machine(fork: str) -> Any:
    """The completed VM class of a fork, with nothing mixed in."""
    return machine_class(parameters(CONFIG, fork), PARTS)


def empty_state(fork: str, excess_blob_gas: int = 0) -> Any:
    """The state of a block of `fork` on an empty database."""
    context = ExecutionContext(
        coinbase=Address(bytes(20)),
        timestamp=1,
        block_number=BlockNumber(1),
        difficulty=0,
        mix_hash=Hash32(bytes(32)),
        gas_limit=30_000_000,
        prev_hashes=(),
        chain_id=CHAIN_ID,
        base_fee_per_gas=7,
        excess_blob_gas=excess_blob_gas,
    )
    return machine(fork).get_state_class()(AtomicDB(), context, BLANK_ROOT_HASH)


def call(fork: str, to: bytes = CONTRACT, code: bytes = b"", data: bytes = b"", gas: int = 1_000_000) -> Any:
    """The computation of one message call. A precompile is run by its address, with any code."""
    state = empty_state(fork)
    message = Message(gas=gas, to=Address(to), sender=CALLER, value=0, data=data, code=code)
    context = state.get_transaction_context_class()(gas_price=0, origin=CALLER)
    return state.computation_class.apply_message(state, message, context)
