"""What an adapter can say about a block: what it computed, the rule the block broke, or why it cannot tell.

The same three outcomes as `ExecuteResponse` in proto/verifier/rpc/v1/executor.proto, as values of the core.
"""

from dataclasses import dataclass
from enum import StrEnum

from witness.model import PostState


class Mode(StrEnum):
    """What a block is executed on: trie nodes that prove every value, or values as they are given."""

    PROOF = "proof"
    PRESTATE = "prestate"


@dataclass(frozen=True, slots=True)
class Receipt:
    """One transaction's receipt. succeeded from Byzantium on (EIP-658), post_state (32 bytes) before it."""

    cumulative_gas_used: int
    logs_hash: bytes
    succeeded: bool | None = None
    post_state: bytes | None = None


@dataclass(frozen=True, slots=True)
class Computed:
    """What the client computed; None where its fork has no such field. Hashes 32 bytes, bloom 256, gas in gas.

    In prestate mode state_root is None, before Byzantium receipts_root too, and post_state has what changed. A client
    asked over its Engine API answers with the first two alone (decision 18): the others are then None.
    """

    state_root: bytes | None
    receipts_root: bytes | None
    logs_bloom: bytes | None
    gas_used: int | None
    transactions_root: bytes | None
    blob_gas_used: int | None = None
    withdrawals_root: bytes | None = None
    requests_hash: bytes | None = None
    block_access_list_hash: bytes | None = None
    receipts: tuple[Receipt, ...] = ()
    unchecked_rules: tuple[str, ...] = ()
    post_state: PostState | None = None


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """The rule of the protocol that the block breaks, in the contract's words ("base_fee"), and one line on it."""

    rule: str
    detail: str


class AbstentionReason(StrEnum):
    """Why an adapter, or the verifier on its behalf, says nothing about a block."""

    WITNESS_INSUFFICIENT = "witness_insufficient"
    UNSUPPORTED_FORK = "unsupported_fork"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"  # never asked: not built, toolchain or packages missing, or elsewhere and away


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that the witness lacks: a "node", "code", "header", or in prestate mode an "account" or a "slot".

    Named by hash (32 bytes), by number where no hash is known, or by address (20 bytes) and slot key (32 bytes).
    """

    kind: str
    hash: bytes = b""
    number: int = 0
    where: str = ""
    address: bytes = b""
    key: bytes = b""

    def __str__(self) -> str:
        if self.address:
            name = f"0x{self.address.hex()}" + (f" 0x{self.key.hex()}" if self.key else "")
        else:
            name = f"0x{self.hash.hex()}" if self.hash else f"number {self.number}"
        return f"{self.kind} {name}" + (f" ({self.where})" if self.where else "")


@dataclass(frozen=True, slots=True)
class Abstention:
    """No statement about the block, and why, in one line."""

    reason: AbstentionReason
    detail: str = ""
    missing: tuple[Missing, ...] = ()


Outcome = Computed | BrokenRule | Abstention


@dataclass(frozen=True, slots=True)
class Result:
    """One adapter's outcome for one block. Times in milliseconds.

    elapsed_ms: from sending the request to having the answer, as the verifier saw it; adapter_ms: the adapter's own.
    missing_unnoticed: the client takes what the witness lacks for empty, so that what speaks against the block may only
    be a node that is not there.
    """

    adapter: str
    lineage: str
    outcome: Outcome
    elapsed_ms: float = 0.0
    adapter_ms: float | None = None
    missing_unnoticed: bool = False

    @property
    def has_timed_out(self) -> bool:
        """Whether it did not answer within its deadline."""
        return isinstance(self.outcome, Abstention) and self.outcome.reason is AbstentionReason.TIMEOUT
