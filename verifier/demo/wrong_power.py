"""A bug to be shown: an embedded machine whose EXP is one too high.

Nothing in the private chain's traffic uses EXP, so that who shows it chooses the block that trips it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from machine.configuration import Parts
from verifier.executors.stateful.embedded.assembly import assemble
from verifier.executors.stateful.embedded.instructions import noting
from verifier.executors.stateful.embedded.machine import RecordingMachine, RecordingState
from verifier.executors.stateful.embedded.signing import DYNAMIC_FEE, Call

from .driver import Built
from .genesis import wallets

EXP = 0x0A
# Init code that trips it: 3 to the power of 2, into slot 0. As the data of a transaction without a recipient.
POWER_INIT = assemble("2 3 EXP 0 SSTORE STOP")
LARGEST = (1 << 256) - 1


class WrongPower:
    """A Fault of the embedded client. For demonstrations: nothing else in this project may construct it."""

    what = "its EXP is one too high: 3^2 = 10 (a bug put into its EVM; it executes, builds and traces with it)"
    symptom = "EXP at pc"

    def __init__(self) -> None:
        self.active = False
        self.parts = Parts(RecordingMachine, RecordingState, instructions=self._instructions)
        self._wallet = wallets()["visitor"]

    def transactions(self) -> Sequence[bytes]:
        """As Fault.transactions: one that creates a contract."""
        return (self._wallet.sign(DYNAMIC_FEE, Call(data=POWER_INIT, gas=200_000)),)

    def told(self, block: Built) -> Built:
        """As Fault.told: as it was built, with the bug in it."""
        return block

    def _instructions(self, opcodes: Mapping[int, Any]) -> dict[int, Any]:
        changed = noting(opcodes)
        right = changed[EXP]

        def power(computation: Any) -> None:
            right(computation=computation)
            if self.active:
                computation.stack_push_int((computation.stack_pop1_int() + 1) & LARGEST)

        changed[EXP] = power
        return changed
