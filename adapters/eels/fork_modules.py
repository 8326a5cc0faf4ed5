"""The specification's fork modules, each with its state replaced and set to a chain config.

The specification holds mainnet's constants as module globals and imports by name, so they are set in the modules, for
each block anew: a process executes one block at a time. The state has to be replaced before anything imports it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from ethereum.fork_criteria import ByBlockNumber
from ethereum_types.bytes import Bytes20
from ethereum_types.numeric import U64, Uint

from witness.chain_config import BlobSchedule, ChainConfig
from witness.errors import ChainConfigError
from witness.header import ADDRESS_LENGTH

from .account import code_hash
from .jump_destinations import JumpDestinations
from .overlay import state_functions
from .static_context import guard_writes

NAMES = {"dao": "dao_fork", "petersburg": "constantinople"}  # where the specification's name is another one
BLOB_FORKS = ("cancun", "prague", "osaka", "bpo1", "bpo2")
REQUEST_FORKS = ("prague", "osaka", "bpo1", "bpo2")
HEADERS_BY_LENGTH = {15: "frontier", 16: "london", 17: "shanghai", 20: "cancun", 21: "prague"}


@dataclass
class ForkModules:
    """One fork: its modules, the jump destinations, and mainnet's values of what `configure` sets."""

    name: str
    fork: ModuleType
    blocks: ModuleType
    state: ModuleType
    vm: ModuleType
    fork_types: ModuleType
    trie: ModuleType
    jump_destinations: JumpDestinations
    defaults: dict[tuple[ModuleType, str], Any] = field(default_factory=dict)
    reports: list[tuple[Any, ...]] = field(default_factory=list)
    """The arguments of each call of make_receipt in the block being executed."""

    def configure(self, config: ChainConfig) -> None:
        """Sets what the chain config says; a fork without a blob schedule has mainnet's. Raises ChainConfigError."""
        self.reports.clear()
        for (module, name), value in self.defaults.items():
            setattr(module, name, value)
        document = config.document
        key = {"london": "londonBlock", "dao": "daoForkBlock"}.get(self.name)
        if key is not None:
            self._set(self.fork, "FORK_CRITERIA", ByBlockNumber(Uint(int(str(document[key]), 0))))
        schedule = config.blob_schedule(self.name) if self.name in BLOB_FORKS else None
        if schedule is not None:
            self._set_blob_schedule(schedule)
        address = document.get("depositContractAddress", f"0x{0:040x}")  # as geth reads a config without: no deposits
        if self.name in REQUEST_FORKS:
            requests = import_module(f"{self.fork.__package__}.requests")
            self._set(requests, "DEPOSIT_CONTRACT_ADDRESS", _address(address))

    def _set_blob_schedule(self, schedule: BlobSchedule) -> None:
        gas = import_module(f"{self.vm.__name__}.gas")
        self._set(gas, "BLOB_SCHEDULE_TARGET", U64(schedule.target))
        self._set(gas, "BLOB_SCHEDULE_MAX", U64(schedule.maximum))
        self._set(gas, "TARGET_BLOB_GAS_PER_BLOCK", U64(schedule.target) * gas.GAS_PER_BLOB)
        self._set(gas, "BLOB_BASE_FEE_UPDATE_FRACTION", Uint(schedule.update_fraction))
        self._set(self.fork, "BLOB_SCHEDULE_MAX", U64(schedule.maximum))
        self._set(self.fork, "MAX_BLOB_GAS_PER_BLOCK", U64(schedule.maximum) * gas.GAS_PER_BLOB)

    def _set(self, module: ModuleType, name: str, value: Any) -> None:
        if hasattr(module, name):
            self.defaults.setdefault((module, name), getattr(module, name))
            setattr(module, name, value)


def _address(text: object) -> Bytes20:
    try:
        octets = bytes.fromhex(str(text).removeprefix("0x"))
    except ValueError:
        octets = b""
    if len(octets) != ADDRESS_LENGTH:
        raise ChainConfigError(f"depositContractAddress: {text!r} is no address")
    return Bytes20(octets)


@cache
def load_fork(name: str) -> ForkModules:
    """The modules of one of witness.chain_config.FORKS, patched once. Raises ImportError."""
    package = f"ethereum.forks.{NAMES.get(name, name)}"
    state = import_module(f"{package}.state")
    for function_name, function in state_functions(state).items():
        setattr(state, function_name, function)
    fork = import_module(f"{package}.fork")
    interpreter = import_module(f"{package}.vm.interpreter")
    instructions = import_module(f"{package}.vm.instructions")
    destinations = JumpDestinations(instructions.Ops)
    modules = ForkModules(
        name=name,
        fork=fork,
        blocks=import_module(f"{package}.blocks"),
        state=state,
        vm=import_module(f"{package}.vm"),
        fork_types=import_module(f"{package}.fork_types"),
        trie=import_module(f"{package}.trie"),
        jump_destinations=destinations,
    )
    replaced: list[tuple[Any, str, Any]] = [
        (interpreter, "get_valid_jump_destinations", destinations),
        (fork, "make_receipt", _reporting(fork.make_receipt, modules.reports)),
    ]
    environment = import_module(f"{package}.vm.instructions.environment")
    if hasattr(environment, "keccak256"):
        # EXTCODEHASH hashes the code; the account already proves the hash, also where the code is not in the witness.
        replaced.append((environment, "keccak256", _hash_of_code(environment.keccak256)))
    exceptions = import_module(f"{package}.vm.exceptions")
    if hasattr(exceptions, "WriteInStaticContext"):
        guard_writes(interpreter.op_implementation, instructions.Ops, exceptions.WriteInStaticContext)
    if hasattr(fork, "validate_proof_of_work"):
        replaced.append((fork, "validate_proof_of_work", lambda header: None))  # noqa: ARG005 - minutes a block
    if name in BLOB_FORKS:
        # Asked of the parent: does its header have blob gas? At a fork's first block it is of another fork's class.
        headers = tuple(import_module(f"ethereum.forks.{each}.blocks").Header for each in BLOB_FORKS)
        replaced.append((import_module(f"{package}.vm.gas"), "Header", headers))
    for target, attribute, replacement in replaced:
        setattr(target, attribute, replacement)
    return modules


def header_class(modules: ForkModules, length: int) -> Any:
    """The class of a parent header with this many fields: the fork's own, or an earlier fork's. Raises KeyError."""
    own = modules.blocks.Header
    if length == len(own.__dataclass_fields__):
        return own
    return import_module(f"ethereum.forks.{HEADERS_BY_LENGTH[length]}.blocks").Header


def _reporting(make_receipt: Callable[..., Any], reports: list[tuple[Any, ...]]) -> Callable[..., Any]:
    def reporting(*arguments: Any) -> Any:
        reports.append(arguments)
        return make_receipt(*arguments)

    return reporting


def _hash_of_code(keccak256: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def hash_of(buffer: Any) -> Any:
        return code_hash(buffer) if hasattr(buffer, "hash") else keccak256(buffer)

    return hash_of
