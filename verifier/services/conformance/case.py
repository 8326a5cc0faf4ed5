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

    besides: classes of rules that it breaks too, and the word does not say: as good a reason to reject it.
    stated_hash: 32 bytes where the fixture states one: a payload with another hash is refused before execution.
    misfit: why it is refused before any client is asked, one line, such as another hash; "" where it is not. That is
    as expected where the fixture expects INVALID or REFUSED.
    witness: given with the block; None where it has to be recorded. pre_state_root: 32 bytes, trusted with it.
    unstated: fields of the header that the fixture does not say, and that `completion` has to compute first.
    uncertain: those of them that could not be computed for sure: other values are not held against anybody.
    """

    encoded: bytes
    expected: Expected = Expected.VALID
    exception: str = ""
    besides: frozenset[ReasonClass] = frozenset()
    stated_hash: bytes | None = None
    misfit: str = ""
    witness: BlockWitness | None = None
    pre_state_root: bytes = b""
    unstated: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()


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
class LoadFailure:
    """A file or a test of it that gives no case, and why, in one line. name.test: "" where it is the whole file.

    left_out: it is not broken; there is no test in it, or one that no block can be made of.
    """

    name: CaseName
    reason: str
    left_out: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """The witness of a block that the recorder has not judged yet, where it does not depend on what the block does."""

    index: int
    content: BlockWitness
    path: Path


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

    def record(self, case: Case, directory: Path) -> Iterator[Prepared | Recorded]:
        """Each block in its order; witness files are written below `directory`, which is the case's own.

        A Prepared may come right before the Recorded of its block, which has the same witness: clients need not wait.

        Each block has a file of its own: two may have the same header, with other bodies.

        Raises ExecutorError, UnsupportedForkError (nothing after it is tried).
        """

    def interrupt(self) -> None:
        """Called from another thread: a `record` under way ends soon, with ExecutorError, and none begins any more."""
