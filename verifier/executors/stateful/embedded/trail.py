"""What py-evm goes through while it builds blocks: instructions, what each ends in, precompiles. For generated blocks.

A feature is a short text, so that it can be kept in a journal:

    op:F1              an instruction was executed
    pair:60F1          one after another, in whatever frame
    halt:F1:OutOfGas   an instruction failed, and how
    precompile:0A:ok   a precompile ran; or how it failed instead of "ok"
    in:C:F1:256:0      how large the topmost words were that an instruction took (bits, in steps)
"""

from collections.abc import Callable, Mapping
from typing import Any

from eth.exceptions import Halt, VMError

from machine.configuration import Parts

from .execution import BlockRun
from .machine import PARTS

SIZED = 2  # of the words on top of the stack are noted by their size
STEPS = (0, 8, 64, 255, 256)  # bits


class Trail:
    """The features that were met since it was cleared. broken: whether a rule on what the block does was, besides."""

    def __init__(self) -> None:
        self.features: set[str] = set()
        self.broken = False
        self._pairs: set[int] = set()
        self._sizes: set[tuple[int, tuple[int, ...]]] = set()
        self._last = 0

    def clear(self) -> None:
        """Forgets everything."""
        self.features.clear()
        self.broken = False
        self._pairs.clear()
        self._sizes.clear()
        self._last = 0

    def taken(self) -> frozenset[str]:
        """All features since it was cleared."""
        operations = {f"op:{pair & 0xFF:02X}" for pair in self._pairs}
        pairs = {f"pair:{pair:04X}" for pair in self._pairs}
        sizes = {f"in:{code:02X}:{':'.join(map(str, bits))}" for code, bits in self._sizes}
        return frozenset(self.features | operations | pairs | sizes)

    def instructions(self, opcodes: Mapping[int, Any]) -> dict[int, Any]:
        """The instructions, each leaving its trail."""
        noted = opcodes if PARTS.instructions is None else PARTS.instructions(opcodes)
        return {code: self._noting(code, instruction) for code, instruction in noted.items()}

    def _noting(self, code: int, instruction: Any) -> Callable[..., Any]:
        pushes = 0x5F <= code <= 0x9F  # PUSH0 to SWAP16: what they move does not matter to them

        def noting(computation: Any) -> Any:
            self._pairs.add(self._last << 8 | code)
            self._last = code
            if not pushes:
                self._sizes.add((code, _sizes(computation._stack.values)))
            try:
                return instruction(computation=computation)
            except Halt:
                raise
            except VMError as error:
                self.features.add(f"halt:{code:02X}:{type(error).__name__}")
                raise

        return noting

    def precompile(self, address: bytes, function: Any) -> Callable[[Any], Any]:
        """A precompile, leaving its trail."""
        name = f"precompile:{int.from_bytes(address, 'big'):02X}"

        def noting(computation: Any) -> Any:
            try:
                result = function(computation)
            except VMError as error:
                self.features.add(f"{name}:{type(error).__name__}")
                raise
            self.features.add(f"{name}:{'ok' if computation.output else 'empty'}")
            return result

        return noting


def _sizes(stack: list[Any]) -> tuple[int, ...]:
    return tuple(_step(word) for word in stack[: -SIZED - 1 : -1])


def _step(word: int | bytes) -> int:
    bits = (word if isinstance(word, int) else int.from_bytes(word, "big")).bit_length()
    return next(step for step in STEPS if bits <= step)


def trailing_parts(trail: Trail) -> Parts:
    """What a machine that leaves its trail is made of. Made once a trail, as its machines are."""

    class TrailingComputation:
        """Mixed into py-evm's computations."""

        @property
        def precompiles(self) -> dict[bytes, Any]:
            """py-evm's, each leaving its trail."""
            kind = type(self)
            known = kind.__dict__.get("_trailing_precompiles")
            if known is None:
                own: dict[bytes, Any] = super().precompiles  # type: ignore[misc]  # of the class this is mixed into
                known = {address: trail.precompile(address, function) for address, function in own.items()}
                kind._trailing_precompiles = known  # type: ignore[attr-defined]
            return known

    return Parts(PARTS.machine, PARTS.state, instructions=trail.instructions, computation=TrailingComputation)


def trailing_run(trail: Trail) -> type[BlockRun]:
    """A BlockRun that tells the trail of a broken rule on requests."""

    class TrailingRun(BlockRun):
        """Executes as BlockRun does."""

        def compute(self, block: Any) -> Any:
            """As BlockRun.compute, which goes on where a rule on requests is broken."""
            computed = super().compute(block)
            trail.broken = bool(self._machine.broken)
            return computed

    return TrailingRun
