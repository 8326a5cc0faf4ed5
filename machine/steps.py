"""Every instruction of a transaction, told before py-evm executes it.

py-evm's loop takes its instructions from the computation's code, one after the other: so the code is what is replaced.
Blocks that nobody observes run on classes that know nothing of this.
"""

from collections.abc import Iterator
from typing import Any, Protocol, TypeGuard

from eth.exceptions import Revert
from eth.vm.code_stream import CodeStream
from eth.vm.opcode_values import STOP


class Observer(Protocol):
    """Who is told of the instructions of the transactions whose state it is set on, as its `observer`."""

    @property
    def wanted(self) -> bool:
        """Whether the computations that begin now are to be told of."""

    def step(self, computation: Any, place: int, opcode: int) -> Any:
        """An instruction is about to be executed. Returns what `fail` is given, should it fail."""

    def fail(self, step: Any, error: BaseException) -> None:
        """The instruction ended its computation exceptionally; REVERT does not."""


class ObservedCode(CodeStream):
    """A code whose instructions are told as they are taken from it, up to the code's end.

    py-evm goes on with an implicit STOP there, which is no step.
    """

    __slots__ = ["_computation", "_observer"]

    def __init__(self, code: bytes, computation: Any, observer: Observer) -> None:
        super().__init__(code)
        self._computation = computation
        self._observer = observer

    def __iter__(self) -> Iterator[int]:
        computation, observer, code, length = self._computation, self._observer, self._raw_code_bytes, len(self)
        while self.program_counter < length:
            place = self.program_counter
            opcode = code[place]
            step = observer.step(computation, place, opcode)
            self.program_counter = place + 1
            computation.latest_step = step
            yield opcode
            computation.latest_step = None
        yield STOP


class ObservedComputation:
    """Mixed into the computations of a block that may be observed."""

    latest_step: Any = None  # of the instruction being executed, for as long as no other was told
    observer: Observer | None = None

    def __init__(self, state: Any, message: Any, transaction_context: Any) -> None:
        super().__init__(state, message, transaction_context)  # type: ignore[call-arg]  # of the class below this one
        observer: Observer | None = getattr(state, "observer", None)
        if observer is not None and observer.wanted:
            self.observer = observer
            self.code = ObservedCode(message.code, self, observer)

    def apply_child_computation(self, child_message: Any) -> Any:
        """py-evm's; the child's instructions are told from here on."""
        self.latest_step = None
        return super().apply_child_computation(child_message)  # type: ignore[misc]

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> Any:
        if self.observer is not None and self.latest_step is not None and _fails(error):
            self.observer.fail(self.latest_step, error)
        return super().__exit__(kind, error, traceback)  # type: ignore[misc]


def _fails(error: BaseException | None) -> TypeGuard[BaseException]:
    return error is not None and not isinstance(error, Revert)
