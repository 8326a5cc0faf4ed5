"""The seam between the verifier and whoever executes blocks without state, with the fake that tests use."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from verifier.domain.result import Mode, Outcome, Result


@dataclass(frozen=True, slots=True)
class ExecutionRequest:
    """One block to execute. See `ExecuteRequest` in proto/verifier/rpc/v1/executor.proto.

    witness: path of its witness file. block_hash, pre_state_root: 32 bytes, the latter trusted by the verifier.
    deadline: seconds from now until the answer is of no use. chain_config: geth-genesis JSON, or empty for the file's.
    ancestor_hashes: block number → hash, those that the verifier vouches for, where the witness has no header.
    """

    witness: Path
    block_hash: bytes
    pre_state_root: bytes
    deadline: float
    chain_config: bytes = b""
    parent_header_optional: bool = False
    ancestor_hashes: Mapping[int, bytes] = field(default_factory=dict)
    mode: Mode = Mode.PROOF


class StatelessExecutor(Protocol):
    """Executes a block from its witness and reports what it computed."""

    @property
    def name(self) -> str:
        """The adapter's own name."""

    @property
    def lineage(self) -> str:
        """The engine lineage that its votes count for."""

    @property
    def expected_ms(self) -> float:
        """What its last block took it, in milliseconds; 0 before the first. The slowest are asked first."""

    async def execute(self, request: ExecutionRequest) -> Result:
        """The outcome for one block. Never raises for what an adapter does: that becomes an abstention."""


@dataclass
class FakeExecutor:
    """A stateless executor that answers from a function; `requests` keeps what it was asked."""

    name: str
    lineage: str
    answer: Callable[[ExecutionRequest], Outcome]
    requests: list[ExecutionRequest] = field(default_factory=list)
    expected_ms: float = 0.0

    async def execute(self, request: ExecutionRequest) -> Result:
        """What `answer` says, at once."""
        self.requests.append(request)
        return Result(self.name, self.lineage, self.answer(request))
