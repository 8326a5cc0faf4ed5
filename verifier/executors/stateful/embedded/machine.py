"""py-evm's virtual machine for a fork of a chain: its own classes, with what they leave out added.

py-evm writes the values of EIP-4788 and EIP-2935 straight into storage where it knows the contract's code, ignores
failing request contracts and deposit layouts, and has mainnet's deposit contract and blob schedule built in. Here
system contracts are called, as the EIPs say, and the chain's own configuration counts.
"""

from functools import cache, partial
from hashlib import sha256
from typing import Any

from eth._utils.calculations import fake_exponential
from eth.constants import SYSTEM_ADDRESS, SYSTEM_MESSAGE_GAS
from eth.vm.base import VM
from eth.vm.forks.arrow_glacier import ArrowGlacierVM
from eth.vm.forks.berlin import BerlinVM
from eth.vm.forks.byzantium import ByzantiumVM
from eth.vm.forks.cancun import CancunVM
from eth.vm.forks.cancun.constants import BEACON_ROOTS_ADDRESS, GAS_PER_BLOB, MIN_BLOB_BASE_FEE
from eth.vm.forks.cancun.state import get_total_blob_gas
from eth.vm.forks.constantinople import ConstantinopleVM
from eth.vm.forks.frontier import FrontierVM
from eth.vm.forks.gray_glacier import GrayGlacierVM
from eth.vm.forks.homestead import HomesteadVM
from eth.vm.forks.istanbul import IstanbulVM
from eth.vm.forks.london import LondonVM
from eth.vm.forks.muir_glacier import MuirGlacierVM
from eth.vm.forks.paris import ParisVM
from eth.vm.forks.petersburg import PetersburgVM
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.constants import (
    CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    CONSOLIDATION_REQUEST_TYPE,
    DEPOSIT_EVENT_SIGNATURE_HASH,
    DEPOSIT_REQUEST_TYPE,
    HISTORY_STORAGE_ADDRESS,
    WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
    WITHDRAWAL_REQUEST_TYPE,
)
from eth.vm.forks.shanghai import ShanghaiVM
from eth.vm.forks.spurious_dragon import SpuriousDragonVM
from eth.vm.forks.tangerine_whistle import TangerineWhistleVM
from eth.vm.message import Message
from eth_typing import Address
from eth_utils.exceptions import ValidationError

from witness.chain_config import FORKS, BlobSchedule, ChainConfig
from witness.errors import ChainConfigError

from ..errors import UnsupportedForkError
from .accounts import RecordingAccountDB
from .corrections import correct_py_evm
from .transaction_rules import check_transaction

correct_py_evm()

MACHINES: dict[str, type[VM]] = {
    "frontier": FrontierVM,
    "homestead": HomesteadVM,
    "dao": HomesteadVM,
    "tangerine_whistle": TangerineWhistleVM,
    "spurious_dragon": SpuriousDragonVM,
    "byzantium": ByzantiumVM,
    "constantinople": ConstantinopleVM,
    "petersburg": PetersburgVM,
    "istanbul": IstanbulVM,
    "muir_glacier": MuirGlacierVM,
    "berlin": BerlinVM,
    "london": LondonVM,
    "arrow_glacier": ArrowGlacierVM,
    "gray_glacier": GrayGlacierVM,
    "paris": ParisVM,
    "shanghai": ShanghaiVM,
    "cancun": CancunVM,
    "prague": PragueVM,
}
# EIP-4844 and EIP-7691, where the chain's config names no schedule.
DEFAULT_BLOB_SCHEDULES = {"cancun": BlobSchedule(3, 6, 3338477), "prague": BlobSchedule(6, 9, 5007716)}
NO_ADDRESS = bytes(20)
ADDRESS_LENGTH = 20

# The ABI layout of DepositEvent's data (EIP-6110): where each field's offset stands, its value, the field's length.
DEPOSIT_DATA_LENGTH = 576
DEPOSIT_FIELDS = ((0, 160, 48), (32, 256, 32), (64, 320, 8), (96, 384, 96), (128, 512, 8))
WORD = 32


def fork_index(fork: str) -> int:
    """The fork's place in activation order, to compare forks."""
    return FORKS.index(fork)


