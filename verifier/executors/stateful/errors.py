"""Errors of stateful executors, below verifier.errors.ExecutorError.

ExecutorError
├── UndecodableBlockError    bytes that are no block: nothing can be executed, recorded or called invalid
├── UnsupportedForkError     the block's fork is not one that the executor has
├── ForeignDatabaseError     a database directory of another chain
├── DatabaseInUseError       another process writes to it
├── DatabaseDamagedError     its content is not what was written, or something is missing
├── DatabaseFullError        the disk, or a quota, has no room
├── UnbuildableBlockError    a block that cannot be built as planned
└── ExecutionClientError     the external execution client does not answer, or answers what cannot be used
    └── NoWitnessError       it has the block perhaps, and no witness of it
        └── NoWitnessMethodError   it has no method by which it would give any
"""

from verifier.errors import ExecutorError


class UndecodableBlockError(ExecutorError):
    """Bytes that are not the RLP of a block: no header can be read from them."""


class UnsupportedForkError(ExecutorError):
    """A block of a fork that the executor lacks. It was not executed."""


class ForeignDatabaseError(ExecutorError):
    """A database directory that belongs to another chain, or that another version wrote."""


class DatabaseInUseError(ExecutorError):
    """A database directory that another process has open for writing."""


class DatabaseDamagedError(ExecutorError):
    """A database whose content is damaged or incomplete. Nothing is concluded about the block."""


class DatabaseFullError(ExecutorError):
    """No room to write: the disk is full or a limit was reached. The last import was dropped as a whole."""


class ExecutionClientError(ExecutorError):
    """The external execution client does not answer, answers an error, or what cannot be used."""


class NoWitnessError(ExecutionClientError):
    """No witness of the block can be had: the client does not serve any, or not of this block."""


class NoWitnessMethodError(NoWitnessError):
    """The client serves no witnesses, of whatever block."""


class UnbuildableBlockError(ExecutorError):
    """A block that cannot be built as planned: a transaction in it may not be included, or is none.

    transaction: its index, None where it is not the fault of one. reason: why, in one line.
    """

    def __init__(self, message: str, transaction: int | None = None, reason: str = "") -> None:
        super().__init__(message)
        self.transaction = transaction
        self.reason = reason
