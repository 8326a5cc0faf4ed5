"""What a client's execution looks like from inside: transactions and their steps, as values of the core.

The same as `TraceEvent` in proto/verifier/rpc/v1/executor.proto; adapters/CONTRACT.md says what counts as a step.
"""

from dataclasses import dataclass, field

WORD = 32  # bytes of a word on the stack

# Equal in all clients. The rest of a step is left out of comparisons (adapters/CONTRACT.md, "Traces").
COMPARED_STEP_FIELDS = ("depth", "account", "pc", "op", "gas", "stack")


@dataclass(frozen=True, slots=True)
class TransactionStart:
    """A transaction begins. index: in the block, from 0. hash: 32 bytes."""

    index: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction before it executes. Two steps are equal if what is compared of them is.

    depth: 1 in the outermost call. account: 20 bytes, whose storage the code uses; b"" where the client does not tell,
    then equal to any. pc: bytes from the code's start. op: the byte there. gas: left before the instruction. stack: 32
    bytes a word, the bottom first.
    gas_cost (gas), memory_size (bytes), error: as the client says, 0 and "" where it does not; never compared.
    """

    depth: int
    account: bytes
    pc: int
    op: int
    gas: int
    stack: bytes
    gas_cost: int = field(default=0, compare=False)
    memory_size: int = field(default=0, compare=False)
    error: str = field(default="", compare=False)

    @property
    def words(self) -> tuple[bytes, ...]:
        """The stack's words, the top first."""
        return tuple(self.stack[end - WORD : end] for end in range(len(self.stack), 0, -WORD))


@dataclass(frozen=True, slots=True)
class TransactionEnd:
    """A transaction is done. succeeded: its outermost call. gas_used: gas, refunds taken off. steps: their number."""

    index: int
    succeeded: bool
    gas_used: int
    steps: int


TraceItem = TransactionStart | Step | TransactionEnd
