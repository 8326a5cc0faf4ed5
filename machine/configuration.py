"""py-evm's virtual machine for a fork of any geth-style chain config, completed and corrected."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from eth.vm import forks
from eth.vm.base import VM
from eth.vm.forks.constantinople import ConstantinopleVM

from witness.chain_config import BlobSchedule, ChainConfig
from witness.errors import ChainConfigError

from .blob_gas import excess_blob_gas
from .completion import CompletedMachine, CompletedState, Parameters
from .corrections import correct_py_evm
from .frames import CollectedFrames
from .osaka import OsakaVM

correct_py_evm()  # no machine is made without

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
    "osaka": OsakaVM,
    # Only the blob schedule changes (EIP-7892).
    **dict.fromkeys(("bpo1", "bpo2", "bpo3", "bpo4", "bpo5"), OsakaVM),
}
ADDRESS_LENGTH = 20


@dataclass(frozen=True, slots=True)
class Parts:
    """Classes of one's own to be mixed into a machine, its state, transaction executor and computations; None: none.

    instructions: from the instructions by opcode, each called as `instruction(computation=…)`, to those to be used.
    """

    machine: type
    state: type
    executor: type | None = None
    instructions: Callable[[Mapping[int, Any]], dict[int, Any]] | None = None
    computation: type | None = None


def parameters(config: ChainConfig, fork: str) -> Parameters:
    """The parameters of a chain at one fork. Raises ChainConfigError."""
    address = config.document.get("depositContractAddress")
    deposit_contract = bytes(ADDRESS_LENGTH)  # as geth reads a config without one: no deposits
    if address is not None:
        try:
            deposit_contract = bytes.fromhex(str(address).removeprefix("0x"))
        except ValueError:
            raise ChainConfigError(f"depositContractAddress: {address!r} is not an address") from None
        if len(deposit_contract) != ADDRESS_LENGTH:
            raise ChainConfigError(f"depositContractAddress: {address!r} is not an address")
    dao_block = config.document.get("daoForkBlock")
    return Parameters(
        fork,
        config.blob_schedule(fork),
        deposit_contract,
        None if dao_block is None else int(str(dao_block), 0),
        bool(config.document.get("daoForkSupport")),
    )


@lru_cache(maxsize=256)
def machine_class(chosen: Parameters, parts: Parts) -> type[Any]:
    """The VM class for these parameters: py-evm's or ours of the fork, completed, with `parts` over it.

    Each of its classes has the attribute `parameters`; the VM has `header_length`, the fields of its fork's header.
    Raises KeyError for a fork that is not in VIRTUAL_MACHINES.
    """
    base: Any = VIRTUAL_MACHINES[chosen.fork]
    state_base = base._state_class
    own = {"parameters": chosen}
    state_members: dict[str, Any] = {
        **own,
        "computation_class": _computation_class(state_base.computation_class, parts),
    }
    if parts.executor is not None:
        executor_base = state_base.transaction_executor_class
        executor = type(executor_base.__name__, (parts.executor, executor_base), dict(own))
        state_members["transaction_executor_class"] = executor
    state = type(state_base.__name__, (parts.state, CompletedState, state_base), state_members)
    header_class = dict(base.block_class._meta.fields)["header"]
    members: dict[str, Any] = {
        **own,
        "_state_class": state,
        "header_length": len(header_class._meta.field_names),
    }
    if chosen.fork in ("homestead", "dao"):
        members["support_dao_fork"] = chosen.dao_block is not None and chosen.dao_support
        members["_dao_fork_block_number"] = chosen.dao_block
    if chosen.schedule is not None:
        members["create_header_from_parent"] = staticmethod(_creating_headers(base, chosen.fork, chosen.schedule))
    return type(base.__name__, (parts.machine, CompletedMachine, base), members)


@lru_cache(maxsize=256)
def _computation_class(base: Any, parts: Parts) -> type[Any]:
    """The computation with what `frames` says, and with its instructions as plain bound methods.

    py-evm's are objects that are called, and such a call passes through C (see `frames`); a bound method is called
    without. It also is a little faster.
    """
    opcodes = {code: each.__call__ for code, each in base.opcodes.items()}
    if parts.instructions is not None:
        opcodes = parts.instructions(opcodes)
    own = () if parts.computation is None else (parts.computation,)
    return type(base.__name__, (*own, CollectedFrames, base), {"opcodes": opcodes})


def _creating_headers(base: Any, fork: str, schedule: BlobSchedule) -> Any:
    def create_header_from_parent(parent: Any, **fields: Any) -> Any:
        header = base.create_header_from_parent(parent, **fields)
        return header.copy(excess_blob_gas=excess_blob_gas(fork, schedule, parent))

    return create_header_from_parent
