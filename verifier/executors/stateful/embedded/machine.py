"""py-evm's completed virtual machine as the embedded executor uses it: recording what it reads, comparing nothing."""

from typing import Any

from eth_utils.exceptions import ValidationError

from machine import configuration
from machine.configuration import VIRTUAL_MACHINES, parameters
from machine.errors import DepositError, RequestError
from witness.chain_config import ChainConfig

from ..errors import UnsupportedForkError
from .accounts import RecordingAccountDB
from .breach import BlockGasError, Breach
from .instructions import noting


class RecordingMachine:
    """Mixed into the VM. broken: rules found broken after the transactions."""

    transaction_under_way: Any = None
    broken: tuple[Breach, ...] = ()

    def validate_block(self, block: Any) -> None:
        """Nothing: the computed values must survive; `rules` compares them afterwards."""

    def validate_transaction_against_header(self, base_header: Any, transaction: Any) -> None:
        """py-evm's check that the transaction fits into what is left of the block's gas. Raises BlockGasError."""
        try:
            super().validate_transaction_against_header(base_header, transaction)  # type: ignore[misc]
        except ValidationError as error:
            raise BlockGasError(str(error)) from error

    def apply_transaction(self, header: Any, transaction: Any) -> Any:
        """py-evm's; while it lasts, and where it raises, the transaction is under way."""
        self.transaction_under_way = transaction
        result = super().apply_transaction(header, transaction)  # type: ignore[misc]  # of the class this is mixed into
        self.transaction_under_way = None
        return result

    def refuse_requests(self, error: RequestError) -> None:
        """Notes the rule. The rest is executed nevertheless: the witness shall serve clients that look there first."""
        rule = "deposit_requests" if isinstance(error, DepositError) else "system_contract"
        self.broken += (Breach(str(error), rule),)


class RecordingState:
    """Mixed into the state: its reads are recorded."""

    account_db_class = RecordingAccountDB


PARTS = configuration.Parts(RecordingMachine, RecordingState, instructions=noting)


def machine_class(config: ChainConfig, fork: str, parts: configuration.Parts = PARTS) -> type[Any]:
    """The VM class for a fork of the chain. Raises UnsupportedForkError, ChainConfigError."""
    if fork not in VIRTUAL_MACHINES:
        raise UnsupportedForkError(f"py-evm does not have the fork {fork}; the block was not executed")
    return configuration.machine_class(parameters(config, fork), parts)