def blob_schedule(config: ChainConfig, fork: str) -> BlobSchedule | None:
    """The blob schedule at `fork`; None before Cancun."""
    if fork not in DEFAULT_BLOB_SCHEDULES:
        return None
    return config.blob_schedule(fork) or DEFAULT_BLOB_SCHEDULES[fork]


def deposit_contract(config: ChainConfig) -> bytes:
    """The chain's deposit contract, 20 bytes; the zero address where the config names none. Raises ChainConfigError."""
    value = config.document.get("depositContractAddress")
    if value is None:
        return NO_ADDRESS
    try:
        address = bytes.fromhex(str(value).removeprefix("0x"))
    except ValueError:
        address = b""
    if len(address) != ADDRESS_LENGTH:
        raise ChainConfigError(f"depositContractAddress: {value!r} is not an address")
    return address


def deposit_request(data: bytes) -> bytes:
    """One deposit request out of a DepositEvent's data. Raises ValidationError if the layout is not EIP-6110's."""
    if len(data) != DEPOSIT_DATA_LENGTH:
        raise ValidationError(f"Deposit event has {len(data)} bytes of data, {DEPOSIT_DATA_LENGTH} expected")
    request = b""
    for at, offset, length in DEPOSIT_FIELDS:
        if int.from_bytes(data[at : at + WORD], "big") != offset:
            raise ValidationError(f"Deposit event's field at {at} has not the offset {offset}")
        if int.from_bytes(data[offset : offset + WORD], "big") != length:
            raise ValidationError(f"Deposit event's field at offset {offset} has not the length {length}")
        request += data[offset + WORD : offset + WORD + length]
    return request


class MachineMixin:
    """Over a VM class of py-evm. `receipts` are those of the last block executed, as far as it came."""

    configured_fork: str
    schedule: BlobSchedule | None
    deposit_contract: bytes
    header_length: int  # fields of a header
    receipts: tuple[Any, ...] = ()
    transaction_under_way: Any = None
    broken: tuple[str, ...] = ()  # rules found broken after the transactions

    def validate_block(self, block: Any) -> None:
        """Nothing: the computed values must survive; `rules` compares them afterwards."""

    def apply_transaction(self, header: Any, transaction: Any) -> Any:
        self.transaction_under_way = transaction
        result = super().apply_transaction(header, transaction)  # type: ignore[misc]
        self.transaction_under_way = None
        self.receipts += (result[0],)
        return result

    def block_preprocessing(self, block: Any) -> None:
        machine: Any = self
        if fork_index(self.configured_fork) >= fork_index("cancun"):
            machine.system_call(BEACON_ROOTS_ADDRESS, block.header.parent_beacon_block_root)
        if fork_index(self.configured_fork) >= fork_index("prague"):
            machine.system_call(HISTORY_STORAGE_ADDRESS, block.header.parent_hash)

    def block_postprocessing(self, block: Any) -> Any:
        if fork_index(self.configured_fork) < fork_index("prague"):
            return block
        sources = (
            (DEPOSIT_REQUEST_TYPE, self._deposit_requests),
            (WITHDRAWAL_REQUEST_TYPE, partial(self._requests_of, WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS)),
            (CONSOLIDATION_REQUEST_TYPE, partial(self._requests_of, CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS)),
        )
        requests = []
        for kind, source in sources:
            try:
                requests.append(kind + source())
            except ValidationError as error:
                # The rest is executed nevertheless, so that the witness serves clients that look at it first.
                self.broken += (str(error),)
        digest = sha256(b"".join(sha256(request).digest() for request in requests if len(request) > 1)).digest()
        return block.copy(header=block.header.copy(requests_hash=digest))

    def system_call(self, address: Address, data: bytes) -> bytes | None:
        """Calls a system contract; its output, or None if it is not there or failed (its changes are then undone)."""
        state = self.state  # type: ignore[attr-defined]
        code = state.get_code(address)
        if not code:
            return None
        state.lock_changes()  # the values before the call are the original ones for its storage gas
        message = Message(gas=SYSTEM_MESSAGE_GAS, to=address, sender=SYSTEM_ADDRESS, value=0, data=data, code=code)
        context = state.get_transaction_context_class()(gas_price=0, origin=SYSTEM_ADDRESS)
        computation = state.computation_class.apply_message(state, message, context)
        state.clear_transient_storage()
        return None if computation.is_error else bytes(computation.output)

    def _requests_of(self, address: Address) -> bytes:
        output = self.system_call(address, b"")
        if output is None:
            raise ValidationError(f"System contract 0x{address.hex()} is not there or failed")
        return output

    def _deposit_requests(self) -> bytes:
        return b"".join(
            deposit_request(log.data)
            for receipt in self.receipts
            for log in receipt.logs
            if log.address == self.deposit_contract
            and log.topics
            and log.topics[0].to_bytes(WORD, "big") == DEPOSIT_EVENT_SIGNATURE_HASH
        )


