"""A bug to be shown: an embedded machine whose EXP is one too high.

Nothing in the private chain's traffic uses EXP, so that who shows it chooses the block that trips it.
"""

from collections.abc import Mapping
from typing import Any

from eth.vm.opcode_values import EXP

from machine.configuration import Parts
from verifier.executors.stateful.embedded.assembly import assemble
from verifier.executors.stateful.embedded.instructions import noting
from verifier.executors.stateful.embedded.machine import RecordingMachine, RecordingState

# Init code that trips it: 3 to the power of 2, into slot 0. As the data of a transaction without a recipient.
POWER_INIT = assemble("2 3 EXP 0 SSTORE STOP")
WORD = 1 << 256


class WrongPower:
    """For demonstrations: nothing else in this project may construct it. active: whether the bug is there."""

    def __init__(self) -> None:
        self.active = False
        self.parts = Parts(RecordingMachine, RecordingState, instructions=self._instructions)

    def _instructions(self, opcodes: Mapping[int, Any]) -> dict[int, Any]:
        changed = noting(opcodes)
        right = changed[EXP]

        def power(computation: Any) -> None:
            right(computation=computation)
            if self.active:
                computation.stack_push_int((computation.stack_pop1_int() + 1) % WORD)

        changed[EXP] = power
        return changed
