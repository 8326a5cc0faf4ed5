"""Which of our classes are mixed into py-evm's for a block: as it is executed plainly or traced."""

from typing import Any

from machine import configuration
from machine.completion import Parameters

from .machine import BlockExecutor, BlockMachine, BlockState
from .steps import ReportingComputation, ReportingMachine

PLAIN = configuration.Parts(BlockMachine, BlockState, BlockExecutor)
TRACED = configuration.Parts(ReportingMachine, BlockState, BlockExecutor, ReportingComputation)


def machine_class(chosen: Parameters, *, traced: bool = False) -> type[Any]:
    """The VM class for these parameters."""
    return configuration.machine_class(chosen, TRACED if traced else PLAIN)
