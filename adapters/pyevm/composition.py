"""Which of our classes are mixed into py-evm's for a block: as it is executed plainly, traced, over a prestate."""

from typing import Any

from machine import configuration
from machine.completion import Parameters
from machine.steps import ObservedComputation

from .machine import BlockExecutor, BlockMachine, BlockState
from .prestate import PrestateAccountDB
from .steps import ReportingMachine


class PrestateState(BlockState):
    """Mixed into the state: reads go to the prestate section."""

    account_db_class = PrestateAccountDB


def machine_class(chosen: Parameters, *, traced: bool = False, prestate: bool = False) -> type[Any]:
    """The VM class for these parameters."""
    parts = configuration.Parts(
        machine=ReportingMachine if traced else BlockMachine,
        state=PrestateState if prestate else BlockState,
        executor=BlockExecutor,
        computation=ObservedComputation if traced else None,
    )
    return configuration.machine_class(chosen, parts)