class StateMixin:
    """Over a state class of py-evm: recording accounts, the chain's blob base fee, and rules that py-evm lacks."""

    account_db_class = RecordingAccountDB
    configured_fork: str
    schedule: BlobSchedule | None

    def set_system_contracts(self) -> None:
        """Nothing: a contract that is not in the state is not there."""

    def validate_transaction(self, transaction: Any) -> None:
        check_transaction(self, transaction, fork_index(self.configured_fork))
        super().validate_transaction(transaction)  # type: ignore[misc]

    @property
    def blob_base_fee(self) -> int:
        if self.schedule is None:
            raise NotImplementedError("no blob base fee before Cancun")
        excess = self.execution_context.excess_blob_gas  # type: ignore[attr-defined]
        return fake_exponential(MIN_BLOB_BASE_FEE, excess, self.schedule.update_fraction)


def excess_blob_gas(schedule: BlobSchedule, parent: Any) -> int:
    """The excess blob gas of a block on `parent` (EIP-4844), by the schedule of the block's own fork (EIP-7840)."""
    total = getattr(parent, "excess_blob_gas", 0) + getattr(parent, "blob_gas_used", 0)
    return int(max(0, total - schedule.target * GAS_PER_BLOB))


def blob_gas(transactions: Any) -> int:
    """The blob gas that transactions use together."""
    return sum(get_total_blob_gas(transaction) for transaction in transactions)


def _fields(machine: type[Any]) -> Any:
    return machine.get_block_class()._meta.fields


@cache
def _machine_class(fork: str, schedule: BlobSchedule | None, deposits: bytes, dao_block: int | None) -> type[Any]:
    base = MACHINES[fork]
    configured = {"configured_fork": fork, "schedule": schedule}
    base_state: Any = base.get_state_class()
    # Only forks with blobs have the property; before, the opcode does not exist.
    members = dict(configured)
    state_class = type(f"{base_state.__name__}", (StateMixin, base_state), members)
    attributes: dict[str, Any] = {**configured, "deposit_contract": deposits, "_state_class": state_class}
    attributes["header_length"] = len(_fields(base)[0][1]._meta.field_names)
    if fork in ("homestead", "dao"):
        attributes["support_dao_fork"] = dao_block is not None
        attributes["_dao_fork_block_number"] = dao_block
    if schedule is not None:
        create: Any = base.create_header_from_parent

        def create_header(parent: Any, **parameters: Any) -> Any:
            header = create(parent, **parameters)
            return header.copy(excess_blob_gas=excess_blob_gas(schedule, parent))

        attributes["create_header_from_parent"] = staticmethod(create_header)
    return type(f"{base.__name__}", (MachineMixin, base), attributes)


def machine_class(config: ChainConfig, fork: str) -> type[Any]:
    """The VM class for a fork of the chain. Raises UnsupportedForkError, ChainConfigError."""
    if fork not in MACHINES:
        raise UnsupportedForkError(f"py-evm does not have the fork {fork}; the block was not executed")
    dao_block = dao_fork_block(config) if config.document.get("daoForkSupport") else None
    return _machine_class(fork, blob_schedule(config, fork), deposit_contract(config), dao_block)


def dao_fork_block(config: ChainConfig) -> int | None:
    """The block of the DAO fork, whether the chain supports it or not; None where it has none."""
    value = config.document.get("daoForkBlock")
    return None if value is None else int(value, 0) if isinstance(value, str) else int(value)
