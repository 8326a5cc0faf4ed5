"""One test as a run takes it, whatever kind of file it is from."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from verifier.domain.conformance import Answer, CaseName, Expected, ReasonClass
from verifier.executors.stateful.genesis import Genesis
from witness.model import BlockWitness


@dataclass(frozen=True, slots=True)
class CaseBlock:
    """One block. encoded: its RLP, which may be anything where it is invalid. exception: the fixture's word on why.

    stated_hash: 32 bytes where the fixture states one: a payload with another hash is refused before execution.
    witness: given with the block; None where it has to be recorded. pre_state_root: 32 bytes, trusted with it.
    """

    encoded: bytes
    expected: Expected = Expected.VALID
    exception: str = ""
    stated_hash: bytes | None = None
    witness: BlockWitness | None = None
    pre_state_root: bytes = b""


@dataclass(frozen=True, slots=True)
class Case:
    """One test: a chain of its own, or blocks with their witnesses. genesis: None where all witnesses are given.

    last_block_hash: the head that it should end with, where the fixture says.
    """

    name: CaseName
    blocks: tuple[CaseBlock, ...]
    genesis: Genesis | None = None
    last_block_hash: bytes | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """One block after the recorder had it. answer: its own, stateful. path: of the witness file.

    A block that nobody can be asked about (undecodable, on a parent that is not there) has no witness. classes: of all
    the rules that the recorder found broken, as it goes on after the first; a client may find any of them first.
    """

    index: int
    answer: Answer
    content: BlockWitness | None = None
    path: Path | None = None
    classes: frozenset[ReasonClass] = frozenset()


class Recorder(Protocol):
    """Imports the blocks of a case with full state and makes their witnesses, also of invalid ones."""

    @property
    def name(self) -> str:
        """The client's that does it."""

    def record(self, case: Case, directory: Path) -> Iterator[Recorded]:
        """Each block in its order; witness files are written below `directory`, which is the case's own.

        Raises ExecutorError, UnsupportedForkError (nothing after it is tried).
        """
