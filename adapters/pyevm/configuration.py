"""py-evm's virtual machines for any geth-style chain config.

py-evm knows mainnet's constants only, as module globals. A VM for another chain takes the same functions, bound to
other globals: the code stays py-evm's, and nothing that another block could see is changed.
"""

from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType
from typing import Any

from eth.vm import forks
from eth.vm.base import VM
from eth.vm.forks.cancun import constants as cancun
from eth.vm.forks.cancun.state import CancunState
from eth.vm.forks.constantinople import ConstantinopleVM
from eth.vm.forks.prague import constants as prague
from eth.vm.forks.prague.state import PragueState

from witness.chain_config import BlobSchedule, ChainConfig
from witness.errors import ChainConfigError

from .machine import BlockExecutor, BlockMachine, BlockState

VIRTUAL_MACHINES: dict[str, type[VM]] = {
    "frontier": forks.FrontierVM,
    "homestead": forks.HomesteadVM,
    "dao": forks.HomesteadVM,  # the block of the fork itself and those up to Tangerine Whistle
    "tangerine_whistle": forks.TangerineWhistleVM,
    "spurious_dragon": forks.SpuriousDragonVM,
    "byzantium": forks.ByzantiumVM,
    "constantinople": ConstantinopleVM,
    "petersburg": forks.PetersburgVM,
    "istanbul": forks.IstanbulVM,
    "muir_glacier": forks.MuirGlacierVM,
    "berlin": forks.BerlinVM,
    "london": forks.LondonVM,
    "arrow_glacier": forks.ArrowGlacierVM,
    "gray_glacier": forks.GrayGlacierVM,
    "paris": forks.ParisVM,
    "shanghai": forks.ShanghaiVM,
    "cancun": forks.CancunVM,
    "prague": forks.PragueVM,
}
# py-evm's own constants, in the form of a chain config's blobSchedule.
OWN_SCHEDULES = {
    "cancun": BlobSchedule(
        cancun.TARGET_BLOB_GAS_PER_BLOCK // cancun.GAS_PER_BLOB,
        cancun.MAX_BLOB_GAS_PER_BLOCK // cancun.GAS_PER_BLOB,
        cancun.BLOB_BASE_FEE_UPDATE_FRACTION,
    ),
    "prague": BlobSchedule(
        prague.TARGET_BLOB_GAS_PER_BLOCK // cancun.GAS_PER_BLOB,
        prague.MAX_BLOB_GAS_PER_BLOCK // cancun.GAS_PER_BLOB,
        prague.BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE,
    ),
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """What of a chain config changes the machine. dao_block: where the irregular state change happens, or None."""

    fork: str
    schedule: BlobSchedule | None
    deposit_contract: bytes
    dao_block: int | None
    dao_support: bool


def parameters(config: ChainConfig, fork: str) -> Parameters:
    """The parameters at one fork. Raises ChainConfigError."""
    deposit_contract = bytes(20)  # as geth reads a config without one: no deposits
    address = config.document.get("depositContractAddress")
    if address is not None:
        try:
            deposit_contract = bytes.fromhex(str(address).removeprefix("0x"))
        except ValueError:
            raise ChainConfigError(f"depositContractAddress: {address!r} is no address") from None
        if len(deposit_contract) != 20:
            raise ChainConfigError(f"depositContractAddress: {address!r} is no address")
    dao_block = config.document.get("daoForkBlock")
    return Parameters(
        fork,
        (config.blob_schedule(fork) or OWN_SCHEDULES[fork]) if fork in OWN_SCHEDULES else None,
        deposit_contract,
        None if dao_block is None else int(str(dao_block), 0),
        bool(config.document.get("daoForkSupport")),
    )


@lru_cache(maxsize=64)
def machine_class(chosen: Parameters) -> type[Any]:
    """The VM class for these parameters: py-evm's, with the reading side of `machine` mixed in."""
    base = VIRTUAL_MACHINES[chosen.fork]
    state_base: Any = base._state_class
    members: dict[str, Any] = {}
    state_members: dict[str, Any] = {}
    if chosen.fork in ("homestead", "dao"):
        supported = chosen.dao_block is not None and chosen.dao_support
        members = {"support_dao_fork": supported, "_dao_fork_block_number": chosen.dao_block}
    if chosen.schedule is not None:
        blob_members, state_members = _blob_members(chosen.fork, base, chosen.schedule)
        members |= blob_members
    if chosen.fork == "prague":
        deposits: Any = base.process_deposit_request_data  # type: ignore[attr-defined]  # PragueVM's
        members["deposit_contract"] = chosen.deposit_contract
        members["process_deposit_request_data"] = rebind(deposits, DEPOSIT_CONTRACT_ADDRESS=chosen.deposit_contract)
    executor = type(
        f"Block{state_base.transaction_executor_class.__name__}",
        (BlockExecutor, state_base.transaction_executor_class),
        {"configured_fork": chosen.fork},
    )
    state_members["transaction_executor_class"] = executor
    state = type(f"Block{state_base.__name__}", (BlockState, state_base), state_members)
    return type(f"Block{base.__name__}", (BlockMachine, base), members | {"_state_class": state})


def rebind(function: Any, **replaced: Any) -> Any:
    """The same code with some of its globals replaced."""
    original: FunctionType = getattr(function, "__func__", function)
    bound = FunctionType(
        original.__code__,
        {**original.__globals__, **replaced},
        original.__name__,
        original.__defaults__,
        original.__closure__,
    )
    bound.__kwdefaults__ = original.__kwdefaults__
    return bound


def _blob_members(fork: str, base: type[VM], schedule: BlobSchedule) -> tuple[dict[str, Any], dict[str, Any]]:
    """Members of the VM and of its state that follow the schedule."""
    validate: Any = base.validate_block_blobs  # type: ignore[attr-defined]  # CancunVM's
    excess_name = f"calc_excess_blob_gas_{fork}"
    excess = rebind(validate.__globals__[excess_name], TARGET_BLOB_GAS_PER_BLOCK=schedule.target * cancun.GAS_PER_BLOB)
    rules = {excess_name: excess, "MAX_BLOB_GAS_PER_BLOCK": schedule.maximum * cancun.GAS_PER_BLOB}
    state, constant = {
        "cancun": (CancunState, "BLOB_BASE_FEE_UPDATE_FRACTION"),
        "prague": (PragueState, "BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE"),
    }[fork]
    fee: Any = state.blob_base_fee
    return (
        {"validate_block_blobs": rebind(validate, **rules)},
        {"blob_base_fee": property(rebind(fee.fget, **{constant: schedule.update_fraction}))},
    )
