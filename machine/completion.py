"""What is mixed into py-evm's machine and state of every fork: what they leave out, or hold as mainnet's constants.

py-evm writes the values of EIP-4788 and EIP-2935 straight into storage where it knows the contract's code, ignores
failing request contracts and deposit layouts, and has mainnet's deposit contract and blob schedule built in. Here
system contracts are called, as the EIPs say, and the chain's own configuration counts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

from eth.constants import SYSTEM_ADDRESS, SYSTEM_MESSAGE_GAS
from eth.vm.forks.cancun.constants import BEACON_ROOTS_ADDRESS
from eth.vm.forks.prague.constants import (
    CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    CONSOLIDATION_REQUEST_TYPE,
    DEPOSIT_EVENT_SIGNATURE_HASH,
    DEPOSIT_REQUEST_TYPE,
    HISTORY_STORAGE_ADDRESS,
    WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
    WITHDRAWAL_REQUEST_TYPE,
)
from eth.vm.message import Message
from eth_typing import Address
from eth_utils.exceptions import ValidationError

from witness.chain_config import FORKS, BlobSchedule

from .blob_gas import blob_base_fee
from .deposits import deposit_request
from .errors import DepositError, RequestError, SystemContractError
from .transaction_rules import check_transaction

DEPOSIT_EVENT = int.from_bytes(DEPOSIT_EVENT_SIGNATURE_HASH, "big")


@dataclass(frozen=True, slots=True)
class Parameters:
    """What of a chain config changes the machine of a fork.

    fork: one of witness.chain_config.FORKS. schedule: None before Cancun. deposit_contract: 20 bytes. dao_block: where
    the irregular state change happens, or None; dao_support: whether the chain takes part in it.
    """

    fork: str
    schedule: BlobSchedule | None
    deposit_contract: bytes
    dao_block: int | None
    dao_support: bool

    def has(self, fork: str) -> bool:
        """Whether `fork` is this one or one before it."""
        return FORKS.index(self.fork) >= FORKS.index(fork)


class CompletedMachine:
    """Over a VM class of py-evm. `receipts` are those of the last block executed, as far as it came."""

    parameters: Parameters
    receipts: tuple[Any, ...] = ()
    requests: tuple[bytes, ...] = ()  # type byte first, empty ones left out, as the Engine API lists them (EIP-7685)

    def apply_transaction(self, header: Any, transaction: Any) -> Any:
        """py-evm's; keeps the receipt."""
        result = super().apply_transaction(header, transaction)  # type: ignore[misc]  # of the class below this one
        self.receipts += (result[0],)
        return result

    @classmethod
    def finalize_gas_used(cls, transaction: Any, computation: Any) -> int:
        """The gas that a transaction is billed.

        A refund is at most a fifth of what execution took (EIP-3529). py-evm takes a fifth of what is billed, which may
        be more, for its calldata (EIP-7623).
        """
        used = transaction.gas - computation.get_gas_remaining()
        refund = cls.calculate_net_gas_refund(used, computation.get_gas_refund())  # type: ignore[attr-defined]
        return int(used - refund + computation.data_floor_gas)

    def block_preprocessing(self, block: Any) -> None:
        """The system calls before the transactions (EIP-4788, EIP-2935); what is absent or fails changes nothing."""
        if self.parameters.has("cancun"):
            self.system_call(BEACON_ROOTS_ADDRESS, block.header.parent_beacon_block_root)
        if self.parameters.has("prague"):
            self.system_call(HISTORY_STORAGE_ADDRESS, block.header.parent_hash)

    def block_postprocessing(self, block: Any) -> Any:
        """The block with the hash of its execution requests in the header (EIP-7685), from Prague on."""
        if not self.parameters.has("prague"):
            return block
        digest = sha256()
        for kind, requests_of_kind in self._requests():
            try:
                data = requests_of_kind()
            except RequestError as error:
                self.refuse_requests(error)
                continue
            if data:
                self.requests += (kind + data,)
                digest.update(sha256(kind + data).digest())
        return block.copy(header=block.header.copy(requests_hash=digest.digest()))

    def refuse_requests(self, error: RequestError) -> None:
        """Called where one kind of requests breaks a rule. Raises it; where this returns, the other kinds follow."""
        raise error

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

    def _requests(self) -> Iterator[tuple[bytes, Callable[[], bytes]]]:
        yield DEPOSIT_REQUEST_TYPE, self._deposit_requests
        yield WITHDRAWAL_REQUEST_TYPE, partial(self._requests_of, WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS)
        yield CONSOLIDATION_REQUEST_TYPE, partial(self._requests_of, CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS)

    def _requests_of(self, address: Address) -> bytes:
        output = self.system_call(address, b"")
        if output is None:
            raise SystemContractError(f"System contract 0x{address.hex()} is not there or failed")
        return output

    def _deposit_requests(self) -> bytes:
        requests = b""
        for index, receipt in enumerate(self.receipts):
            for log in receipt.logs:
                if log.address != self.parameters.deposit_contract or not log.topics or log.topics[0] != DEPOSIT_EVENT:
                    continue
                try:
                    requests += deposit_request(log.data)
                except ValidationError as error:
                    raise DepositError(str(error), index) from None
        return requests


class CompletedState:
    """Over a state class of py-evm: the chain's blob base fee, and rules that py-evm lacks."""

    parameters: Parameters

    def set_system_contracts(self) -> None:
        """Nothing: a contract that is not in the state is not there."""

    def validate_transaction(self, transaction: Any) -> None:
        """py-evm's own validation, and what it leaves out. Raises ValidationError, and BadSignature of eth_keys."""
        check_transaction(self, transaction, self.parameters.fork)
        super().validate_transaction(transaction)  # type: ignore[misc]  # of the class below this one

    @property
    def blob_base_fee(self) -> int:
        """The price of blob gas in this block, in wei. Raises NotImplementedError before Cancun, which has none."""
        if self.parameters.schedule is None:
            raise NotImplementedError("no blob base fee before Cancun")
        excess = self.execution_context.excess_blob_gas  # type: ignore[attr-defined]
        return blob_base_fee(self.parameters.schedule, excess)
